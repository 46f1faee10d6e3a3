//! What IoT Central does not offer: totals, the journal, a look at a device in the hub, and cloud-to-device messages.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use iot_protocol::id::{DeviceId, HubHost};
use iot_protocol::properties::{MESSAGE_ID, PropertyBag, TO};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rest;
use super::body::parse;
use super::error::ApiError;
use crate::certificate::hex_upper;
use crate::hub::{CantMove, CloudMessage, Device};
use crate::journal::{Entry, Event};
use crate::stats::Stats;
use crate::unconfirmed::QUEUE_FULL;

/// Largest cloud-to-device message: body and properties.
const MAX_MESSAGE: usize = 64 * 1024;
/// Room for the fixed part of the topic, whose length MQTT writes in 16 bits.
const MAX_PROPERTIES: usize = 60 * 1024;

#[derive(Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
}

#[derive(Deserialize)]
struct MessageBody {
    body: Value,
    #[serde(default)]
    properties: BTreeMap<String, Option<String>>,
}

pub(super) async fn stats(State(rest): State<Rest>) -> Json<Stats> {
    Json(rest.services.counters.read())
}

pub(super) async fn journal(
    State(rest): State<Rest>,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Json<Vec<Entry>>, ApiError> {
    let Query(Since { since }) = since.map_err(|error| ApiError::bad_request(error.body_text()))?;
    Ok(Json(rest.services.journal.since(since)))
}

pub(super) async fn device(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let device = find(&rest, &id)?;
    let state = device.lock();
    Ok(Json(json!({
        "device_id": device.id,
        "hub": *state.hub,
        "next_hub": state.next_hub.as_deref(),
        "enabled": state.enabled,
        "connected": state.connection.is_some(),
        "model_id": state.model_id,
        "telemetry_received": state.inbox.received(),
        "last_message": state.inbox.last().map(|(at, properties)| json!({
            "at": at,
            "properties": properties.iter().collect::<BTreeMap<_, _>>(),
        })),
        "messages_waiting": state.queue.len(),
        "twin": state.twin.document,
    })))
}

/// Queues a cloud-to-device message. A text goes as it is, any other body as JSON.
pub(super) async fn send(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let message: MessageBody = parse(&body)?;
    let device = find(&rest, &id)?;
    let message_id = hex_upper(&rand::random::<[u8; 16]>()).to_lowercase();
    let mut properties = PropertyBag::new()
        .with(MESSAGE_ID, &message_id)
        .with(TO, &format!("/devices/{}/messages/devicebound", device.id));
    for (key, value) in &message.properties {
        properties.push(key, value.as_deref());
    }
    let body = match message.body {
        Value::String(text) => text,
        json => json.to_string(),
    };
    let bag = properties.to_string().len();
    if body.len() + bag > MAX_MESSAGE || bag > MAX_PROPERTIES {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "MessageTooLarge",
            "a message has at most 64 KB",
        ));
    }
    let message = CloudMessage {
        properties,
        body: body.into(),
    };
    device
        .send(message, &rest.services.store)
        .map_err(|full| ApiError::new(QUEUE_FULL.0, QUEUE_FULL.1, full.to_string()))?;
    rest.services
        .journal
        .record(Some(device.id.as_str()), Event::MessageQueued);
    Ok((StatusCode::ACCEPTED, Json(json!({ "messageId": message_id }))))
}

#[derive(Deserialize, Default)]
struct ReassignBody {
    hub: Option<HubHost>,
}

/// Gives a device to another hub: to the one that is named, or to the next.
pub(super) async fn reassign(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let body = if body.is_empty() {
        ReassignBody::default()
    } else {
        parse(&body)?
    };
    let id: DeviceId = id.parse()?;
    let hub = rest
        .services
        .reassign(&id, body.hub.as_ref())
        .map_err(|error| match error {
            CantMove::UnknownDevice => ApiError::not_found(error.to_string()),
            _ => ApiError::new(StatusCode::CONFLICT, "Conflict", error.to_string()),
        })?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "hub": hub }))))
}

fn find(rest: &Rest, id: &str) -> Result<std::sync::Arc<Device>, ApiError> {
    let id: DeviceId = id.parse()?;
    rest.services
        .registry
        .device(&id)
        .ok_or_else(|| ApiError::not_found("the hub does not know the device"))
}
