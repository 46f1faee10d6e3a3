//! The components of a device, as its template lists them, and its modules, of which it has none.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::Rest;
use super::error::ApiError;
use super::error::no_device;
use super::extract::Path;
use crate::central::Template;

pub(super) async fn list(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    let device = application.device(&id).ok_or_else(no_device)?;
    let template = device.template.as_ref().and_then(|id| application.templates.get(id));
    let components: Vec<Value> = template.into_iter().flat_map(Template::components).map(view).collect();
    Ok(Json(json!({ "value": components })))
}

pub(super) async fn modules(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    rest.services.central.read().device(&id).ok_or_else(no_device)?;
    Ok(Json(json!({ "value": [] })))
}

/// Whatever is asked of a module.
pub(super) async fn no_module(
    State(rest): State<Rest>,
    Path((id, module, _)): Path<(String, String, String)>,
) -> ApiError {
    match rest.services.central.read().device(&id) {
        Some(_) => ApiError::not_found(format!("the device has no module `{module}`")),
        None => no_device(),
    }
}

/// What the list of components shows of one.
fn view(component: &Value) -> Value {
    let mut view = Map::new();
    view.insert("@type".into(), json!(["Component"]));
    for key in ["@id", "name", "displayName"] {
        if let Some(value) = component.get(key) {
            view.insert(key.into(), value.clone());
        }
    }
    view.into()
}
