//! What is served under which path.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, delete, get, post};

use super::error::ApiError;
use super::surface::Surface;
use super::{
    attestation, commands, components, devices, faults, groups, messages, methods, operator, properties, relationships,
    telemetry, templates, tokens,
};
use crate::central::Resource;

/// The interface of IoT Central, under `/api`.
pub(super) fn api() -> Surface {
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
pub(super) fn operator() -> Surface {
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

/// Whether this server answers, for what watches it: it has no token, and is given nothing else.
pub(super) fn health() -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" }))
}

/// Interfaces of other services that people look for at the same host. No token would help there, so none is asked for.
pub(super) fn other_services() -> Router {
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
pub(super) fn system() -> Surface {
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
