//! Direct methods, as the hub's service side calls them.
//!
//! Source: [Direct methods](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-direct-methods).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rest;
use super::body::parse;
use super::error::ApiError;
use super::extract::{Body, Path};
use super::operator::find;
use crate::hub::{self, InvokeError};
use crate::journal::Event;
use crate::unconfirmed::{METHOD_NOT_ONLINE, METHOD_UNANSWERED};

/// Largest payload of a method.
const MAX_PAYLOAD: usize = 128 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MethodBody {
    method_name: String,
    payload: Option<Value>,
    #[serde(default)]
    connect_timeout_in_seconds: u64,
    #[serde(default = "default_response_timeout")]
    response_timeout_in_seconds: u64,
}

fn default_response_timeout() -> u64 {
    30
}

/// Calls a method and waits for the answer.
pub(super) async fn invoke(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let call: MethodBody = parse(&body)?;
    if call.connect_timeout_in_seconds > 300 || !(5..=300).contains(&call.response_timeout_in_seconds) {
        return Err(ApiError::invalid(
            "connectTimeoutInSeconds is from 0 to 300, responseTimeoutInSeconds from 5 to 300",
        ));
    }
    let payload = call.payload.map(|payload| payload.to_string()).unwrap_or_default();
    if payload.len() > MAX_PAYLOAD {
        return Err(ApiError::invalid("a method carries at most 128 KB"));
    }
    let device = find(&rest, &id)?;
    let answer = hub::invoke(
        &device,
        &call.method_name,
        payload.into(),
        Duration::from_secs(call.connect_timeout_in_seconds),
        Duration::from_secs(call.response_timeout_in_seconds),
    )
    .await;
    match answer {
        Ok((status, payload)) => Ok(Json(json!({ "status": status, "payload": payload })).into_response()),
        Err(error) => {
            let event = Event::MethodInvoked {
                name: call.method_name,
                status: None,
            };
            rest.services.journal.record(Some(device.id.as_str()), event);
            let (status, code) = match error {
                InvokeError::NotOnline => (StatusCode::NOT_FOUND, METHOD_NOT_ONLINE),
                InvokeError::NoAnswer => (StatusCode::GATEWAY_TIMEOUT, METHOD_UNANSWERED),
            };
            // The hub has its own form of errors.
            let body = json!({ "errorCode": code, "message": error.to_string() });
            Ok((status, Json(body)).into_response())
        }
    }
}
