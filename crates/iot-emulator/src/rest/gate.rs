//! What quotas and faults do to a request. The operator's own surface and extensions are out of their reach.

use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Rest;
use super::error::ApiError;
use crate::gate::Click;
use crate::phase::Phase;
use crate::services::{Decision, ErrorResponse};

/// Serves a request as far as quotas and faults allow it.
pub(super) async fn limit(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    if !rest.services.gate.has_rules() || request.extensions().get::<Click>().is_some() {
        return next.run(request).await;
    }
    let (device, is_command) = about(request.method(), request.uri().path());
    let mut decision = rest.services.pass_gate(Phase::Rest, device.as_deref()).await;
    if decision == Decision::Pass && is_command {
        decision = rest.services.pass_gate(Phase::Command, device.as_deref()).await;
    }
    match decision {
        Decision::Respond(error) => refusal(error),
        Decision::Silence { .. } => {
            rest.services.left_without_answer().await;
            refusal(ErrorResponse::unavailable())
        }
        Decision::Close(_) => refusal(ErrorResponse::unavailable()),
        _ => next.run(request).await,
    }
}

/// The device that a request is about, and whether it is given a command.
fn about(method: &Method, path: &str) -> (Option<String>, bool) {
    let parts: Vec<&str> = path.trim_start_matches("/api").trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["devices", id, rest @ ..] => {
            let is_command = method == Method::POST && rest.contains(&"commands");
            (Some((*id).to_owned()), is_command)
        }
        _ => (None, false),
    }
}

fn refusal(error: ErrorResponse) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = match error.status {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        ..500 => "BadRequest",
        _ => "InternalServerError",
    };
    let message = match error.status {
        429 => "there are too many requests; wait as long as Retry-After asks for",
        _ => "the request was not served",
    };
    let mut response = ApiError::new(status, code, message).into_response();
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_about_the_device_of_its_path() {
        for (method, path, expected) in [
            (Method::GET, "/devices/t-1", (Some("t-1"), false)),
            (Method::POST, "/api/devices/t-1/commands/reboot", (Some("t-1"), true)),
            (Method::GET, "/devices/t-1/commands/reboot", (Some("t-1"), false)),
            (
                Method::POST,
                "/devices/t-1/components/c/commands/reboot",
                (Some("t-1"), true),
            ),
            (Method::GET, "/enrollmentGroups/g", (None, false)),
            (Method::GET, "/", (None, false)),
        ] {
            let (device, is_command) = about(&method, path);
            assert_eq!((device.as_deref(), is_command), expected, "{method} {path}");
        }
    }
}
