//! Devices.

use std::fmt::Write;
use std::ops::Bound;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use iot_protocol::id::{DeviceId, RegistrationId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rest;
use super::attestation::certificates_view;
use super::body::{check_etag, parse};
use super::error::ApiError;
use crate::central::{Device, new_etag};

const DEFAULT_PAGE: usize = 25;
const MAX_PAGE: usize = 100;

#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(rename = "$top")]
    top: Option<usize>,
    #[serde(rename = "$skiptoken")]
    after: Option<String>,
    #[serde(rename = "api-version")]
    api_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceBody {
    display_name: Option<String>,
    template: Option<String>,
    enabled: Option<bool>,
    simulated: Option<bool>,
    organizations: Option<Vec<String>>,
    etag: Option<String>,
}

pub(super) async fn list(
    State(rest): State<Rest>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let Query(page) = page.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let top = page.top.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&top) {
        return Err(ApiError::bad_request(format!("$top is from 1 to {MAX_PAGE}")));
    }
    let application = rest.services.central.read();
    let start = page.after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut devices = application.devices.range((start, Bound::Unbounded));
    let shown: Vec<_> = devices.by_ref().take(top).collect();
    let mut answer = json!({ "value": shown.iter().map(|(_, device)| view(device)).collect::<Vec<_>>() });
    if let (Some((last, _)), Some(_)) = (shown.last(), devices.next()) {
        let host = headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or(rest.services.hostname.as_str());
        let version = page.api_version.unwrap_or_default();
        let mut link = String::new();
        write!(
            link,
            "{}://{host}/api/devices?api-version={version}&$top={top}&$skiptoken={last}",
            rest.scheme
        )
        .expect("writing to a string does not fail");
        answer["nextLink"] = link.into();
    }
    Ok(Json(answer))
}

pub(super) async fn read(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(view(
        rest.services.central.read().device(&id).ok_or_else(no_device)?,
    )))
}

pub(super) async fn replace(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let id: RegistrationId = id.parse()?;
    write(&rest, id.as_str(), parse(&body)?, Some(DeviceId::from(id.clone())))
}

pub(super) async fn update(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    write(&rest, &id, parse(&body)?, None)
}

fn write(rest: &Rest, id: &str, body: DeviceBody, create: Option<DeviceId>) -> Result<Json<Value>, ApiError> {
    let mut application = rest.services.central.write();
    let known = application.device(id);
    check_etag(body.etag.as_deref(), known.map(|device| device.etag.as_str()))?;
    let mut device = match (known, create) {
        (Some(device), _) => device.clone(),
        (None, Some(id)) => Device::new(id),
        (None, None) => return Err(no_device()),
    };
    if let Some(template) = body.template {
        if !application.templates.contains_key(&template) {
            return Err(ApiError::invalid(format!("there is no device template `{template}`")));
        }
        device.template = Some(template);
    }
    if let Some(display_name) = body.display_name {
        device.display_name = display_name;
    }
    device.simulated = body.simulated.unwrap_or(device.simulated);
    device.organizations = body.organizations.unwrap_or(device.organizations);
    device.etag = new_etag();
    let was_enabled = device.enabled;
    device.enabled = body.enabled.unwrap_or(was_enabled);
    let answer = view(&device);
    let mut changes = rest.services.store.changes();
    if device.enabled != was_enabled {
        // Blocking a device is an act upon the device itself, so it reaches the hub at once.
        rest.services
            .registry
            .set_enabled(&device.id, device.enabled, &mut changes);
    }
    let folded = id.to_ascii_lowercase();
    changes.put(&folded, &device);
    application.devices.insert(folded, device);
    rest.services.store.write(changes);
    Ok(Json(answer))
}

pub(super) async fn remove(State(rest): State<Rest>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let mut application = rest.services.central.write();
    let device_id = application.device(&id).ok_or_else(no_device)?.id.clone();
    application.set_attestation(&id, None);
    let folded = id.to_ascii_lowercase();
    application.devices.remove(&folded);
    let mut changes = rest.services.store.changes();
    changes.remove::<Device>(&folded);
    let children: Vec<_> = application
        .children(&device_id)
        .map(|child| child.target.clone())
        .collect();
    for child in children {
        application.remove_relationship(&child, &mut changes);
        rest.services.registry.orphan(&child, &device_id);
    }
    application.remove_relationship(&device_id, &mut changes);
    rest.services.registry.remove(&device_id, &mut changes);
    rest.services.store.write(changes);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn credentials(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    let device = application.device(&id).ok_or_else(no_device)?;
    let mut answer = json!({ "idScope": rest.services.id_scope });
    if let Some(attestation) = &device.attestation {
        answer["x509"] = certificates_view(attestation);
    }
    Ok(Json(answer))
}

fn view(device: &Device) -> Value {
    let mut view = json!({
        "id": device.id,
        "etag": device.etag,
        "displayName": device.display_name,
        "enabled": device.enabled,
        "provisioned": device.provisioned,
        "simulated": device.simulated,
        "organizations": device.organizations,
    });
    if let Some(template) = &device.template {
        view["template"] = template.as_str().into();
    }
    view
}

pub(super) fn no_device() -> ApiError {
    ApiError::not_found("there is no such device")
}
