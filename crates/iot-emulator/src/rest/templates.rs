//! Device templates: checked, kept as they are written, and published at once.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iot_protocol::id::ModelId;
use serde_json::{Map, Value};

use super::Rest;
use super::body::{check_etag, merge, object};
use super::error::ApiError;
use super::extract::{Body, Path};
use super::filter::Fields;
use super::paging::Listing;
use crate::central::Template;

pub(super) async fn list(State(rest): State<Rest>, listing: Listing) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    listing.query(application.templates.iter(), view).map(Json)
}

pub(super) async fn read(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(view(
        rest.services
            .central
            .read()
            .templates
            .get(&id)
            .ok_or_else(no_template)?,
    )))
}

/// Creates a template and publishes it, or writes over one.
pub(super) async fn replace(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let id: ModelId = id.parse()?;
    let document = object(&body)?;
    write(&rest, id.as_str(), |_| Ok(document))
}

/// Changes what the body names of a template.
pub(super) async fn update(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let patch = object(&body)?;
    write(&rest, &id, |current| {
        let mut document = current.ok_or_else(no_template)?.document.clone();
        merge(&mut document, patch);
        Ok(document)
    })
}

fn write(
    rest: &Rest,
    id: &str,
    document: impl FnOnce(Option<&Template>) -> Result<Map<String, Value>, ApiError>,
) -> Result<Json<Value>, ApiError> {
    let mut application = rest.services.central.write();
    let current = application.templates.get(id);
    let mut document = document(current)?;
    if document.get("@id").is_some_and(|given| given != id) {
        return Err(ApiError::invalid("@id: must be the id of the path, or left out"));
    }
    document.insert("@id".into(), id.into());
    let given = document.shift_remove("etag");
    check_etag(
        given.as_ref().and_then(Value::as_str),
        current.map(|template| template.etag.as_str()),
    )?;
    let template = Template::new(id, document).map_err(|problems| ApiError::invalid(problems.join("; ")))?;
    let answer = view(&template);
    application.templates.insert(id.into(), template);
    application.models_changed();
    application.store_template(id, &rest.services.store);
    Ok(Json(answer))
}

/// Removes a template. Devices that have it are unassigned then.
pub(super) async fn remove(State(rest): State<Rest>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let mut application = rest.services.central.write();
    let mut changes = rest.services.store.changes();
    application.remove_template(&id, &mut changes).ok_or_else(no_template)?;
    rest.services.store.write(changes);
    Ok(StatusCode::NO_CONTENT)
}

impl Fields for Template {
    const TEXTS: &'static [&'static str] = &["@id", "displayName"];
    const FLAGS: &'static [&'static str] = &[];

    fn text(&self, field: &str) -> Option<&str> {
        match field {
            "@id" => Some(&self.id),
            _ => Some(self.display_name()),
        }
    }

    fn flag(&self, _: &str) -> bool {
        false
    }

    fn display_name(&self) -> &str {
        self.document
            .get("displayName")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

fn view(template: &Template) -> Value {
    let mut document = template.document.clone();
    document.insert("etag".into(), template.etag.as_str().into());
    Value::Object(document)
}

fn no_template() -> ApiError {
    ApiError::not_found("there is no such device template")
}
