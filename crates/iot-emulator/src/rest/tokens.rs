//! API tokens. A secret is shown once, to the one who asked for it.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rest;
use super::body::parse;
use super::error::ApiError;
use super::extract::{Body, Path};
use super::paging::Listing;
use crate::central::{LIFETIME, Role, Token};
use crate::clock;
use crate::services::Services;
use crate::unconfirmed::TOKEN_EXISTS;

const MAX_ID: usize = 128;

#[derive(Deserialize)]
struct TokenBody {
    roles: Vec<RoleBody>,
    expiry: Option<Timestamp>,
}

#[derive(Deserialize)]
struct RoleBody {
    role: String,
    organization: Option<String>,
}

/// The roles that every application has.
pub(super) async fn roles() -> Json<Value> {
    let roles: Vec<Value> = Role::ALL.iter().map(|(role, _)| role_view(*role)).collect();
    Json(json!({ "value": roles }))
}

pub(super) async fn role(Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let role = Role::from_id(&id).ok_or_else(|| ApiError::not_found(format!("there is no role `{id}`")))?;
    Ok(Json(role_view(role)))
}

fn role_view(role: Role) -> Value {
    json!({ "id": role.id(), "displayName": role.to_string() })
}

impl Services {
    /// What the bearer of an `Authorization` header may do: anything with the token of the emulator, less with those
    /// that it has handed out, and nothing otherwise.
    pub(super) fn role_of(&self, header: &[u8], now: Timestamp) -> Option<Role> {
        if self.token.is(header) {
            return Some(Role::Administrator);
        }
        let secret = header.strip_prefix(b"Bearer ").unwrap_or(header);
        let application = self.central.read();
        let token = application.tokens.get(Token::id_of(secret)?)?;
        token.is(secret, now).then_some(token.role)
    }
}

pub(super) async fn list(State(rest): State<Rest>, listing: Listing) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    let tokens = application.tokens.iter();
    listing
        .plain(tokens.map(|(id, token)| (Cow::from(id), token)), |token| view(token))
        .map(Json)
}

pub(super) async fn read(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    Ok(Json(view(application.tokens.get(&id).ok_or_else(no_token)?)))
}

pub(super) async fn create(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    if id.is_empty() || id.len() > MAX_ID || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(ApiError::bad_request(format!(
            "the id of a token has at most {MAX_ID} letters, digits and dashes"
        )));
    }
    let body: TokenBody = parse(&body)?;
    if body.roles.iter().any(|role| role.organization.is_some()) {
        return Err(ApiError::invalid("the emulator has no organizations"));
    }
    let roles: Option<Vec<Role>> = body.roles.iter().map(|role| Role::from_id(&role.role)).collect();
    let role = roles
        .and_then(|roles| roles.into_iter().max())
        .ok_or_else(|| ApiError::invalid("roles: one or more ids of the roles Administrator, Builder and Operator"))?;
    let now = clock::now();
    let expiry = body.expiry.unwrap_or(now + LIFETIME);
    if expiry <= now {
        return Err(ApiError::invalid("expiry: a time to come"));
    }
    let mut application = rest.services.central.write();
    if application.tokens.contains_key(&id) {
        return Err(ApiError::new(
            TOKEN_EXISTS.0,
            TOKEN_EXISTS.1,
            "there is such a token already",
        ));
    }
    let (token, secret) = Token::generate(&id, role, expiry);
    let mut answer = view(&token);
    answer["token"] = secret.into();
    application.tokens.insert(id.clone(), token);
    application.store_token(&id, &rest.services.store);
    Ok(Json(answer))
}

pub(super) async fn remove(State(rest): State<Rest>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let mut application = rest.services.central.write();
    application.tokens.remove(&id).ok_or_else(no_token)?;
    application.store_token(&id, &rest.services.store);
    Ok(StatusCode::NO_CONTENT)
}

fn view(token: &Token) -> Value {
    json!({
        "id": token.id,
        "roles": [{ "role": token.role.id() }],
        "expiry": clock::millis(token.expiry),
    })
}

fn no_token() -> ApiError {
    ApiError::not_found("there is no such API token")
}
