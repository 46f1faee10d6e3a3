//! The IoT Central REST interface (data plane), and the operator's own surface beside it.
//!
//! Source: [IoT Central REST API, version 2022-07-31](https://learn.microsoft.com/rest/api/iotcentral/), and its
//! [specification](https://github.com/Azure/azure-rest-api-specs/tree/main/specification/iotcentral/data-plane).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, delete, get, post};
use axum_server::{Address, Handle, Server};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::central::Resource;
use crate::dps::https;
use crate::extension::{self, Extend, Listener};
use crate::http::{HEAD_WITHIN, MAX_HEAD};
use crate::services::Services;

mod acceptor;
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
mod telemetry;
mod templates;
mod tokens;

#[cfg(test)]
mod tests;

use acceptor::Acceptor;
use error::ApiError;
use routes::Surface;

/// How long requests that are being served may still take when the emulator stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// What every handler gets.
#[derive(Debug, Clone)]
struct Rest {
    services: Arc<Services>,
    /// How this server is reached, for links.
    scheme: &'static str,
}

/// One listening REST server.
#[derive(Debug)]
pub(crate) struct RestServer {
    address: SocketAddr,
    task: JoinHandle<io::Result<()>>,
}

impl RestServer {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the server has stopped, which it does when it is asked to.
    pub(crate) async fn stopped(self) {
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the REST server ended badly"),
            Err(error) => tracing::error!(%error, "the REST server ended badly"),
        }
    }
}

/// Serves the interface and what an extension adds on a listener, with TLS or without, until `stop`.
pub(crate) fn serve(
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    services: Arc<Services>,
    extend: Extend<'_>,
    stop: &CancellationToken,
) -> io::Result<RestServer> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let rest = Rest { services, scheme };
    let app = router(rest, address.port(), extend, stop).into_make_service();
    let listener = listener.into_std()?;
    let handle = Handle::new();
    let task = match tls {
        Some(tls) => {
            let server = axum_server::from_tcp(listener)?.acceptor(Acceptor::new(tls));
            tokio::spawn(bounded(server).handle(handle.clone()).serve(app))
        }
        None => {
            let server = axum_server::from_tcp(listener)?;
            tokio::spawn(bounded(server).handle(handle.clone()).serve(app))
        }
    };
    let stop = stop.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(DRAIN_LIMIT));
    });
    Ok(RestServer { address, task })
}

/// A server whose memory and places can't be used up by heads without end. (The handshake of TLS has a limit
/// of ten seconds.)
fn bounded<A: Address, B>(server: Server<A, B>) -> Server<A, B> {
    let mut server = server.http1_only();
    let http = server.http_builder();
    http.http1().header_read_timeout(HEAD_WITHIN).max_buf_size(MAX_HEAD);
    server
}

/// The interface without a listener.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn in_memory(services: Arc<Services>) -> Router {
    let rest = Rest {
        services,
        scheme: "http",
    };
    router(rest, 80, &extension::nothing, &CancellationToken::new())
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
        .merge(other_services())
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
    let api = api()
        .into_router()
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(middleware::content_type))
        .layer(from_fn(middleware::api_version))
        .layer(from_fn_with_state(rest.clone(), middleware::durable))
        .layer(from_fn_with_state(rest.clone(), gate::limit));
    let operator = operator()
        .into_router()
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(rest.clone(), middleware::durable_change));
    let system = system()
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

/// The interface of IoT Central, under `/api`.
fn api() -> Surface {
    let surface = Surface::new();
    let surface = applications(surface);
    devices(surface)
}

/// Routes about the application as a whole.
fn applications(surface: Surface) -> Surface {
    surface
        .route("/roles", Resource::Tokens, get(tokens::roles))
        .route("/roles/{id}", Resource::Tokens, get(tokens::role))
        .route("/apiTokens", Resource::Tokens, get(tokens::list))
        .route(
            "/apiTokens/{id}",
            Resource::Tokens,
            get(tokens::read).put(tokens::create).delete(tokens::remove),
        )
        .route("/deviceTemplates", Resource::Templates, get(templates::list))
        .route(
            "/deviceTemplates/{id}",
            Resource::Templates,
            get(templates::read)
                .put(templates::replace)
                .patch(templates::update)
                .delete(templates::remove),
        )
        .route("/enrollmentGroups", Resource::Groups, get(groups::list))
        .route(
            "/enrollmentGroups/{id}",
            Resource::Groups,
            get(groups::read)
                .put(groups::replace)
                .patch(groups::update)
                .delete(groups::remove),
        )
        .route(
            "/enrollmentGroups/{id}/certificates/{entry}",
            Resource::Groups,
            get(groups::read_certificate)
                .put(groups::replace_certificate)
                .delete(groups::remove_certificate),
        )
        .route(
            "/enrollmentGroups/{id}/certificates/{entry}/generateVerificationCode",
            Resource::Groups,
            post(groups::generate_code),
        )
        .route(
            "/enrollmentGroups/{id}/certificates/{entry}/verify",
            Resource::Groups,
            post(groups::verify),
        )
}

fn devices(surface: Surface) -> Surface {
    surface
        .route("/devices", Resource::Devices, get(devices::list))
        .route(
            "/devices/{id}",
            Resource::Devices,
            get(devices::read)
                .put(devices::replace)
                .patch(devices::update)
                .delete(devices::remove),
        )
        .route(
            "/devices/{id}/attestation",
            Resource::Devices,
            get(attestation::read)
                .put(attestation::replace)
                .patch(attestation::update)
                .delete(attestation::remove),
        )
        .route(
            "/devices/{id}/relationships",
            Resource::Devices,
            get(relationships::list),
        )
        .route(
            "/devices/{id}/relationships/{relationship}",
            Resource::Devices,
            get(relationships::read)
                .put(relationships::replace)
                .patch(relationships::update)
                .delete(relationships::remove),
        )
        .route(
            "/devices/{id}/credentials",
            Resource::Devices,
            get(devices::credentials),
        )
        .route(
            "/devices/{id}/properties",
            Resource::Devices,
            get(properties::read).put(properties::replace).patch(properties::update),
        )
        .route("/devices/{id}/components", Resource::Devices, get(components::list))
        .route("/devices/{id}/modules", Resource::Devices, get(components::modules))
        .route(
            "/devices/{id}/modules/{module}/{*of_module}",
            Resource::Devices,
            any(components::no_module),
        )
        .route(
            "/devices/{id}/components/{component}/properties",
            Resource::Devices,
            get(properties::read_component)
                .put(properties::replace_component)
                .patch(properties::update_component),
        )
        .route(
            "/devices/{id}/telemetry/{name}",
            Resource::Devices,
            get(telemetry::read),
        )
        .route(
            "/devices/{id}/components/{component}/telemetry/{name}",
            Resource::Devices,
            get(telemetry::read_component),
        )
        .route(
            "/devices/{id}/commands/{name}",
            Resource::Devices,
            get(commands::history).post(commands::run),
        )
        .route(
            "/devices/{id}/components/{component}/commands/{name}",
            Resource::Devices,
            get(commands::component_history).post(commands::run_component),
        )
}

/// The operator's own surface, under `/emulator`.
fn operator() -> Surface {
    Surface::new()
        .route("/stats", Resource::Emulator, get(operator::stats))
        .route("/journal", Resource::Emulator, get(operator::journal))
        .route("/sign-in", Resource::Emulator, post(operator::sign_in))
        .route("/devices/{id}", Resource::Emulator, get(operator::device))
        .route(
            "/faults",
            Resource::Emulator,
            get(faults::list).post(faults::add).delete(faults::remove_all),
        )
        .route(
            "/faults/{id}",
            Resource::Emulator,
            get(faults::read).patch(faults::switch).delete(faults::remove),
        )
        .route("/devices/{id}/messages", Resource::Emulator, post(messages::send))
        .route("/devices/{id}/methods", Resource::Emulator, post(methods::invoke))
        .route("/devices/{id}/reassign", Resource::Emulator, post(operator::reassign))
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

/// Interfaces of other services that people look for at the same host. No token would help there, so none is asked for.
fn other_services() -> Router {
    let answer = |service: &'static str, instead: &'static str| {
        any(async move || {
            let message = format!("this is the interface of {service}, which is not emulated; {instead}");
            ApiError::new(StatusCode::NOT_FOUND, "NotEmulated", message)
        })
    };
    let hub = || {
        answer(
            "IoT Hub itself (service and device REST)",
            "devices speak MQTT, operators use IoT Central's API under /api",
        )
    };
    let upload = || answer("IoT Hub's file upload", "telemetry and properties go over MQTT");
    Router::new()
        .route("/devices/{id}/messages/{*rest}", hub())
        .route("/devices/{id}/modules", hub())
        .route("/devices/{id}/modules/{*rest}", hub())
        .route("/twins/{*rest}", hub())
        .route("/statistics/{*rest}", hub())
        .route("/devices/{id}/files", upload())
        .route("/devices/{id}/files/{*rest}", upload())
}

/// What IoT Central serves beside its documented API, for the Azure CLI.
fn system() -> Surface {
    Surface::new()
        .route(
            "/iothub/devices/{id}/manual-failover",
            Resource::Devices,
            post(operator::fail_over),
        )
        .route(
            "/iothub/devices/{id}/manual-failback",
            Resource::Devices,
            post(operator::fail_back),
        )
        .route("/iothub/devices/{id}/c2d", Resource::Devices, delete(operator::purge))
}

async fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the resource does not support this method",
    )
}
