//! Devices.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iot_protocol::id::{DeviceId, RegistrationId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rest;
use super::attestation::certificates_view;
use super::body::{check_etag, nullable, parse};
use super::error::ApiError;
use super::error::no_device;
use super::extract::{Body, Path};
use super::filter::Fields;
use super::paging::Listing;
use crate::central::{Device, new_etag};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceBody {
    display_name: Option<String>,
    /// In a merge patch, `null` makes the device unassigned.
    #[serde(default, deserialize_with = "nullable")]
    template: Option<Option<String>>,
    enabled: Option<bool>,
    simulated: Option<bool>,
    organizations: Option<Vec<String>>,
    etag: Option<String>,
}

pub(super) async fn list(State(rest): State<Rest>, listing: Listing) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    listing
        .query(application.devices.iter().map(|(id, device)| (id, &**device)), view)
        .map(Json)
}

pub(super) async fn read(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(view(
        rest.services.central.read().device(&id).ok_or_else(no_device)?,
    )))
}

pub(super) async fn replace(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let id: RegistrationId = id.parse()?;
    write(&rest, id.as_str(), parse(&body)?, Some(DeviceId::from(id.clone())))
}

pub(super) async fn update(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
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
        if let Some(template) = template.as_ref().filter(|id| !application.templates.contains_key(*id)) {
            return Err(ApiError::invalid(format!("there is no device template `{template}`")));
        }
        device.template = template;
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
    let is_reassigned = application
        .device(id)
        .is_some_and(|known| known.template != device.template);
    application.devices.insert(folded, Box::new(device));
    if is_reassigned {
        application.models_changed();
    }
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

impl Fields for Device {
    const TEXTS: &'static [&'static str] = &["id", "displayName", "template", "scopes", "type"];
    const FLAGS: &'static [&'static str] = &["enabled", "provisioned", "simulated"];

    fn text(&self, field: &str) -> Option<&str> {
        match field {
            "id" => Some(self.id.as_str()),
            "displayName" => Some(&self.display_name),
            "template" => self.template.as_deref(),
            // The documentation's word for organizations; a device is in one at most.
            "scopes" => self.organizations.first().map(String::as_str),
            // `GatewayDevice` and `EdgeDevice` are types of devices that IoT Central sets itself; here no device has one.
            _ => None,
        }
    }

    fn flag(&self, field: &str) -> bool {
        match field {
            "enabled" => self.enabled,
            "provisioned" => self.provisioned,
            _ => self.simulated,
        }
    }

    fn display_name(&self) -> &str {
        &self.display_name
    }
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
