//! The IoT Central REST interface (data plane), and the operator's own surface beside it.
//!
//! Source: [IoT Central REST API, version 2022-07-31](https://learn.microsoft.com/rest/api/iotcentral/), and its
//! [specification](https://github.com/Azure/azure-rest-api-specs/tree/main/specification/iotcentral/data-plane).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Router, middleware};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::services::Services;

mod attestation;
mod body;
mod commands;
mod devices;
mod error;
mod groups;
mod guard;
mod messages;
mod methods;
mod operator;
mod properties;
mod relationships;
mod telemetry;
mod templates;

use error::ApiError;

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

    /// Waits until the server has stopped, which it does when it is told so.
    pub(crate) async fn stopped(self) {
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the REST server ended badly"),
            Err(error) => tracing::error!(%error, "the REST server ended badly"),
        }
    }
}

/// Serves the interface on a listener, with TLS or without, until `stop`.
pub(crate) fn serve(
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    services: Arc<Services>,
    stop: &CancellationToken,
) -> io::Result<RestServer> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let app = router(Rest { services, scheme }).into_make_service();
    let listener = listener.into_std()?;
    let handle = Handle::new();
    let task = match tls {
        Some(tls) => {
            let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls))?;
            tokio::spawn(server.handle(handle.clone()).serve(app))
        }
        None => tokio::spawn(axum_server::from_tcp(listener)?.handle(handle.clone()).serve(app)),
    };
    let stop = stop.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(DRAIN_LIMIT));
    });
    Ok(RestServer { address, task })
}

fn router(rest: Rest) -> Router {
    let durable = middleware::from_fn_with_state(rest.clone(), guard::durable);
    let api = Router::new()
        .route("/enrollmentGroups", get(groups::list))
        .route(
            "/enrollmentGroups/{id}",
            get(groups::read)
                .put(groups::replace)
                .patch(groups::update)
                .delete(groups::remove),
        )
        .route(
            "/enrollmentGroups/{id}/certificates/{entry}",
            get(groups::read_certificate)
                .put(groups::replace_certificate)
                .delete(groups::remove_certificate),
        )
        .route(
            "/enrollmentGroups/{id}/certificates/{entry}/generateVerificationCode",
            post(groups::generate_code),
        )
        .route(
            "/enrollmentGroups/{id}/certificates/{entry}/verify",
            post(groups::verify),
        )
        .route("/devices", get(devices::list))
        .route(
            "/devices/{id}",
            get(devices::read)
                .put(devices::replace)
                .patch(devices::update)
                .delete(devices::remove),
        )
        .route(
            "/devices/{id}/attestation",
            get(attestation::read)
                .put(attestation::replace)
                .patch(attestation::update)
                .delete(attestation::remove),
        )
        .route("/devices/{id}/credentials", get(devices::credentials))
        .route("/devices/{id}/relationships", get(relationships::list))
        .route(
            "/devices/{id}/relationships/{relationship}",
            get(relationships::read)
                .put(relationships::replace)
                .patch(relationships::update)
                .delete(relationships::remove),
        )
        .route(
            "/devices/{id}/properties",
            get(properties::read).put(properties::replace).patch(properties::update),
        )
        .route(
            "/devices/{id}/components/{component}/properties",
            get(properties::read_component)
                .put(properties::replace_component)
                .patch(properties::update_component),
        )
        .route("/devices/{id}/telemetry/{name}", get(telemetry::read))
        .route(
            "/devices/{id}/components/{component}/telemetry/{name}",
            get(telemetry::read_component),
        )
        .route(
            "/devices/{id}/commands/{name}",
            get(commands::history).post(commands::run),
        )
        .route(
            "/devices/{id}/components/{component}/commands/{name}",
            get(commands::component_history).post(commands::run_component),
        )
        .route("/deviceTemplates", get(templates::list))
        .route(
            "/deviceTemplates/{id}",
            put(templates::replace).get(templates::read).delete(templates::remove),
        )
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(guard::api_version))
        .layer(durable.clone());
    let operator = Router::new()
        .route("/stats", get(operator::stats))
        .route("/journal", get(operator::journal))
        .route("/devices/{id}", get(operator::device))
        .route("/devices/{id}/messages", post(messages::send).layer(durable.clone()))
        .route("/devices/{id}/methods", post(methods::invoke))
        .route("/devices/{id}/reassign", post(operator::reassign).layer(durable))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method);
    Router::new()
        .nest("/api", api)
        .nest("/emulator", operator)
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(rest.clone(), guard::token))
        .with_state(rest)
}

async fn unknown() -> ApiError {
    ApiError::not_found("there is no such resource")
}

async fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the resource does not know this method",
    )
}
