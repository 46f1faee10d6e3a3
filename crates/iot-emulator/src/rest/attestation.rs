//! Individual enrollments by certificate.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rest;
use super::body::{nullable, own_certificate, parse};
use super::error::ApiError;
use super::error::no_device;
use super::extract::{Body, Path};
use crate::central::{Application, Attestation, Owner};
use crate::certificate::Certificate;
use crate::journal::Event;

#[derive(Deserialize)]
struct AttestationBody {
    #[serde(rename = "type")]
    kind: String,
    x509: Option<X509Body>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct X509Body {
    client_certificates: CertificatesBody,
}

#[derive(Deserialize)]
struct CertificatesBody {
    primary: Option<CertificateBody>,
    /// In a merge patch, `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    secondary: Option<Option<CertificateBody>>,
}

#[derive(Deserialize)]
struct CertificateBody {
    /// Left out where a client writes back what it has read.
    certificate: Option<String>,
}

pub(super) async fn read(State(rest): State<Rest>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    let device = application.device(&id).ok_or_else(no_device)?;
    Ok(Json(view(device.attestation.as_ref().ok_or_else(no_attestation)?)))
}

/// Sets the certificates. A secondary one that the body does not name is removed.
pub(super) async fn replace(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    write(&rest, &id, parse(&body)?, false)
}

/// Sets the certificates that the body names.
pub(super) async fn update(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    write(&rest, &id, parse(&body)?, true)
}

fn write(rest: &Rest, id: &str, body: AttestationBody, keep: bool) -> Result<Json<Value>, ApiError> {
    let (true, Some(x509)) = (body.kind == "x509", body.x509) else {
        return Err(ApiError::invalid(
            "the emulator supports individual enrollments with attestation `x509` only",
        ));
    };
    let mut application = rest.services.central.write();
    let (known_primary, known_secondary) = match application.device(id).ok_or_else(no_device)?.attestation.clone() {
        Some(known) => (Some(known.primary), known.secondary),
        None => (None, None),
    };
    let CertificatesBody { primary, secondary } = x509.client_certificates;
    let primary = pick(&application, id, primary, known_primary, keep)?
        .ok_or_else(|| ApiError::invalid("body: missing field `x509.clientCertificates.primary.certificate`"))?;
    let secondary = match secondary {
        Some(None) => None,
        secondary => pick(&application, id, secondary.flatten(), known_secondary, keep)?,
    };
    let attestation = Attestation { primary, secondary };
    let answer = view(&attestation);
    for (slot, certificate) in ["primary", "secondary"].into_iter().zip(attestation.certificates()) {
        if !certificate.is_named(id) {
            let common_name = certificate.common_name.clone();
            let event = Event::CertificateOfAnotherName { slot, common_name };
            rest.services.journal.record(Some(id), event);
        }
    }
    application.set_attestation(id, Some(attestation));
    application.store_device(id, &rest.services.store);
    Ok(Json(answer))
}

pub(super) async fn remove(State(rest): State<Rest>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let mut application = rest.services.central.write();
    application
        .device(&id)
        .ok_or_else(no_device)?
        .attestation
        .as_ref()
        .ok_or_else(no_attestation)?;
    application.set_attestation(&id, None);
    application.store_device(&id, &rest.services.store);
    Ok(StatusCode::NO_CONTENT)
}

fn pick(
    application: &Application,
    id: &str,
    body: Option<CertificateBody>,
    known: Option<Arc<Certificate>>,
    keep: bool,
) -> Result<Option<Arc<Certificate>>, ApiError> {
    let text = match body {
        None => return Ok(known.filter(|_| keep)),
        // Written back as it was read: without its text.
        Some(CertificateBody { certificate: None }) => return Ok(known),
        Some(CertificateBody {
            certificate: Some(text),
        }) => text,
    };
    let owner = id.to_ascii_lowercase();
    own_certificate(application, &text, Owner::Device(&owner)).map(|certificate| Some(Arc::new(certificate)))
}

fn view(attestation: &Attestation) -> Value {
    json!({ "type": "x509", "x509": certificates_view(attestation) })
}

/// The certificates of an individual enrollment, which are shown by their thumbprints only.
pub(super) fn certificates_view(attestation: &Attestation) -> Value {
    let shown = |certificate: &Certificate| json!({ "info": { "sha1Thumbprint": certificate.sha1_thumbprint() } });
    let mut certificates = json!({ "primary": shown(&attestation.primary) });
    if let Some(secondary) = &attestation.secondary {
        certificates["secondary"] = shown(secondary);
    }
    json!({ "clientCertificates": certificates })
}

fn no_attestation() -> ApiError {
    ApiError::not_found("the device has no individual attestation")
}
