//! What IoT Central does not offer: totals, the journal, a look at a device in its hub, and another hub for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iot_protocol::id::{DeviceId, HubHost};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Rest;
use super::body::parse;
use super::error::ApiError;
use super::extract::{Body, Path, Query};
use crate::clock;
use crate::hub::{CantMove, Device, Target};
use crate::journal::{Entry, Event};
use crate::runs::RunStats;
use crate::sign_in::CODE_LIFETIME;
use crate::stats::Stats;

#[derive(Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
}

#[derive(Deserialize)]
pub(super) struct OfRun {
    run: Option<String>,
}

/// Totals, and those of a run, if one is named.
#[derive(Serialize)]
pub(super) struct Totals {
    #[serde(flatten)]
    all: Stats,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunStats>,
}

pub(super) async fn stats(State(rest): State<Rest>, Query(OfRun { run }): Query<OfRun>) -> Json<Totals> {
    Json(Totals {
        all: rest.services.counters.read(),
        run: run.map(|id| rest.services.runs.read(&id)),
    })
}

pub(super) async fn journal(State(rest): State<Rest>, Query(Since { since }): Query<Since>) -> Json<Vec<Entry>> {
    Json(rest.services.journal.since(since))
}

/// A fresh one-time link to the page, for the holder of the token.
pub(super) async fn sign_in(State(rest): State<Rest>) -> (StatusCode, Json<Value>) {
    let path = rest.services.sign_in.link(Instant::now());
    let seconds = CODE_LIFETIME.as_secs();
    (
        StatusCode::CREATED,
        Json(json!({ "path": path, "expiresInSeconds": seconds })),
    )
}

pub(super) async fn device(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let device = find(&rest, &id)?;
    device.expire(clock::now(), &rest.services.store, &rest.services.journal);
    let state = device.lock();
    Ok(Json(json!({
        "device_id": device.id,
        "hub": *state.hub,
        "next_hub": state.next_hub.as_deref(),
        "enabled": state.enabled,
        "connected": state.connection.is_some(),
        "model_id": state.model_id,
        "telemetry_received": state.inbox.received(),
        "last_message": state.inbox.last().map(|at| json!({
            "at": at,
            "properties": state.inbox.last_properties().iter().collect::<BTreeMap<_, _>>(),
        })),
        "messages_waiting": state.queue.len(),
        "twin": state.twin.document(),
    })))
}

#[derive(Deserialize, Default)]
struct ReassignBody {
    hub: Option<HubHost>,
}

/// Gives a device to another hub: to the one that is named, or to the next.
pub(super) async fn reassign(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let body = if body.is_empty() {
        ReassignBody::default()
    } else {
        parse(&body)?
    };
    let hub = move_to(&rest, &id, body.hub.as_ref().map_or(Target::Next, Target::Named))?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "hub": hub }))))
}

/// `az iot central device manual-failover`: IoT Central's way to try whether a device finds another hub through DPS. The
/// time after which it would move back by itself (`ttl`) is not kept.
///
/// Source: GitHub Azure/azure-iot-cli-extension, `azext_iot/central/services/device.py`.
pub(super) async fn fail_over(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({ "hubIdentifier": move_to(&rest, &id, Target::FailOver)? })))
}

/// `az iot central device manual-failback`: back to the hub from which the device was failed over.
pub(super) async fn fail_back(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({ "hubIdentifier": move_to(&rest, &id, Target::FailBack)? })))
}

/// `az iot central device c2d-message purge`: drops the cloud-to-device messages that wait.
pub(super) async fn purge(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let device = find(&rest, &id)?;
    device.expire(clock::now(), &rest.services.store, &rest.services.journal);
    let purged = device.purge(&rest.services.store);
    let event = Event::MessagesPurged { purged };
    rest.services.journal.record(Some(device.id.as_str()), event);
    let message =
        format!("Cloud to device (C2D) message queue purged for device {id}.\nTotal messages purged: {purged}.");
    Ok(Json(json!({ "message": message })))
}

fn move_to(rest: &Rest, id: &str, target: Target<'_>) -> Result<HubHost, ApiError> {
    let id: DeviceId = id.parse()?;
    rest.services.reassign(&id, target).map_err(|error| match error {
        CantMove::UnknownDevice => ApiError::not_found(error.to_string()),
        _ => ApiError::new(StatusCode::CONFLICT, "Conflict", error.to_string()),
    })
}

pub(super) fn find(rest: &Rest, id: &str) -> Result<Arc<Device>, ApiError> {
    let id: DeviceId = id.parse()?;
    rest.services
        .registry
        .device(&id)
        .ok_or_else(|| ApiError::not_found("the hub has no such device"))
}
