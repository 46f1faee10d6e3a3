use axum::Json;
use axum::http::header::HeaderName;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use iot_protocol::IdError;
use serde_json::json;

use crate::clock;
use crate::hub::BadPatch;
use crate::random::random_hex;
use crate::store::NotStored;

/// An error in IoT Central's shape.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// The body can be read but not used.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "InvalidBody", message)
    }

    /// The body's etag is not the current one.
    pub(super) fn stale() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "the etag is not the current one",
        )
    }
}

impl From<IdError> for ApiError {
    fn from(error: IdError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<NotStored> for ApiError {
    fn from(error: NotStored) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            error.to_string(),
        )
    }
}

impl From<BadPatch> for ApiError {
    fn from(error: BadPatch) -> Self {
        Self::invalid(error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {
            "code": self.code,
            "message": self.message,
            "requestId": random_hex::<16>(),
            "time": clock::http_date(clock::now()),
        }});
        let code = (
            HeaderName::from_static("x-ms-error-code"),
            HeaderValue::from_static(self.code),
        );
        (self.status, [code], Json(body)).into_response()
    }
}

pub(super) fn no_device() -> ApiError {
    ApiError::not_found("there is no such device")
}
