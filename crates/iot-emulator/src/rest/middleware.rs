//! What every request must bring: a name of this machine, a token whose role is enough, the version of the interface
//! that it speaks, and a body of a kind that is understood.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use serde::Deserialize;

use super::Rest;
use super::error::ApiError;
use super::extract::Query;
use crate::central::{Resource, Role};
use crate::clock;
use crate::http::MAX_HEAD;
use crate::stats::count;

/// A version of the interface. The documentation of before 2022 has `1.0` for what is stable; the Azure CLI asks for one
/// preview, whatever its user names, in lists and templates (GitHub Azure/azure-iot-cli-extension,
/// `azext_iot/central/models/enum.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiVersion {
    Stable,
    Preview,
}

const VERSIONS: [(&str, ApiVersion); 4] = [
    ("2022-07-31", ApiVersion::Stable),
    ("2022-06-30-preview", ApiVersion::Preview),
    ("2022-10-31-preview", ApiVersion::Preview),
    ("1.0", ApiVersion::Stable),
];

/// What a body may be. The specification allows both for PATCH.
const BODIES: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// Refuses a head that is longer than may be sent, or that names its host twice or with a user. The server below refuses
/// only what does not fit into its buffer, which grows in steps, and takes the first of two hosts
/// ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112#section-3.2), 3.2, asks for 400).
pub(super) async fn head(request: Request, next: Next) -> Response {
    let headers = request.headers();
    // A line has a colon, a blank and its end besides.
    let lines = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    let line = request.uri().to_string().len();
    if line + lines.sum::<usize>() > MAX_HEAD {
        let message = format!("the head of a request may have {MAX_HEAD} bytes");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return ApiError::new(status, "RequestHeaderFieldsTooLarge", message).into_response();
    }
    let mut hosts = headers.get_all(HOST).iter();
    let has_user = |host: &HeaderValue| host.as_bytes().contains(&b'@');
    if hosts.next().is_some_and(has_user) || hosts.next().is_some() {
        return ApiError::bad_request("a request names one host, without a user").into_response();
    }
    next.run(request).await
}

/// Without TLS, a web page could make a browser take this machine for its own server (DNS rebinding): it would still
/// lack the token, but it gets nothing at all.
pub(super) async fn host(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST);
    let named = host.and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let own = rest.services.hostname.as_str();
    if host.is_none() || named.is_some_and(|authority| is_this_machine(authority.host(), own)) {
        return next.run(request).await;
    }
    let message = format!("plain HTTP is for `localhost`, `{own}` and loopback addresses");
    ApiError::new(StatusCode::MISDIRECTED_REQUEST, "MisdirectedRequest", message).into_response()
}

fn is_this_machine(host: &str, own: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || host.eq_ignore_ascii_case(own)
        || address.is_ok_and(|address| address.is_loopback())
}

/// Lets nothing through that does not carry a token.
pub(super) async fn token(State(rest): State<Rest>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION);
    match given.and_then(|given| rest.services.role_of(given.as_bytes(), clock::now())) {
        Some(role) => {
            request.extensions_mut().insert(role);
            next.run(request).await
        }
        None => {
            let message = "the request carries no valid token in its Authorization header";
            ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", message).into_response()
        }
    }
}

/// Lets nothing through to a resource whose token has too small a role for it.
pub(super) async fn role(State(resource): State<Resource>, request: Request, next: Next) -> Response {
    let needed = resource.needs(request.method());
    if request.extensions().get::<Role>().is_some_and(|role| *role >= needed) {
        return next.run(request).await;
    }
    let message = format!("this takes a token with the role {needed}");
    ApiError::new(StatusCode::FORBIDDEN, "Forbidden", message).into_response()
}

/// A panic of a handler is a mistake of ours. It is counted, and the caller gets an answer all the same.
pub(super) async fn panics(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(answer) => answer,
        Err(_) => {
            count(&rest.services.counters.panics);
            let message = "the emulator failed: please report this as a bug";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message).into_response()
        }
    }
}

/// Holds every response back until all that it may contain is stored, be it this request's own change or another's.
pub(super) async fn durable(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    match rest.services.store.settled().await {
        Ok(()) => answer,
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// The same for changes only. What only reads must work, above all when nothing can be stored any more.
pub(super) async fn durable_change(rest: State<Rest>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    durable(rest, request, next).await
}

#[derive(Deserialize)]
pub(super) struct Version {
    #[serde(rename = "api-version")]
    api_version: Option<String>,
}

/// Refuses what names no API version.
pub(super) async fn api_version(
    query: Result<Query<Version>, ApiError>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Query(Version { api_version }) = query?;
    let given = api_version.ok_or_else(|| ApiError::bad_request("the query names no api-version"))?;
    let Some((_, version)) = VERSIONS.iter().find(|(name, _)| *name == given) else {
        let known: Vec<_> = VERSIONS.iter().map(|(name, _)| *name).collect();
        let message = format!("api-version `{given}` is not one of {}", known.join(", "));
        return Err(ApiError::bad_request(message));
    };
    request.extensions_mut().insert(*version);
    Ok(next.run(request).await)
}

/// Refuses a body that is not declared as JSON.
pub(super) async fn content_type(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.to_str().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        BODIES.iter().any(|known| kind.eq_ignore_ascii_case(known))
    });
    if is_json || matches!(*request.method(), Method::GET | Method::HEAD) || !has_body(headers) {
        return next.run(request).await;
    }
    let message = format!("the Content-Type of a body is one of {}", BODIES.join(", "));
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message).into_response()
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;

    use super::*;
    use crate::fuzzing::{Tenant, ask};

    #[tokio::test]
    async fn a_panic_of_a_handler_is_counted_and_answered() {
        let tenant = Tenant::new();
        let rest = Rest {
            services: tenant.services.clone(),
            scheme: "http",
        };
        let app = Router::new()
            .route("/bug", get(|| async { panic!("as a bug would") as StatusCode }))
            .layer(from_fn_with_state(rest, panics));
        let answer = ask(app, "GET", "/bug", None, Vec::new()).await.unwrap();
        assert_eq!(answer.status, 500);
        assert!(String::from_utf8(answer.body).unwrap().contains("bug"));
        assert_eq!(tenant.services.counters.read().panics, 1);
    }

    #[test]
    fn this_machine_has_few_names() {
        for name in ["localhost", "LOCALHOST", "hub.local", "127.0.0.1", "127.8.9.1", "[::1]"] {
            assert!(is_this_machine(name, "hub.local"), "{name}");
        }
        for name in [
            "",
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_this_machine(name, "hub.local"), "{name}");
        }
    }
}
