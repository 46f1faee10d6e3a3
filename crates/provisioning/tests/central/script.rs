//! A scripted IoT Central: a test lists what must be asked and what is answered. A request out of turn, without the token
//! or without the api-version fails the test, and so does a step that never came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use mqtt_link::TrustRoots;
use provisioning::backoff::Backoff;
use provisioning::central::{ApiToken, Central, RetryPolicy};
use serde_json::Value;

const TOKEN: &str = "SharedAccessSignature sr=contoso&sig=c2VjcmV0&skn=tests&se=1790000000000";

/// One request and its answer.
pub(crate) struct Step {
    request: String,
    status: u16,
    retry_after: Option<u32>,
    answer: String,
}

/// The body of an answer: JSON, or text that may be none.
pub(crate) struct Answer(String);

impl From<Value> for Answer {
    fn from(json: Value) -> Self {
        Self(json.to_string())
    }
}

impl From<&Value> for Answer {
    fn from(json: &Value) -> Self {
        Self(json.to_string())
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// `GET /devices` is asked, with the api-version, and answered with this. The path is below `/api`; before it, `preview:` says
/// that the preview of the API is asked.
pub(crate) fn step(request: &str, status: u16, answer: impl Into<Answer>) -> Step {
    Step {
        request: request.to_owned(),
        status,
        retry_after: None,
        answer: answer.into().0,
    }
}

impl Step {
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// What was asked.
pub(crate) struct Seen {
    pub(crate) content_type: Option<String>,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Played {
    script: VecDeque<Step>,
    seen: Vec<Seen>,
    wrong: Vec<String>,
}

pub(crate) struct Script {
    pub(crate) url: String,
    played: Arc<Mutex<Played>>,
    server: tokio::task::JoinHandle<()>,
}

impl Script {
    /// Listens first and asks for the script then, since answers may name the address.
    pub(crate) async fn play(script: impl FnOnce(&str) -> Vec<Step>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let played = Arc::new(Mutex::new(Played {
            script: script(&url).into(),
            ..Played::default()
        }));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&played));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, played, server }
    }

    /// A client with the right token and little patience between its attempts.
    pub(crate) fn central(&self) -> Central {
        Central::new(&self.url, &ApiToken::new(TOKEN), TrustRoots::WebPki)
            .unwrap()
            .with_retry(RetryPolicy {
                attempts: 4,
                backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(2)),
                overall: Duration::from_secs(10),
            })
    }

    /// Everything that was asked, after checking that it was the script to its end.
    pub(crate) fn finish(self) -> Vec<Seen> {
        self.server.abort();
        let mut played = self.played.lock().unwrap();
        let left: Vec<_> = played.script.iter().map(|step| &step.request).collect();
        assert!(
            played.wrong.is_empty() && left.is_empty(),
            "wrong: {:#?}, never asked: {left:#?}",
            played.wrong
        );
        std::mem::take(&mut played.seen)
    }
}

async fn answer(
    State(played): State<Arc<Mutex<Played>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut played = played.lock().unwrap();
    let asked = format!("{method} {uri}");
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let expected = played.script.front().map(|step| {
        let (method, path) = step.request.split_once(' ').unwrap();
        let separator = if path.contains('?') { '&' } else { '?' };
        let (path, version) = match path.strip_prefix("preview:") {
            Some(path) => (path, "2022-10-31-preview"),
            None => (path, "2022-07-31"),
        };
        format!("{method} /api{path}{separator}api-version={version}")
    });
    if header("authorization").as_deref() != Some(TOKEN) || expected.as_deref() != Some(asked.as_str()) {
        played
            .wrong
            .push(format!("asked {asked}, expected {expected:?}, headers {headers:?}"));
        return StatusCode::IM_A_TEAPOT.into_response();
    }
    let step = played.script.pop_front().unwrap();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    played.seen.push(Seen {
        content_type: header("content-type"),
        body,
    });
    let mut response = (StatusCode::from_u16(step.status).unwrap(), step.answer).into_response();
    if let Some(seconds) = step.retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

/// An error as the API describes it.
pub(crate) fn error(code: &str, message: &str) -> Value {
    serde_json::json!({"error": {"code": code, "message": message, "requestId": "0a1b", "time": "Mon, 23 Nov 2026 15:00:00 GMT"}})
}
