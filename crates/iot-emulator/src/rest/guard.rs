//! What every request must bring: the token, and the version of the interface that it speaks.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Rest;
use super::error::ApiError;

const VERSIONS: [&str; 2] = ["2022-07-31", "2022-10-31-preview"];

/// Lets nothing through that does not carry the token.
pub(super) async fn token(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION);
    if given.is_some_and(|given| rest.services.token.is(given.as_bytes())) {
        return next.run(request).await;
    }
    let message = "the request carries no valid token in its Authorization header";
    ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", message).into_response()
}

/// Lets no answer out before what it may tell is stored, be it this request's own change or another's.
pub(super) async fn durable(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    match rest.services.store.settled().await {
        Ok(()) => answer,
        Err(error) => ApiError::from(error).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Version {
    #[serde(rename = "api-version")]
    api_version: Option<String>,
}

/// Lets nothing through that does not say which version it means.
pub(super) async fn api_version(
    version: Result<Query<Version>, QueryRejection>,
    request: Request,
    next: Next,
) -> Response {
    match version.ok().and_then(|Query(version)| version.api_version) {
        Some(version) if VERSIONS.contains(&version.as_str()) => next.run(request).await,
        Some(version) => {
            ApiError::bad_request(format!("api-version `{version}` is not one of {}", VERSIONS.join(", ")))
                .into_response()
        }
        None => ApiError::bad_request("the query names no api-version").into_response(),
    }
}
