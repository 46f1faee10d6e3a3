//! Commands: direct methods of the device, as IoT Central calls them.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dtdl::Model;
use iot_protocol::command::CommandName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rest;
use super::body::parse;
use super::error::ApiError;
use super::error::no_device;
use super::extract::{Body, Path};
use super::paging::Listing;
use crate::central::CommandRecord;
use crate::clock;
use crate::hub::{Check, InvokeError, invoke};
use crate::journal::Event;
use crate::random::random_hex;
use crate::unconfirmed::{COMMAND_UNANSWERED, MISFIT};

/// Largest payload of a method.
const MAX_PAYLOAD: usize = 128 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommandBody {
    request: Option<Value>,
    #[serde(default)]
    connection_timeout: u64,
    #[serde(default = "default_response_timeout")]
    response_timeout: u64,
}

fn default_response_timeout() -> u64 {
    30
}

pub(super) async fn run(
    State(rest): State<Rest>,
    Path((id, name)): Path<(String, String)>,
    Body(body): Body,
) -> Result<(StatusCode, Json<CommandRecord>), ApiError> {
    give(&rest, &id, CommandName { component: None, name }, &body).await
}

pub(super) async fn run_component(
    State(rest): State<Rest>,
    Path((id, component, name)): Path<(String, String, String)>,
    Body(body): Body,
) -> Result<(StatusCode, Json<CommandRecord>), ApiError> {
    give(
        &rest,
        &id,
        CommandName {
            component: Some(component),
            name,
        },
        &body,
    )
    .await
}

pub(super) async fn history(
    State(rest): State<Rest>,
    Path((id, name)): Path<(String, String)>,
    listing: Listing,
) -> Result<Json<Value>, ApiError> {
    past(&rest, &id, &CommandName { component: None, name }, &listing)
}

pub(super) async fn component_history(
    State(rest): State<Rest>,
    Path((id, component, name)): Path<(String, String, String)>,
    listing: Listing,
) -> Result<Json<Value>, ApiError> {
    past(
        &rest,
        &id,
        &CommandName {
            component: Some(component),
            name,
        },
        &listing,
    )
}

async fn give(
    rest: &Rest,
    id: &str,
    command: CommandName,
    body: &axum::body::Bytes,
) -> Result<(StatusCode, Json<CommandRecord>), ApiError> {
    let body: CommandBody = parse(body)?;
    if body.connection_timeout > 30 || !(5..=30).contains(&body.response_timeout) {
        return Err(ApiError::invalid(
            "connectionTimeout is from 0 to 30, responseTimeout from 5 to 30 seconds",
        ));
    }
    let payload = body.request.as_ref().map(Value::to_string).unwrap_or_default();
    if payload.len() > MAX_PAYLOAD {
        return Err(ApiError::invalid("a command carries at most 128 KB"));
    }
    let (device_id, model) = {
        let application = rest.services.central.read();
        let device = application.device(id).ok_or_else(no_device)?;
        (device.id.clone(), application.model_of(id).cloned())
    };
    if let Some(model) = &model {
        fits(model, &command, body.request.as_ref())?;
    }
    let method = command.to_string();
    let unanswered = |error: InvokeError| {
        let event = Event::MethodInvoked {
            name: method.clone(),
            status: None,
        };
        rest.services.journal.record(Some(device_id.as_str()), event);
        ApiError::new(COMMAND_UNANSWERED.0, COMMAND_UNANSWERED.1, error.to_string())
    };
    let device = rest
        .services
        .registry
        .device(&device_id)
        .ok_or_else(|| unanswered(InvokeError::NotOnline))?;
    let (connect_within, answer_within) = (
        Duration::from_secs(body.connection_timeout),
        Duration::from_secs(body.response_timeout),
    );
    let (response_code, response) = invoke(&device, &method, payload.into(), connect_within, answer_within)
        .await
        .map_err(unanswered)?;
    if let Some(model) = model.filter(|_| response_code < 400) {
        let marked = {
            let mut state = device.lock();
            let mut check = Check::new(&model, &mut state.unmodeled, clock::now());
            check.response(&command, &response);
            check.marked()
        };
        for event in marked {
            rest.services.journal.record(Some(device_id.as_str()), event);
        }
    }
    let record = CommandRecord {
        id: random_hex::<16>(),
        method,
        request: body.request,
        response: Some(response).filter(|response| !response.is_null()),
        response_code,
        at: clock::now(),
    };
    if let Some(device) = rest.services.central.write().device_mut(id) {
        device.remember(record.clone());
    }
    Ok((StatusCode::CREATED, Json(record)))
}

/// Whether the template has nothing against a request. A command that it does not have is given all the same.
fn fits(model: &Model, command: &CommandName, request: Option<&Value>) -> Result<(), ApiError> {
    let part = model.part(command.component.as_deref());
    let modeled = part.and_then(|part| part.command(&command.name));
    let (Some(payload), Some(request)) = (modeled.and_then(|command| command.request.as_ref()), request) else {
        return Ok(());
    };
    let mismatches = payload.mismatches(request);
    let problems: Vec<_> = mismatches
        .iter()
        .map(|mismatch| format!("request: {mismatch}"))
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(ApiError::new(MISFIT.0, MISFIT.1, problems.join("; "))),
    }
}

fn past(rest: &Rest, id: &str, command: &CommandName, listing: &Listing) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    let device = application.device(id).ok_or_else(no_device)?;
    let method = command.to_string();
    // Marks count down, since the newest comes first.
    let history = device.history(&method).map(|(number, command)| {
        let mark = Cow::from(format!("{:020}", u64::MAX - number));
        (mark, command)
    });
    listing.plain(history, |command| json!(command)).map(Json)
}
