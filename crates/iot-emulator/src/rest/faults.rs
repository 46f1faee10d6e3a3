//! The rules for faults, while the emulator runs: listed with their hits, added, switched on and off, removed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Rest;
use super::body::{object, parse};
use super::error::ApiError;
use super::extract::{Body, Path};
use crate::faults::FaultRules;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    enabled: bool,
}

pub(super) async fn list(State(rest): State<Rest>) -> Json<Value> {
    let gate = &rest.services.gate;
    Json(json!({ "seed": gate.seed, "value": gate.rules(|rules| rules.show_all()) }))
}

/// Adds a rule, or what a file of rules would have: `{"rule": […]}`, `{"preset": "slow-network"}`.
pub(super) async fn add(State(rest): State<Rest>, Body(body): Body) -> Result<(StatusCode, Json<Value>), ApiError> {
    let new = FaultRules::from_json(&object(&body)?).map_err(|bad| ApiError::invalid(bad.lines()))?;
    rest.services.gate.rules(|rules| {
        let ids = rules
            .add(new, Instant::now())
            .map_err(|taken| ApiError::new(StatusCode::CONFLICT, "Conflict", taken.to_string()))?;
        let added: Vec<Value> = ids.iter().filter_map(|id| rules.show(id)).collect();
        Ok((StatusCode::CREATED, Json(json!({ "value": added }))))
    })
}

pub(super) async fn read(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let shown = rest.services.gate.rules(|rules| rules.show(&id));
    shown.map(Json).ok_or_else(no_rule)
}

/// Switches a rule on or off: `{"enabled": false}`.
pub(super) async fn switch(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let Switch { enabled } = parse(&body)?;
    let shown = rest.services.gate.rules(|rules| {
        rules.switch(&id, enabled);
        rules.show(&id)
    });
    shown.map(Json).ok_or_else(no_rule)
}

pub(super) async fn remove(State(rest): State<Rest>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    if rest.services.gate.rules(|rules| rules.remove(Some(&id))) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_rule())
    }
}

pub(super) async fn remove_all(State(rest): State<Rest>) -> StatusCode {
    rest.services.gate.rules(|rules| rules.remove(None));
    StatusCode::NO_CONTENT
}

fn no_rule() -> ApiError {
    ApiError::not_found("there is no such rule")
}
