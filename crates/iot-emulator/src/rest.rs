//! The IoT Central REST interface (data plane), and the operator's own surface beside it.
//!
//! Source: [IoT Central REST API, version 2022-07-31](https://learn.microsoft.com/rest/api/iotcentral/), and its
//! [specification](https://github.com/Azure/azure-rest-api-specs/tree/main/specification/iotcentral/data-plane).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::dps::https;
use crate::extension::{Extend, Listener};
use crate::services::Services;

mod attestation;
mod body;
mod commands;
mod components;
mod devices;
mod error;
mod extract;
mod faults;
mod filter;
mod gate;
mod groups;
mod messages;
mod methods;
mod middleware;
mod operator;
mod paging;
mod properties;
mod relationships;
mod routes;
mod server;
mod surface;
mod telemetry;
mod templates;
mod tokens;

#[cfg(test)]
mod tests;

use error::ApiError;

pub(crate) use server::RestServer;

/// What every handler gets.
#[derive(Debug, Clone)]
struct Rest {
    services: Arc<Services>,
    /// How this server is reached, for links.
    scheme: &'static str,
}

/// Serves the interface and what an extension adds on a listener, with TLS or without, until `stop`.
pub(crate) fn serve(
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    services: Arc<Services>,
    extend: Extend<'_>,
    stop: &CancellationToken,
) -> RestServer {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let rest = Rest { services, scheme };
    let app = router(rest, address.port(), extend, stop);
    RestServer::begin(listener, address, tls, app, stop.clone())
}

/// The interface without a listener.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn in_memory(services: Arc<Services>) -> Router {
    let rest = Rest {
        services,
        scheme: "http",
    };
    router(rest, 80, &crate::extension::nothing, &CancellationToken::new())
}

/// The interface behind its token; and an extension and DPS, each of which checks its clients itself.
fn router(rest: Rest, port: u16, extend: Extend<'_>, stop: &CancellationToken) -> Router {
    let interface = interface(rest.clone());
    let guarded = interface
        .clone()
        .layer(from_fn_with_state(rest.clone(), middleware::token));
    let extension = extend(Listener {
        services: Arc::clone(&rest.services),
        interface,
        guarded: guarded.clone(),
        scheme: rest.scheme,
        port,
        stop: stop.clone(),
    });
    let dps = https::router(Arc::clone(&rest.services));
    let router = guarded
        .reset_fallback()
        .merge(extension)
        .merge(routes::other_services())
        .merge(routes::health())
        .merge(dps);
    let router = match rest.scheme {
        "http" => router.layer(from_fn_with_state(rest.clone(), middleware::host)),
        _ => router,
    };
    router
        .layer(from_fn(middleware::head))
        .layer(from_fn_with_state(rest, middleware::panics))
}

/// Everything that a token opens, not yet behind it.
fn interface(rest: Rest) -> Router {
    // What is added last is asked first.
    let api = routes::api()
        .into_router()
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(middleware::content_type))
        .layer(from_fn(middleware::api_version))
        .layer(from_fn_with_state(rest.clone(), middleware::durable))
        .layer(from_fn_with_state(rest.clone(), gate::limit));
    let operator = routes::operator()
        .into_router()
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(rest.clone(), middleware::durable_change));
    let system = routes::system()
        .into_router()
        .fallback(unknown_system)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(rest.clone(), middleware::durable));
    Router::new()
        .nest("/api", api)
        .nest("/system", system)
        .nest("/emulator", operator)
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(extract::MAX_BODY))
        .with_state(rest)
}

/// What IoT Central has under `/api` and this has not, by the first part of the path.
const NOT_EMULATED: [&str; 9] = [
    "dashboards",
    "dataExport",
    "deploymentManifests",
    "deviceGroups",
    "fileUploads",
    "jobs",
    "organizations",
    "query",
    "users",
];

async fn unknown(uri: Uri) -> ApiError {
    let mut parts = uri.path().split('/').filter(|part| !part.is_empty() && *part != "api");
    match parts.next() {
        Some(area) if NOT_EMULATED.contains(&area) => {
            ApiError::not_found(format!("`{area}` of IoT Central is not emulated"))
        }
        _ => ApiError::not_found("there is no such resource"),
    }
}

async fn unknown_system() -> ApiError {
    ApiError::not_found("this resource below `/system` of IoT Central is not emulated")
}

async fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the resource does not support this method",
    )
}
