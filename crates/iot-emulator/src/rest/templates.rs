//! Device templates: kept as they are written, and published at once.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use iot_protocol::id::ModelId;
use serde_json::{Value, json};

use super::Rest;
use super::body::{check_etag, object};
use super::error::ApiError;
use crate::central::Template;

pub(super) async fn list(State(rest): State<Rest>) -> Json<Value> {
    let application = rest.services.central.read();
    Json(json!({ "value": application.templates.values().map(view).collect::<Vec<_>>() }))
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

pub(super) async fn replace(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let id: ModelId = id.parse()?;
    let mut document = object(&body)?;
    if document.get("@id").is_some_and(|given| given != id.as_str()) {
        return Err(ApiError::invalid("the @id of the body is not the id of the template"));
    }
    document.insert("@id".into(), id.as_str().into());
    let given = document.remove("etag");
    let mut application = rest.services.central.write();
    let current = application
        .templates
        .get(id.as_str())
        .map(|template| template.etag.as_str());
    check_etag(given.as_ref().and_then(Value::as_str), current)?;
    let template = Template::new(id.as_str(), document);
    if template.model_id().is_none() {
        return Err(ApiError::invalid("the template has no capabilityModel with an @id"));
    }
    let answer = view(&template);
    application.templates.insert(id.to_string(), template);
    application.store_template(id.as_str(), &rest.services.store);
    Ok(Json(answer))
}

pub(super) async fn remove(State(rest): State<Rest>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let mut application = rest.services.central.write();
    application.templates.remove(&id).ok_or_else(no_template)?;
    application.store_template(&id, &rest.services.store);
    Ok(StatusCode::NO_CONTENT)
}

fn view(template: &Template) -> Value {
    let mut document = template.document.clone();
    document.insert("etag".into(), template.etag.as_str().into());
    Value::Object(document)
}

fn no_template() -> ApiError {
    ApiError::not_found("there is no such device template")
}
