//! DPS over HTTPS: the requests of MQTT as paths, each with the certificates that the client showed for its connection.
//!
//! There is no CONNECT, so a device is attested at each request, and quotas and faults apply to the request itself.
//!
//! Source: [Device registration at runtime](https://learn.microsoft.com/rest/api/iot-dps/device/runtime-registration).

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request as Http, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use iot_protocol::dps::ServiceError;
use iot_protocol::id::RegistrationId;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::register::{error, guid, refused, unauthorized};
use super::request::{API_VERSIONS, Reply, Request, serve};
use crate::certificate::Certificate;
use crate::clock;
use crate::documented::DPS_MESSAGE;
use crate::http;
use crate::refusal_reason::RefusalReason;
use crate::services::{Decision, ErrorResponse, Services};
use crate::stream::Stream;
use crate::unconfirmed::{DPS_BAD_REQUEST, DPS_WRONG_ID_SCOPE, error_code_of};

/// How long the body of a request may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The certificates that the client of a connection has shown, leaf first.
#[derive(Debug, Clone)]
pub(crate) struct Shown(pub(crate) Arc<[Certificate]>);

/// Whether these are the first bytes of a request to DPS, as soon as its line is whole.
pub(crate) fn is_request(read: &[u8]) -> bool {
    let Some(end) = read.windows(2).position(|end| end == b"\r\n") else {
        return false;
    };
    let line = std::str::from_utf8(&read[..end]).unwrap_or_default();
    let path = line.split(' ').nth(1).unwrap_or_default();
    path.split('/').nth(2) == Some("registrations")
}

/// Serves a connection on which a request to DPS has begun with what was `read`, until either side ends it.
pub(crate) async fn converse<S: Stream>(
    stream: S,
    read: Vec<u8>,
    chain: Vec<Certificate>,
    services: Arc<Services>,
    stop: &CancellationToken,
) {
    let (unread, write) = tokio::io::split(stream);
    let stream = tokio::io::join(Cursor::new(read).chain(unread), write);
    let app = router(services).fallback(unknown).layer(Extension(Shown(chain.into())));
    let ended = http::converse(stream, app, stop).await;
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to DPS over HTTPS broke off");
    }
}

/// The paths of DPS. The id scope is the first part of each, so they stand beside all others.
pub(crate) fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route("/{id_scope}/registrations/{id}", post(look_up))
        .route("/{id_scope}/registrations/{id}/register", put(register))
        .route("/{id_scope}/registrations/{id}/operations/{operation_id}", get(poll))
        .method_not_allowed_fallback(wrong_method)
        .with_state(services)
}

type Registration = Result<Path<(String, String)>, PathRejection>;
type Operation = Result<Path<(String, String, String)>, PathRejection>;
type Versioned = Result<Query<Version>, QueryRejection>;

#[derive(Debug, Deserialize)]
struct Version {
    #[serde(rename = "api-version")]
    api_version: Option<String>,
}

async fn register(State(services): State<Arc<Services>>, path: Registration, query: Versioned, http: Http) -> Response {
    let served = async move {
        let Path((id_scope, id)) = path.map_err(|rejection| bad_request(&rejection.body_text()))?;
        let client = Client::attest(&services, &id_scope, &id, query, &http)?;
        let body = body(http).await?;
        client.ask(Request::Register { body: &body }).await
    };
    respond(served.await)
}

async fn poll(State(services): State<Arc<Services>>, path: Operation, query: Versioned, http: Http) -> Response {
    let served = async move {
        let Path((id_scope, id, operation_id)) = path.map_err(|rejection| bad_request(&rejection.body_text()))?;
        let client = Client::attest(&services, &id_scope, &id, query, &http)?;
        let operation_id = &operation_id;
        client.ask(Request::Poll { operation_id }).await
    };
    respond(served.await)
}

async fn look_up(State(services): State<Arc<Services>>, path: Registration, query: Versioned, http: Http) -> Response {
    let served = async move {
        let Path((id_scope, id)) = path.map_err(|rejection| bad_request(&rejection.body_text()))?;
        let client = Client::attest(&services, &id_scope, &id, query, &http)?;
        // It holds the registration id and, for other kinds of attestation, proofs; here the path holds all of it.
        body(http).await?;
        client.ask(Request::LookUp).await
    };
    respond(served.await)
}

async fn unknown() -> Response {
    respond(Err(error(error_code_of(404), "Not found.", clock::now())))
}

async fn wrong_method() -> Response {
    respond(Err(error(error_code_of(405), "Method not allowed.", clock::now())))
}

/// A device that has proved its identity.
struct Client<'a> {
    services: &'a Services,
    id_scope: &'a str,
    id: RegistrationId,
    version: String,
    chain: Arc<[Certificate]>,
}

impl<'a> Client<'a> {
    fn attest(
        services: &'a Services,
        id_scope: &'a str,
        id: &str,
        query: Versioned,
        http: &Http,
    ) -> Result<Self, ServiceError> {
        let id = RegistrationId::new(id).map_err(|error| bad_request(&error.to_string()))?;
        let chain = http.extensions().get::<Shown>().map(|shown| Arc::clone(&shown.0));
        let chain = chain.unwrap_or_default();
        let version = query
            .ok()
            .and_then(|Query(version)| version.api_version)
            .unwrap_or_default();
        if !API_VERSIONS.contains(&version.as_str()) {
            let words = format!("unknown api-version `{version}`");
            refused(services, &id, &chain, RefusalReason::UnknownApiVersion, &words);
            let known = API_VERSIONS.join(", ");
            return Err(bad_request(&format!("The api-version is not one of {known}.")));
        }
        if id_scope != services.id_scope.as_str() {
            let words = format!("unknown id scope `{id_scope}`");
            refused(services, &id, &chain, RefusalReason::UnknownIdScope, &words);
            return Err(error(DPS_WRONG_ID_SCOPE, "Unknown id scope.", clock::now()));
        }
        if chain.is_empty() && http.headers().contains_key(AUTHORIZATION) {
            let reason = "no certificate was shown, and a token of a symmetric key (SAS) is not understood here";
            return Err(unauthorized(
                services,
                &id,
                &chain,
                RefusalReason::NoCertificate,
                reason,
            ));
        }
        if let Err(refusal) = services.central.attest(&id, &chain, clock::now()) {
            return Err(unauthorized(
                services,
                &id,
                &chain,
                refusal.reason(),
                &refusal.to_string(),
            ));
        }
        Ok(Self {
            services,
            id_scope,
            id,
            version,
            chain,
        })
    }

    /// Does what is asked, as far as quotas and faults allow. HTTP has an answer where MQTT would close the connection.
    async fn ask(&self, request: Request<'_>) -> Result<Response, ServiceError> {
        let services = self.services;
        let unavailable = || Ok(Reply::refused(ErrorResponse::unavailable()).into_response());
        match services.pass_gate(request.phase(), Some(self.id.as_str())).await {
            Decision::Pass | Decision::CloseAfterAck(_) | Decision::Refuse(_) => self.serve(request).await,
            Decision::Respond(error) => Ok(Reply::refused(error).into_response()),
            Decision::Silence { .. } => {
                services.left_without_answer().await;
                unavailable()
            }
            Decision::NoAck => {
                self.serve(request).await?;
                services.left_without_answer().await;
                unavailable()
            }
            Decision::CloseBeforeAck(_) => {
                self.serve(request).await?;
                unavailable()
            }
            Decision::Close(_) => unavailable(),
        }
    }

    async fn serve(&self, request: Request<'_>) -> Result<Response, ServiceError> {
        let reply = serve(self.services, &self.id, &self.chain, request).await;
        let reply = reply.map_err(|_| error(error_code_of(500), "The registration is not stored.", clock::now()))?;
        let operation = reply.operation_id.as_ref().map(|operation_id| {
            let Self {
                id_scope, id, version, ..
            } = self;
            format!("/{id_scope}/registrations/{id}/operations/{operation_id}?api-version={version}")
        });
        let mut response = reply.into_response();
        if let Some(location) = operation.and_then(|location| HeaderValue::try_from(location).ok()) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(CONTENT_TYPE, "application/json; charset=utf-8")];
        let mut response = (status, kind, self.body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Ok(id) = HeaderValue::try_from(guid()) {
            headers.insert("x-ms-request-id", id);
        }
        response
    }
}

fn respond(served: Result<Response, ServiceError>) -> Response {
    served.unwrap_or_else(|error| Reply::from(error).into_response())
}

/// The body of a request, if its head declares it as JSON.
async fn body(http: Http) -> Result<Vec<u8>, ServiceError> {
    let kind = http.headers().get(CONTENT_TYPE);
    let is_json = kind.is_none_or(|kind| {
        let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    });
    let refuse = |status, message: &str| Err(error(error_code_of(status), message, clock::now()));
    match timeout(BODY_WITHIN, to_bytes(http.into_body(), *DPS_MESSAGE)).await {
        Ok(Ok(body)) if body.is_empty() || is_json => Ok(body.into()),
        Ok(Ok(_)) => refuse(415, "The Content-Type is not application/json."),
        Ok(Err(_)) => refuse(413, "The body is larger than 96 KB, or broken off."),
        Err(_) => refuse(408, "The body took too long."),
    }
}

fn bad_request(message: &str) -> ServiceError {
    error(DPS_BAD_REQUEST, message, clock::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_dps_is_known_by_its_line() {
        for (read, expected) in [
            (
                "PUT /0ne0/registrations/t-1/register?api-version=2019-03-31 HTTP/1.1\r\n",
                true,
            ),
            ("POST /0ne0/registrations/t-1 HTTP/1.1\r\nHost: x\r\n", true),
            ("PUT /0ne0/registrations/t-1/register", false),
            ("GET /$iothub/websocket HTTP/1.1\r\n", false),
            ("GET / HTTP/1.1\r\n", false),
            ("\r\n", false),
        ] {
            assert_eq!(is_request(read.as_bytes()), expected, "{read}");
        }
    }
}
