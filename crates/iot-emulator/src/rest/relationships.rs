//! Relationships: which devices are behind which gateway.
//!
//! A device that becomes a child gets its identity in a hub, as an operator would make it: it can't register with DPS
//! through its gateway.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rest;
use super::body::parse;
use super::error::ApiError;
use super::error::no_device;
use super::extract::{Body, Path};
use super::paging::Listing;
use crate::central::Relationship;
use crate::unconfirmed::SECOND_PARENT;

const MAX_ID: usize = 255;

#[derive(Deserialize)]
struct RelationshipBody {
    id: Option<String>,
    name: Option<String>,
    source: Option<String>,
    target: Option<String>,
}

pub(super) async fn list(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    listing: Listing,
) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    let parent = &application.device(&id).ok_or_else(no_device)?.id;
    let children = application
        .children(parent)
        .map(|child| (Cow::from(child.target.as_str().to_ascii_lowercase()), child));
    listing.plain(children, |child| json!(child)).map(Json)
}

pub(super) async fn read(
    State(rest): State<Rest>,
    Path((id, relationship)): Path<(String, String)>,
) -> Result<Json<Relationship>, ApiError> {
    let application = rest.services.central.read();
    let parent = &application.device(&id).ok_or_else(no_device)?.id;
    let found = application.relationship(parent, &relationship);
    Ok(Json(found.ok_or_else(no_relationship)?.clone()))
}

/// Makes a relationship, or writes over one.
pub(super) async fn replace(
    State(rest): State<Rest>,
    Path((id, relationship)): Path<(String, String)>,
    Body(body): Body,
) -> Result<Json<Relationship>, ApiError> {
    if relationship.len() > MAX_ID
        || !relationship
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
    {
        return Err(ApiError::bad_request(
            "the id of a relationship has at most 255 letters, digits and `- _ . :`",
        ));
    }
    write(&rest, &id, relationship, parse(&body)?, true)
}

/// Changes what the body names.
pub(super) async fn update(
    State(rest): State<Rest>,
    Path((id, relationship)): Path<(String, String)>,
    Body(body): Body,
) -> Result<Json<Relationship>, ApiError> {
    write(&rest, &id, relationship, parse(&body)?, false)
}

fn write(
    rest: &Rest,
    parent: &str,
    id: String,
    body: RelationshipBody,
    is_whole: bool,
) -> Result<Json<Relationship>, ApiError> {
    let services = &rest.services;
    let mut application = services.central.write();
    let source = application.device(parent).ok_or_else(no_device)?.id.clone();
    let known = application.relationship(&source, &id).cloned();
    let kept = known.as_ref().filter(|_| !is_whole);
    if !is_whole && kept.is_none() {
        return Err(no_relationship());
    }
    if body.id.is_some_and(|named| named != id) {
        return Err(ApiError::invalid("body: `id` is not the one of the path"));
    }
    match &body.source {
        Some(named) if !named.eq_ignore_ascii_case(source.as_str()) => {
            return Err(ApiError::invalid("body: `source` is not the device of the path"));
        }
        None if is_whole => return Err(ApiError::invalid("body: missing field `source`")),
        _ => {}
    }
    let target = match (body.target, kept) {
        (Some(named), _) => {
            let missing = || ApiError::invalid(format!("body: there is no device `{named}` for `target`"));
            application.device(&named).ok_or_else(missing)?.id.clone()
        }
        (None, Some(kept)) => kept.target.clone(),
        (None, None) => return Err(ApiError::invalid("body: missing field `target`")),
    };
    if target == source {
        return Err(ApiError::invalid("body: a device is not its own child"));
    }
    if application
        .parent(&target)
        .is_some_and(|parent| Some(parent) != known.as_ref())
    {
        return Err(ApiError::new(
            SECOND_PARENT.0,
            SECOND_PARENT.1,
            format!("device `{target}` has a parent already"),
        ));
    }
    let relationship = Relationship {
        id,
        name: body.name.or_else(|| kept.and_then(|kept| kept.name.clone())),
        source,
        target,
    };
    let mut changes = services.store.changes();
    if let Some(old) = known.filter(|old| old.target != relationship.target) {
        application.remove_relationship(&old.target, &mut changes);
        services.registry.orphan(&old.target, &old.source);
    }
    let enabled = application
        .device(relationship.target.as_str())
        .is_some_and(|device| device.enabled);
    services.registry.adopt(
        &relationship.target,
        &relationship.source,
        enabled,
        services.reprovision,
        &mut changes,
    );
    if let Some(twin) = application.take_prepared(relationship.target.as_str(), &mut changes) {
        services.registry.prepare(&relationship.target, twin, &mut changes);
    }
    application.relate(relationship.clone(), &mut changes);
    services.store.write(changes);
    Ok(Json(relationship))
}

/// Ends a relationship, and the child's connection through the gateway.
pub(super) async fn remove(
    State(rest): State<Rest>,
    Path((id, relationship)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let services = &rest.services;
    let mut application = services.central.write();
    let parent = application.device(&id).ok_or_else(no_device)?.id.clone();
    let found = application.relationship(&parent, &relationship);
    let child = found.ok_or_else(no_relationship)?.target.clone();
    let mut changes = services.store.changes();
    application.remove_relationship(&child, &mut changes);
    services.registry.orphan(&child, &parent);
    services.store.write(changes);
    Ok(StatusCode::NO_CONTENT)
}

fn no_relationship() -> ApiError {
    ApiError::not_found("the device has no such relationship")
}
