//! How what a person does here reaches the interface: in this process, and otherwise as a script's request does.

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::Page;

/// Largest answer of the interface that is read.
const MAX_ANSWER: usize = 1024 * 1024;

/// Why the interface refused a request, by its reply.
pub(crate) fn reason(reply: &Value) -> &str {
    reply["error"]["message"].as_str().unwrap_or("it gave no reason")
}

impl Page {
    /// Asks for a path of the interface, from `/api/` or `/emulator/` on, and gives the answer's status and JSON.
    pub(crate) async fn call(&self, method: Method, path: &str, body: String) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}?api-version=2022-07-31"))
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body));
        let Ok(request) = request else {
            return (StatusCode::BAD_REQUEST, Value::Null);
        };
        // A session is opened with a token that may do everything, or with a code that such a token made.
        let answer = self.listener.call(request).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), MAX_ANSWER).await;
        let json = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
        (status, json.unwrap_or_default())
    }
}
