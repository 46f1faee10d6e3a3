//! Bodies of requests: unreadable JSON is a bad request, readable JSON of another shape an invalid body.

use axum::body::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::certificate::Certificate;

pub(super) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("body: {error}")))?;
    serde_json::from_value(value).map_err(|error| ApiError::invalid(format!("body: {error}")))
}

pub(super) fn object(body: &Bytes) -> Result<Map<String, Value>, ApiError> {
    parse(body)
}

pub(super) fn certificate(text: &str) -> Result<Certificate, ApiError> {
    Certificate::from_text(text).map_err(|error| ApiError::invalid(format!("certificate: {error}")))
}

/// A body that names an etag must name the current one; a thing that is not there has none.
pub(super) fn check_etag(given: Option<&str>, current: Option<&str>) -> Result<(), ApiError> {
    match given {
        Some(given) if Some(given) != current => Err(ApiError::stale()),
        _ => Ok(()),
    }
}
