//! Properties: the twin as IoT Central shows and writes it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use dtdl::Model;
use iot_protocol::pnp::{Acknowledgement, COMPONENT_MARKER, COMPONENT_MARKER_VALUE};
use iot_protocol::twin::TwinDocument;
use serde_json::{Map, Value, json};

use super::Rest;
use super::body::object;
use super::error::{ApiError, no_device};
use super::extract::{Body, Path};
use crate::clock;
use crate::hub::{Twin, is_component};
use crate::journal::Event;
use crate::unconfirmed::MISFIT;

const METADATA: &str = "$metadata";

/// Whether a write leaves alone what it does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Merge,
    Replace,
}

pub(super) async fn read(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    look(&rest, &id, root_view).map(Json)
}

pub(super) async fn read_component(
    State(rest): State<Rest>,
    Path((id, component)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    look(&rest, &id, |twin| component_view(twin, &component)).map(Json)
}

pub(super) async fn replace(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    write_root(&rest, &id, &body, Mode::Replace)
}

pub(super) async fn update(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    write_root(&rest, &id, &body, Mode::Merge)
}

pub(super) async fn replace_component(
    State(rest): State<Rest>,
    Path((id, component)): Path<(String, String)>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    write_component(&rest, &id, component, &body, Mode::Replace)
}

pub(super) async fn update_component(
    State(rest): State<Rest>,
    Path((id, component)): Path<(String, String)>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    write_component(&rest, &id, component, &body, Mode::Merge)
}

/// Looks at the twin of a device, or at what is prepared for one that has never registered.
fn look(rest: &Rest, id: &str, view: impl FnOnce(&Twin) -> Value) -> Result<Value, ApiError> {
    let application = rest.services.central.read();
    let device = application.device(id).ok_or_else(no_device)?;
    Ok(match rest.services.registry.device(&device.id) {
        Some(device) => view(&device.lock().twin),
        None => view(device.prepared.as_deref().unwrap_or(&Twin::new())),
    })
}

/// What a write makes of its body: the patch of the twin, and the answer.
struct Write {
    patch: Map<String, Value>,
    answer: Value,
}

/// Changes the desired properties of a device. One that has never registered finds them when it does.
fn write(
    rest: &Rest,
    id: &str,
    make: impl FnOnce(&TwinDocument, &dyn Fn(&str) -> bool) -> Write,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    // A registration takes the same lock, so the device can't come into the hub in the middle of this.
    let mut application = rest.services.central.write();
    let device = application.device(id).ok_or_else(no_device)?;
    let template = device.template.as_ref().and_then(|id| application.templates.get(id));
    let components: Vec<String> = template
        .map(|template| template.component_names().map(Into::into).collect())
        .unwrap_or_default();
    let model = application.model_of(id).cloned();
    let make = |twin: &Twin| {
        let document = twin.document();
        let is_component =
            |name: &str| components.iter().any(|component| component == name) || has_component(&document, name);
        let write = make(&document, &is_component);
        model.as_ref().map_or(Ok(()), |model| fits(model, &write.patch))?;
        Ok::<_, ApiError>(write)
    };
    let store = &rest.services.store;
    let (device_id, answer, version) = match rest.services.registry.device(&device.id) {
        Some(device) => {
            let Write { patch, answer } = make(&device.lock().twin)?;
            (
                device.id.clone(),
                answer,
                device.change_desired(patch, clock::now(), store)?,
            )
        }
        None => {
            let device_id = device.id.clone();
            let mut twin = device.prepared.clone().unwrap_or_else(|| Box::new(Twin::new()));
            let Write { patch, answer } = make(&twin)?;
            let (version, _) = twin.change_desired(patch, clock::now())?;
            if let Some(device) = application.device_mut(id) {
                device.prepared = Some(twin);
            }
            application.store_device(id, store);
            (device_id, answer, version)
        }
    };
    let event = Event::DesiredChanged { version };
    rest.services.journal.record(Some(device_id.as_str()), event);
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

fn write_root(rest: &Rest, id: &str, body: &Bytes, mode: Mode) -> Result<(StatusCode, Json<Value>), ApiError> {
    let mut patch = object(body)?;
    patch.shift_remove(METADATA);
    write(rest, id, |twin, is_component| {
        let mut answer = Map::new();
        let mut metadata = Map::new();
        for (name, value) in &mut patch {
            match value {
                Value::Object(component) if is_component(name) => {
                    component.shift_remove(METADATA);
                    component.shift_remove(COMPONENT_MARKER);
                    answer.insert(name.clone(), json!({ METADATA: desired_metadata(component) }));
                    if mode == Mode::Replace {
                        remove_others(component, desired_of(twin, name));
                    }
                    mark(component);
                }
                _ => {
                    metadata.insert(name.clone(), json!({ "desiredValue": value }));
                }
            }
        }
        answer.insert(METADATA.into(), metadata.into());
        if mode == Mode::Replace {
            remove_others(&mut patch, twin.desired.properties.keys());
        }
        let answer = answer.into();
        Write { patch, answer }
    })
}

/// Whether the template has nothing against what is desired. A name that it does not have may be one of a cloud property,
/// which is no part of the model.
fn fits(model: &Model, patch: &Map<String, Value>) -> Result<(), ApiError> {
    let mut problems = Vec::new();
    let mut property = |component: Option<&str>, name: &str, value: &Value| {
        let Some(part) = model.part(component).filter(|_| !value.is_null()) else {
            return;
        };
        let Some(property) = part.property(name) else { return };
        let place = part.full_name(name);
        if !property.writable {
            return problems.push(format!("{place}: is read-only"));
        }
        let mismatches = property.schema.mismatches(value);
        problems.extend(mismatches.into_iter().map(|mismatch| format!("{place}: {mismatch}")));
    };
    for (name, value) in patch {
        match value {
            Value::Object(within) if model.part(Some(name)).is_some() => {
                within
                    .iter()
                    .for_each(|(inner, value)| property(Some(name), inner, value));
            }
            _ => property(None, name, value),
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(ApiError::new(MISFIT.0, MISFIT.1, problems.join("; "))),
    }
}

/// Marks an object as a component, in front of its properties as in Microsoft's examples.
fn mark(component: &mut Map<String, Value>) {
    component.shift_insert(0, COMPONENT_MARKER.into(), COMPONENT_MARKER_VALUE.into());
}

fn write_component(
    rest: &Rest,
    id: &str,
    component: String,
    body: &Bytes,
    mode: Mode,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let mut properties = object(body)?;
    properties.shift_remove(METADATA);
    properties.shift_remove(COMPONENT_MARKER);
    write(rest, id, |twin, _| {
        let answer = json!({ METADATA: desired_metadata(&properties) });
        if mode == Mode::Replace {
            remove_others(&mut properties, desired_of(twin, &component));
        }
        mark(&mut properties);
        let patch = Map::from_iter([(component, Value::Object(properties))]);
        Write { patch, answer }
    })
}

/// Whether this name is known as a component.
fn has_component(twin: &TwinDocument, name: &str) -> bool {
    [&twin.reported, &twin.desired].into_iter().any(|section| {
        let value = section.properties.get(name).and_then(Value::as_object);
        value.is_some_and(is_component)
    })
}

/// The names of the desired properties of a component.
fn desired_of<'a>(twin: &'a TwinDocument, component: &str) -> impl Iterator<Item = &'a String> {
    let component = twin.desired.properties.get(component);
    component.and_then(Value::as_object).into_iter().flat_map(Map::keys)
}

/// In a merge patch, what is not to stay must be named.
fn remove_others<'a>(patch: &mut Map<String, Value>, old: impl Iterator<Item = &'a String>) {
    for name in old.filter(|name| *name != COMPONENT_MARKER) {
        patch.entry(name).or_insert(Value::Null);
    }
}

fn desired_metadata(properties: &Map<String, Value>) -> Map<String, Value> {
    properties
        .iter()
        .map(|(name, value)| (name.clone(), json!({ "desiredValue": value })))
        .collect()
}

fn root_view(twin: &Twin) -> Value {
    let document = twin.document();
    let mut view = Map::new();
    let mut plain = [Map::new(), Map::new()];
    for (section, plain) in [&document.reported.properties, &document.desired.properties]
        .into_iter()
        .zip(&mut plain)
    {
        for (name, value) in section {
            match value {
                Value::Object(component) if is_component(component) => {
                    view.entry(name).or_insert_with(|| component_view(twin, name));
                }
                _ => {
                    plain.insert(name.clone(), value.clone());
                }
            }
        }
    }
    let [reported, desired] = plain;
    view.append(&mut render(twin, None, &reported, &desired));
    Value::Object(view)
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
