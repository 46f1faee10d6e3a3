//! What every route has in common, tried on every route.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Method;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::surface::Surface;
use super::*;
use crate::central::{Resource, Role, Token};
use crate::http::MAX_HEAD;
use crate::{Config, Emulator, clock};

const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::PUT,
    Method::PATCH,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
];
const VERSION: &str = "api-version=2022-07-31";

/// Every route of the router, as a path that names things, with what it is about.
fn everything() -> Vec<(String, Resource)> {
    let named = |prefix: &'static str, surface: Surface| {
        let routes = surface.routes().to_vec();
        routes.into_iter().map(move |route| {
            let parts = route
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { "x" } else { part });
            (
                format!("{prefix}{}", parts.collect::<Vec<_>>().join("/")),
                route.resource,
            )
        })
    };
    named("/api", routes::api())
        .chain(named("/system", routes::system()))
        .chain(named("/emulator", routes::operator()))
        .collect()
}

async fn ask(emulator: &Emulator, method: &Method, path: &str, token: Option<&str>) -> reqwest::Response {
    let url = format!("http://{}{path}?{VERSION}", emulator.http_addr().unwrap());
    let mut request = testing::rest::plain_client().request(method.clone(), url);
    if let Some(token) = token {
        request = request.header("Authorization", token);
    }
    request.send().await.unwrap()
}

fn hand_out(emulator: &Emulator, id: &str, role: Role, expiry: Timestamp) -> String {
    let (token, secret) = Token::generate(id, role, expiry);
    let mut application = emulator.services().central.write();
    application.tokens.insert(id.into(), token);
    secret
}

#[tokio::test]
async fn no_route_answers_without_a_good_token() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let token = emulator.api_token().to_owned();
    let (now, year) = (clock::now(), crate::central::LIFETIME);
    let expired = hand_out(&emulator, "expired", Role::Administrator, now);
    let revoked = hand_out(&emulator, "revoked", Role::Administrator, now + year);
    emulator.services().central.write().tokens.remove("revoked");
    let mut other = token.clone().into_bytes();
    let last = other.last_mut().unwrap();
    *last ^= 1;
    let wrong = [
        None,
        Some(""),
        Some("Bearer"),
        Some("SharedAccessSignature sr=x&sig=y&skn=emulator&se=1"),
        Some(&token[..token.len() - 1]),
        Some(std::str::from_utf8(&other).unwrap()),
        Some(expired.as_str()),
        Some(revoked.as_str()),
    ];
    let routes = everything();
    assert!(routes.len() > 20, "{routes:?}");
    let unknown = [
        "/",
        "/api",
        "/api/nothing",
        "/emulator",
        "/emulator/nothing",
        "/nowhere",
    ];
    let paths = routes.iter().map(|(path, _)| path.as_str()).chain(unknown);
    for (at, path) in paths.enumerate() {
        for method in &METHODS {
            // Every route meets every method, and in turn each of the wrong tokens.
            for token in [None, wrong[at % wrong.len()]] {
                let answer = ask(&emulator, method, path, token).await;
                assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path} {token:?}");
                assert_eq!(answer.headers()["x-ms-error-code"], "Unauthorized", "{method} {path}");
            }
        }
    }
    for token in wrong {
        let answer = ask(&emulator, &Method::GET, "/emulator/stats", token).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{token:?}");
    }
    assert_eq!(emulator.stats().registrations, 0);
    emulator.shutdown().await;
}

/// What watches a container has no token.
#[tokio::test]
async fn health_is_all_that_is_answered_without_a_token() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let answer = ask(&emulator, &Method::GET, "/healthz", None).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.unwrap(), "ok\n");
    let answer = ask(&emulator, &Method::POST, "/healthz", None).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    emulator.shutdown().await;
}

#[tokio::test]
async fn no_route_does_for_a_role_what_the_role_may_not() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let until = clock::now() + crate::central::LIFETIME;
    for role in [Role::Operator, Role::Builder, Role::Administrator] {
        let token = hand_out(&emulator, "any", role, until);
        for (path, resource) in everything() {
            for method in &METHODS {
                let answer = ask(&emulator, method, &path, Some(&token)).await;
                let status = answer.status();
                // A method that the route does not support is refused to all callers alike.
                let refused = status == StatusCode::FORBIDDEN || status == StatusCode::METHOD_NOT_ALLOWED;
                let may = role >= resource.needs(method);
                assert!(may || refused, "{role} {method} {path}: {status}");
                assert!(
                    !may || status != StatusCode::FORBIDDEN,
                    "{role} {method} {path}: {status}"
                );
            }
        }
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn every_route_answers_bad_requests_in_the_services_shape() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let client = testing::rest::plain_client();
    let base = format!("http://{}", emulator.http_addr().unwrap());
    let send = async |method: &Method, path: &str, kind: &str, body: &str| {
        let request = client.request(method.clone(), format!("{base}{path}"));
        let request = request
            .header("Authorization", emulator.api_token())
            .header("Content-Type", kind);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let status = answer.status();
        if status.is_client_error() {
            let code = answer.headers()["x-ms-error-code"].to_str().unwrap().to_owned();
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["error"]["code"], code, "{method} {path}");
        }
        status.as_u16()
    };
    for (path, resource) in everything() {
        for method in [Method::PUT, Method::PATCH, Method::POST, Method::DELETE] {
            let with_version = format!("{path}?{VERSION}");
            for (kind, body) in [
                ("application/json", "{"),
                ("application/json", "[1]"),
                ("application/json", "\u{0}"),
            ] {
                let status = send(&method, &with_version, kind, body).await;
                // A link to the page is asked for without a body, and so is the removal of all rules.
                assert!(
                    [200, 201, 204, 400, 404, 405, 422].contains(&status),
                    "{method} {path} {body}: {status}"
                );
            }
            let as_text = send(&method, &with_version, "text/plain", "{}").await;
            // What the Azure CLI finds below `/system` takes no version and looks at no body.
            if resource != Resource::Emulator && path.starts_with("/api") {
                assert!([405, 415].contains(&as_text), "{method} {path}: {as_text}");
                assert!(
                    [400, 405].contains(&send(&method, &path, "application/json", "{}").await),
                    "{path}"
                );
            }
        }
        // An id that is not text.
        if path.contains("/x") {
            let spoilt = format!("{}?{VERSION}", path.replacen("/x", "/%ff", 1));
            assert_eq!(send(&Method::GET, &spoilt, "text/plain", "").await / 100, 4, "{spoilt}");
        }
    }
    let large = format!("\"{}\"", "x".repeat(extract::MAX_BODY));
    let path = format!("/api/devices/x?{VERSION}");
    assert_eq!(send(&Method::PUT, &path, "application/json", &large).await, 413);
    emulator.shutdown().await;
}

/// Sends bytes, and gives what comes back until the other side closes.
async fn converse(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
    // A reset is an end, too.
    drop(end.expect("the connection is closed"));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_that_does_not_arrive_or_does_not_end_is_cut_off() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let address = emulator.http_addr().unwrap();
    let token = emulator.api_token();
    let half = converse(address, b"GET /api/devices HTTP/1.1\r\nHost: localhost\r\nX-").await;
    assert!(!half.contains("200 OK"), "{half}");
    let mut long = b"GET /api/devices HTTP/1.1\r\nHost: localhost\r\nX-Long: ".to_vec();
    long.resize(MAX_HEAD + 1024, b'x');
    let long = converse(address, &long).await;
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 431 "), "{long}");
    for (host, code) in [
        ("localhost", 401),
        ("localhost\r\nHost: evil.example", 400),
        ("evil@localhost", 400),
        (&*format!("localhost\r\nX: {}", "x".repeat(MAX_HEAD + 1)), 431),
        (&*format!("localhost\r\nX: {}", "x".repeat(MAX_HEAD - 1024)), 401),
    ] {
        let request = format!("GET /nothing HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = converse(address, request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code} ")),
            "{}: {answer}",
            &host[..14]
        );
    }
    let slow = format!(
        "PUT /api/devices/x?{VERSION} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
    );
    let slow = converse(address, slow.as_bytes()).await;
    assert!(
        slow.starts_with("HTTP/1.1 408 ") && slow.contains("RequestTimeout"),
        "{slow}"
    );
    emulator.shutdown().await;
}

#[tokio::test]
async fn plain_http_serves_no_name_that_a_web_page_could_have_given_this_machine() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let address = emulator.http_addr().unwrap();
    let token = emulator.api_token();
    let request = |host: &str| {
        format!("GET /emulator/stats HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n")
    };
    for host in [
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "192.0.2.1",
        "",
    ] {
        let answer = converse(address, request(host).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{host}: {answer}");
    }
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080"] {
        let answer = converse(address, request(host).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_token_is_shown_once_and_its_like_can_not_be_made() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let client = testing::rest::plain_client();
    let url = format!("http://{}/api/apiTokens/ci?{VERSION}", emulator.http_addr().unwrap());
    let put = async |body: Value| {
        let request = client
            .put(&url)
            .header("Authorization", emulator.api_token())
            .json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let operator = "ae2c9854-393b-4f97-8c42-479d70ce626e";
    for (body, status) in [
        (json!({}), 422),
        (json!({"roles": []}), 422),
        (json!({"roles": [{"role": "Operator"}]}), 422),
        (json!({"roles": [{"role": operator, "organization": "seattle"}]}), 422),
        (
            json!({"roles": [{"role": operator}], "expiry": "2020-01-01T00:00:00Z"}),
            422,
        ),
        (json!({"roles": [{"role": operator}], "expiry": "soon"}), 422),
    ] {
        assert_eq!(put(body.clone()).await.0, status, "{body}");
    }
    let (status, made) = put(json!({"roles": [{"role": operator}]})).await;
    assert_eq!(
        (status, &made["id"], &made["roles"]),
        (200, &json!("ci"), &json!([{"role": operator}]))
    );
    let secret = made["token"].as_str().unwrap();
    assert!(secret.starts_with("SharedAccessSignature sr=") && secret.contains("&skn=ci&se="));
    assert_eq!(put(json!({"roles": [{"role": operator}]})).await.0, 409);
    for path in ["/api/apiTokens/ci", "/api/apiTokens"] {
        let shown = ask(&emulator, &Method::GET, path, Some(emulator.api_token())).await;
        let shown = shown.text().await.unwrap();
        assert!(
            shown.contains(operator) && !shown.contains("token\"") && !shown.contains("sig="),
            "{shown}"
        );
    }
    for secret in [secret.to_owned(), format!("Bearer {secret}")] {
        let answer = ask(&emulator, &Method::GET, "/api/devices", Some(&secret)).await;
        assert_eq!(answer.status(), 200);
    }
    let gone = ask(
        &emulator,
        &Method::DELETE,
        "/api/apiTokens/ci",
        Some(emulator.api_token()),
    )
    .await;
    assert_eq!(gone.status(), 204);
    let answer = ask(&emulator, &Method::GET, "/api/devices", Some(secret)).await;
    assert_eq!(answer.status(), 401);
    emulator.shutdown().await;
}
