//! The last value of a telemetry.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Rest;
use super::error::ApiError;
use super::error::no_device;
use super::extract::Path;
use crate::clock;

pub(super) async fn read(
    State(rest): State<Rest>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    last(&rest, &id, None, &name)
}

pub(super) async fn read_component(
    State(rest): State<Rest>,
    Path((id, component, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    last(&rest, &id, Some(&component), &name)
}

fn last(rest: &Rest, id: &str, component: Option<&str>, name: &str) -> Result<Json<Value>, ApiError> {
    let device_id = rest
        .services
        .central
        .read()
        .device(id)
        .ok_or_else(no_device)?
        .id
        .clone();
    let device = rest.services.registry.device(&device_id);
    let last = device.and_then(|device| device.lock().inbox.value(component, name));
    let (at, value) = last.ok_or_else(|| ApiError::not_found("the device has not sent this telemetry"))?;
    Ok(Json(json!({ "timestamp": clock::millis(at), "value": value })))
}
