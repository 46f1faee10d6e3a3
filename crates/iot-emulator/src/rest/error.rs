use axum::Json;
use axum::http::header::HeaderName;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::certificate::hex_upper;
use crate::clock;

/// An error in IoT Central's shape.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl ToString) -> Self {
        Self {
            status,
            code,
            message: message.to_string(),
        }
    }

    pub(super) fn bad_request(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(super) fn not_found(message: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// The body can be read but not used.
    pub(super) fn invalid(message: impl ToString) -> Self {
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

impl From<(StatusCode, &'static str)> for ApiError {
    fn from((status, code): (StatusCode, &'static str)) -> Self {
        Self::new(status, code, code)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {
            "code": self.code,
            "message": self.message,
            "requestId": hex_upper(&rand::random::<[u8; 16]>()).to_lowercase(),
            "time": clock::http_date(clock::now()),
        }});
        let code = (
            HeaderName::from_static("x-ms-error-code"),
            HeaderValue::from_static(self.code),
        );
        (self.status, [code], Json(body)).into_response()
    }
}
