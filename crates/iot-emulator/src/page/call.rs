//! How what a person does here reaches the interface: in this process, and otherwise as a script's request does.

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use super::Page;
use crate::central::Role;
use crate::gate::Click;

/// Largest answer of the interface that is read.
const MAX_ANSWER: usize = 1024 * 1024;

impl Page {
    /// Asks for a path of the interface, from `/api/` or `/emulator/` on, and gives the answer's status and JSON.
    pub(super) async fn call(&self, method: Method, path: &str, body: String) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}?api-version=2022-07-31"))
            .header(CONTENT_TYPE, "application/json")
            // Whoever is signed in has shown, or was given by, the token that may do everything.
            .extension(Role::Administrator)
            .extension(Click)
            .body(Body::from(body));
        let Ok(request) = request else {
            return (StatusCode::BAD_REQUEST, Value::Null);
        };
        let answer = match self.interface.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status();
        let body = to_bytes(answer.into_body(), MAX_ANSWER).await;
        let said = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
        (status, said.unwrap_or_default())
    }
}
