//! A caller of the REST interface.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Method, Response, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use crate::emulator::Place;
use crate::party::Party;
use crate::tls;

#[derive(Clone)]
pub struct Rest {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Rest {
    /// By plain HTTP on the loopback interface, with the token.
    pub fn new(emulator: &impl Place) -> Self {
        Self {
            client: client(emulator, None),
            base: format!("http://{}", emulator.http()),
            token: emulator.token(),
        }
    }

    /// By HTTPS.
    pub fn with_tls(emulator: &impl Place) -> Self {
        Self {
            base: format!("https://localhost:{}", emulator.https().port()),
            ..Self::new(emulator)
        }
    }

    pub fn with_token(self, token: &str) -> Self {
        Self {
            token: token.into(),
            ..self
        }
    }

    /// A request to the API with the version that the documentation names.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mark = if path.contains('?') { '&' } else { '?' };
        self.raw(method, &format!("/api/{path}{mark}api-version=2022-07-31"), body)
            .await
    }

    /// A request to any path.
    pub async fn raw(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let response = self.response(method, path, body.map(|body| body.to_string())).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        (
            status,
            if text.is_empty() {
                Value::Null
            } else {
                serde_json::from_str(&text).unwrap()
            },
        )
    }

    pub async fn response(&self, method: Method, path: &str, body: Option<String>) -> Response {
        self.attempt(method, path, body).await.unwrap()
    }

    /// A request to an emulator that may be gone at any moment.
    pub async fn attempt(&self, method: Method, path: &str, body: Option<String>) -> reqwest::Result<Response> {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        let mut request = self.client.request(method, url);
        if !self.token.is_empty() {
            request = request.header("Authorization", &self.token);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        request.send().await
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    pub async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> StatusCode {
        self.call(Method::DELETE, path, None).await.0
    }

    /// Makes a group whose primary certificate is verified by word.
    pub async fn enroll_group(&self, id: &str, authority: &Party) {
        let body = json!({"displayName": id, "type": "iot", "attestation": {"type": "x509", "x509": {
            "signingCertificates": {"primary": {"certificate": encode(&authority.pem), "verified": true}}}}});
        let (status, answer) = self.put(&format!("enrollmentGroups/{id}"), body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Makes a device with an individual enrollment.
    pub async fn enroll_individual(&self, id: &str, primary: &Party) {
        let (status, answer) = self.put(&format!("devices/{id}"), json!({"displayName": id})).await;
        assert_eq!(status, 200, "{answer}");
        let (status, answer) = self.attest(id, primary, None).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub async fn attest(&self, id: &str, primary: &Party, secondary: Option<&Party>) -> (StatusCode, Value) {
        let mut certificates = json!({"primary": {"certificate": encode(&primary.pem)}});
        if let Some(secondary) = secondary {
            certificates["secondary"] = json!({"certificate": encode(&secondary.pem)});
        }
        let body = json!({"type": "x509", "x509": {"clientCertificates": certificates}});
        self.put(&format!("devices/{id}/attestation"), body).await
    }
}

/// As the how-to does it: base64 of the whole PEM file.
pub fn encode(pem: &str) -> String {
    BASE64_STANDARD.encode(pem)
}

/// An HTTP client that trusts the emulator alone, and shows the certificates of a party, if it has any.
pub fn client(emulator: &impl Place, party: Option<&Party>) -> reqwest::Client {
    with_tls(tls::client(emulator, party, rustls::DEFAULT_VERSIONS))
}

/// An HTTP client for plain HTTP, which can't be made without TLS.
pub fn plain_client() -> reqwest::Client {
    let trusts_nothing = tls::trusting(RootCertStore::empty(), rustls::DEFAULT_VERSIONS);
    with_tls(trusts_nothing.with_no_client_auth())
}

/// All is on this machine: a proxy of the environment must not be asked.
fn with_tls(tls: ClientConfig) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    client.build().unwrap()
}
