//! Properties: the twin as IoT Central shows and writes it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use iot_protocol::pnp::{Acknowledgement, COMPONENT_MARKER, COMPONENT_MARKER_VALUE};
use serde_json::{Map, Value, json};

use super::Rest;
use super::body::object;
use super::devices::no_device;
use super::error::ApiError;
use crate::clock;
use crate::hub::{Device, Twin, is_component};
use crate::journal::Event;
use crate::unconfirmed::NOT_PROVISIONED;

const METADATA: &str = "$metadata";

/// Whether a write leaves alone what it does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Merge,
    Replace,
}

pub(super) async fn read(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let target = Target::find(&rest, &id)?;
    let state = target.device.lock();
    let document = state.twin.document();
    let mut view = Map::new();
    let mut plain = [Map::new(), Map::new()];
    for (section, plain) in [&document.reported.properties, &document.desired.properties]
        .into_iter()
        .zip(&mut plain)
    {
        for (name, value) in section {
            match value {
                Value::Object(component) if is_component(component) => {
                    view.entry(name).or_insert_with(|| component_view(&state.twin, name));
                }
                _ => {
                    plain.insert(name.clone(), value.clone());
                }
            }
        }
    }
    let [reported, desired] = plain;
    view.append(&mut render(&state.twin, None, &reported, &desired));
    Ok(Json(Value::Object(view)))
}

pub(super) async fn read_component(
    State(rest): State<Rest>,
    Path((id, component)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let target = Target::find(&rest, &id)?;
    let state = target.device.lock();
    Ok(Json(component_view(&state.twin, &component)))
}

pub(super) async fn replace(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    write_root(&rest, &id, &body, Mode::Replace)
}

pub(super) async fn update(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    write_root(&rest, &id, &body, Mode::Merge)
}

pub(super) async fn replace_component(
    State(rest): State<Rest>,
    Path((id, component)): Path<(String, String)>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    write_component(&rest, &id, component, &body, Mode::Replace)
}

pub(super) async fn update_component(
    State(rest): State<Rest>,
    Path((id, component)): Path<(String, String)>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    write_component(&rest, &id, component, &body, Mode::Merge)
}

/// A device with what tells its components from its properties.
struct Target {
    device: Arc<Device>,
    components: Vec<String>,
}

impl Target {
    fn find(rest: &Rest, id: &str) -> Result<Self, ApiError> {
        let application = rest.services.central.read();
        let device = application.device(id).ok_or_else(no_device)?;
        let template = device
            .template
            .as_ref()
            .and_then(|template| application.templates.get(template));
        let components = template
            .map(|template| template.components().map(Into::into).collect())
            .unwrap_or_default();
        let device = rest.services.registry.device(&device.id).ok_or_else(|| {
            ApiError::new(
                NOT_PROVISIONED.0,
                NOT_PROVISIONED.1,
                "the device has never been provisioned",
            )
        })?;
        Ok(Self { device, components })
    }

    fn is_component(&self, name: &str) -> bool {
        let marked =
            |section: &Map<String, Value>| section.get(name).and_then(Value::as_object).is_some_and(is_component);
        let document = self.device.lock().twin.document();
        self.components.iter().any(|component| component == name)
            || marked(&document.reported.properties)
            || marked(&document.desired.properties)
    }
}

fn write_root(rest: &Rest, id: &str, body: &Bytes, mode: Mode) -> Result<(StatusCode, Json<Value>), ApiError> {
    let mut patch = object(body)?;
    patch.remove(METADATA);
    let target = Target::find(rest, id)?;
    let mut answer = Map::new();
    let mut metadata = Map::new();
    for (name, value) in &mut patch {
        match value {
            Value::Object(component) if target.is_component(name) => {
                component.remove(METADATA);
                component.remove(COMPONENT_MARKER);
                answer.insert(name.clone(), json!({ METADATA: desired_metadata(component) }));
                component.insert(COMPONENT_MARKER.into(), COMPONENT_MARKER_VALUE.into());
            }
            _ => {
                metadata.insert(name.clone(), json!({ "desiredValue": value }));
            }
        }
    }
    answer.insert(METADATA.into(), metadata.into());
    if mode == Mode::Replace {
        let old = target.device.lock().twin.document().desired.properties;
        remove_others(&mut patch, old.keys());
    }
    write(rest, &target.device, patch)?;
    Ok((StatusCode::ACCEPTED, Json(Value::Object(answer))))
}

fn write_component(
    rest: &Rest,
    id: &str,
    component: String,
    body: &Bytes,
    mode: Mode,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let mut properties = object(body)?;
    properties.remove(METADATA);
    properties.remove(COMPONENT_MARKER);
    let target = Target::find(rest, id)?;
    let answer = json!({ METADATA: desired_metadata(&properties) });
    if mode == Mode::Replace {
        let document = target.device.lock().twin.document();
        let old = document.desired.properties.get(&component).and_then(Value::as_object);
        remove_others(&mut properties, old.into_iter().flat_map(Map::keys));
    }
    properties.insert(COMPONENT_MARKER.into(), COMPONENT_MARKER_VALUE.into());
    write(
        rest,
        &target.device,
        Map::from_iter([(component, Value::Object(properties))]),
    )?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// In a merge patch, what is not to stay must be named.
fn remove_others<'a>(patch: &mut Map<String, Value>, old: impl Iterator<Item = &'a String>) {
    for name in old {
        patch.entry(name).or_insert(Value::Null);
    }
}

fn write(rest: &Rest, device: &Device, patch: Map<String, Value>) -> Result<(), ApiError> {
    let version = device.change_desired(patch, clock::now(), &rest.services.store)?;
    rest.services
        .journal
        .record(Some(device.id.as_str()), Event::DesiredChanged { version });
    Ok(())
}

fn desired_metadata(properties: &Map<String, Value>) -> Map<String, Value> {
    properties
        .iter()
        .map(|(name, value)| (name.clone(), json!({ "desiredValue": value })))
        .collect()
}

fn component_view(twin: &Twin, component: &str) -> Value {
    let section = |properties: &Map<String, Value>| {
        properties
            .get(component)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let document = twin.document();
    let (reported, desired) = (
        section(&document.reported.properties),
        section(&document.desired.properties),
    );
    Value::Object(render(twin, Some(component), &reported, &desired))
}

/// The values, and beside them what is asked for and what the device has acknowledged.
fn render(
    twin: &Twin,
    component: Option<&str>,
    reported: &Map<String, Value>,
    desired: &Map<String, Value>,
) -> Map<String, Value> {
    let mut view = Map::new();
    let mut metadata = Map::new();
    let names = reported
        .keys()
        .chain(desired.keys().filter(|name| !reported.contains_key(*name)));
    for name in names.filter(|name| *name != COMPONENT_MARKER) {
        let mut about = Map::new();
        if let Some(stamp) = twin.reported_stamp(component, name) {
            about.insert("lastUpdateTime".into(), clock::millis(stamp.at).into());
        }
        if let Some(value) = desired.get(name) {
            about.insert("desiredValue".into(), value.clone());
            if let Some(stamp) = twin.desired_stamp(component, name) {
                about.insert("desiredVersion".into(), stamp.version.into());
            }
        }
        let value = match reported.get(name) {
            Some(value) => match acknowledgement(value) {
                Some(acknowledgement) => {
                    about.insert("ackVersion".into(), acknowledgement.version.into());
                    about.insert("ackCode".into(), acknowledgement.code.into());
                    if let Some(description) = acknowledgement.description {
                        about.insert("ackDescription".into(), description.into());
                    }
                    acknowledgement.value
                }
                None => value.clone(),
            },
            None => desired.get(name).cloned().unwrap_or_default(),
        };
        view.insert(name.clone(), value);
        metadata.insert(name.clone(), about.into());
    }
    view.insert(METADATA.into(), metadata.into());
    view
}

fn acknowledgement(value: &Value) -> Option<Acknowledgement> {
    let map = value.as_object()?;
    if !["value", "ac", "av"].iter().all(|key| map.contains_key(*key)) {
        return None;
    }
    serde_json::from_value(value.clone()).ok()
}
