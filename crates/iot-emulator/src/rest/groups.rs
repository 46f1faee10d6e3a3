//! Enrollment groups, their certificates, and the proof that a certificate is the uploader's own.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Rest;
use super::body::{certificate, check_etag, nullable, own_certificate, parse};
use super::error::ApiError;
use super::extract::{Body, Path};
use super::middleware::ApiVersion;
use super::paging::Listing;
use crate::attestation::Entry;
use crate::central::{Application, Group, GroupType, Owner, SigningCertificate, new_etag};
use crate::clock;
use crate::random::random_hex;
use crate::unconfirmed::NOT_VERIFIED;

const MAX_ID: usize = 255;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupBody {
    display_name: String,
    enabled: Option<bool>,
    #[serde(rename = "type")]
    group_type: GroupType,
    attestation: AttestationBody,
    etag: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupPatch {
    display_name: Option<String>,
    enabled: Option<bool>,
    #[serde(rename = "type")]
    group_type: Option<GroupType>,
    attestation: Option<AttestationBody>,
    etag: Option<String>,
}

#[derive(Deserialize)]
struct AttestationBody {
    #[serde(rename = "type")]
    kind: String,
    x509: Option<X509Body>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct X509Body {
    #[serde(default)]
    signing_certificates: SigningCertificatesBody,
}

#[derive(Default, Deserialize)]
struct SigningCertificatesBody {
    /// In a merge patch, `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    primary: Option<Option<CertificateBody>>,
    #[serde(default, deserialize_with = "nullable")]
    secondary: Option<Option<CertificateBody>>,
}

#[derive(Deserialize)]
struct CertificateBody {
    /// Left out where a client writes back what it has read.
    certificate: Option<String>,
    #[serde(default)]
    verified: bool,
    etag: Option<String>,
}

#[derive(Deserialize)]
struct VerificationBody {
    certificate: String,
}

pub(super) async fn list(
    State(rest): State<Rest>,
    Extension(version): Extension<ApiVersion>,
    listing: Listing,
) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    let groups = application.groups.iter();
    listing
        .plain(groups.map(|(id, group)| (Cow::from(id), group)), |group| {
            view(&rest, version, group)
        })
        .map(Json)
}

pub(super) async fn read(
    State(rest): State<Rest>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let application = rest.services.central.read();
    let group = application.groups.get(&id).ok_or_else(no_group)?;
    Ok(Json(view(&rest, version, group)))
}

/// Creates a group, or writes over one. A group's certificates stay unless the body brings others.
pub(super) async fn replace(
    State(rest): State<Rest>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    if id.len() > MAX_ID || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(ApiError::bad_request(
            "the id of a group has at most 255 letters, digits and dashes",
        ));
    }
    let body: GroupBody = parse(&body)?;
    write(
        &rest,
        version,
        &id,
        GroupPatch {
            display_name: Some(body.display_name),
            enabled: Some(body.enabled.unwrap_or(true)),
            group_type: Some(body.group_type),
            attestation: Some(body.attestation),
            etag: body.etag,
        },
        true,
    )
}

pub(super) async fn update(
    State(rest): State<Rest>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    write(&rest, version, &id, parse(&body)?, false)
}

fn write(
    rest: &Rest,
    version: ApiVersion,
    id: &str,
    patch: GroupPatch,
    may_create: bool,
) -> Result<Json<Value>, ApiError> {
    let mut application = rest.services.central.write();
    let known = application.groups.get(id);
    if known.is_none() && !may_create {
        return Err(no_group());
    }
    check_etag(patch.etag.as_deref(), known.map(|group| group.etag.as_str()))?;
    let mut group = known.cloned().unwrap_or_else(|| Group {
        id: id.into(),
        display_name: id.into(),
        enabled: true,
        group_type: GroupType::Iot,
        primary: None,
        secondary: None,
        etag: String::new(),
    });
    if let Some(attestation) = patch.attestation {
        if attestation.kind != "x509" {
            return Err(ApiError::invalid(
                "the emulator supports groups with attestation `x509` only",
            ));
        }
        let certificates = attestation
            .x509
            .map(|x509| x509.signing_certificates)
            .unwrap_or_default();
        for (entry, body) in [
            (Entry::Primary, certificates.primary),
            (Entry::Secondary, certificates.secondary),
        ] {
            match body {
                Some(Some(body)) if body.certificate.is_some() => {
                    *group.certificate_mut(entry) = Some(signing_certificate(&application, id, entry, &body)?);
                }
                Some(None) => *group.certificate_mut(entry) = None,
                // Left out, or written back as it was read.
                None | Some(Some(_)) => {}
            }
        }
    }
    if let Some(display_name) = patch.display_name {
        group.display_name = display_name;
    }
    group.enabled = patch.enabled.unwrap_or(group.enabled);
    group.group_type = patch.group_type.unwrap_or(group.group_type);
    group.etag = new_etag();
    let answer = view(rest, version, &group);
    application.groups.insert(id.into(), group);
    application.store_group(id, &rest.services.store);
    Ok(Json(answer))
}

pub(super) async fn remove(State(rest): State<Rest>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let mut application = rest.services.central.write();
    application.groups.remove(&id).ok_or_else(no_group)?;
    application.store_group(&id, &rest.services.store);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn read_certificate(
    State(rest): State<Rest>,
    Path((id, entry)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let entry = parse_entry(&entry)?;
    let application = rest.services.central.read();
    let group = application.groups.get(&id).ok_or_else(no_group)?;
    Ok(Json(certificate_view(
        group.certificate(entry).ok_or_else(no_certificate)?,
    )))
}

pub(super) async fn replace_certificate(
    State(rest): State<Rest>,
    Path((id, entry)): Path<(String, String)>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let entry = parse_entry(&entry)?;
    let body: CertificateBody = parse(&body)?;
    let mut application = rest.services.central.write();
    let known = application.groups.get(&id).ok_or_else(no_group)?.certificate(entry);
    check_etag(body.etag.as_deref(), known.map(|signing| signing.etag.as_str()))?;
    let signing = signing_certificate(&application, &id, entry, &body)?;
    let answer = certificate_view(&signing);
    let group = application.groups.get_mut(&id).ok_or_else(no_group)?;
    *group.certificate_mut(entry) = Some(signing);
    group.etag = new_etag();
    application.store_group(&id, &rest.services.store);
    Ok(Json(answer))
}

pub(super) async fn remove_certificate(
    State(rest): State<Rest>,
    Path((id, entry)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let entry = parse_entry(&entry)?;
    let mut application = rest.services.central.write();
    let group = application.groups.get_mut(&id).ok_or_else(no_group)?;
    group.certificate_mut(entry).take().ok_or_else(no_certificate)?;
    group.etag = new_etag();
    application.store_group(&id, &rest.services.store);
    Ok(StatusCode::NO_CONTENT)
}

/// Gives the code that a verification certificate must be issued to. A new code makes the last one worthless.
pub(super) async fn generate_code(
    State(rest): State<Rest>,
    Path((id, entry)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let entry = parse_entry(&entry)?;
    let mut application = rest.services.central.write();
    let group = application.groups.get_mut(&id).ok_or_else(no_group)?;
    let signing = group.certificate_mut(entry).as_mut().ok_or_else(no_certificate)?;
    let code = random_hex::<24>().to_uppercase();
    signing.code = Some(code.clone());
    application.store_group(&id, &rest.services.store);
    Ok(Json(json!({ "verificationCode": code })))
}

/// Verifies a certificate by another one that it has signed for the code: its owner holds the private key.
///
/// Source: [Verify certificates](https://learn.microsoft.com/azure/iot-dps/how-to-verify-certificates).
pub(super) async fn verify(
    State(rest): State<Rest>,
    Path((id, entry)): Path<(String, String)>,
    Body(body): Body,
) -> Result<StatusCode, ApiError> {
    let entry = parse_entry(&entry)?;
    let proof = certificate(&parse::<VerificationBody>(&body)?.certificate)?;
    let refused = |message: &str| ApiError::new(NOT_VERIFIED.0, NOT_VERIFIED.1, message);
    let mut application = rest.services.central.write();
    let group = application.groups.get_mut(&id).ok_or_else(no_group)?;
    let signing = group.certificate_mut(entry).as_mut().ok_or_else(no_certificate)?;
    let code = signing
        .code
        .as_deref()
        .ok_or_else(|| refused("no verification code was generated"))?;
    if proof.common_name.as_deref() != Some(code) {
        return Err(refused(
            "the common name of the verification certificate is not the verification code",
        ));
    }
    if !proof.is_valid_at(clock::now()) {
        return Err(refused("the verification certificate has expired or is not valid yet"));
    }
    if !proof.is_signed_by(&signing.certificate) {
        return Err(refused(
            "the verification certificate is not signed by the certificate to verify",
        ));
    }
    signing.verified = true;
    signing.code = None;
    signing.etag = new_etag();
    group.etag = new_etag();
    application.store_group(&id, &rest.services.store);
    Ok(StatusCode::NO_CONTENT)
}

fn signing_certificate(
    application: &Application,
    id: &str,
    entry: Entry,
    body: &CertificateBody,
) -> Result<SigningCertificate, ApiError> {
    let text = body
        .certificate
        .as_deref()
        .ok_or_else(|| ApiError::invalid("body: missing field `certificate`"))?;
    let certificate = own_certificate(application, text, Owner::Group(id, entry))?;
    if !certificate.usage.is_authority {
        return Err(ApiError::invalid(
            "the certificate is not one of a certificate authority",
        ));
    }
    Ok(SigningCertificate::new(certificate, body.verified))
}

fn view(rest: &Rest, version: ApiVersion, group: &Group) -> Value {
    let certificates: Map<String, Value> = group
        .certificates()
        .map(|(entry, signing)| {
            let name = match entry {
                Entry::Primary => "primary",
                Entry::Secondary => "secondary",
            };
            (name.to_owned(), certificate_view(signing))
        })
        .collect();
    let mut view = json!({
        "id": group.id,
        "displayName": group.display_name,
        "enabled": group.enabled,
        "type": group.group_type,
        "attestation": { "type": "x509", "x509": { "signingCertificates": certificates } },
        "etag": group.etag,
    });
    if version == ApiVersion::Preview {
        view["idScope"] = rest.services.id_scope.as_str().into();
    }
    view
}

fn certificate_view(signing: &SigningCertificate) -> Value {
    json!({
        "verified": signing.verified,
        "info": { "sha1Thumbprint": signing.certificate.sha1_thumbprint() },
        "etag": signing.etag,
    })
}

fn parse_entry(text: &str) -> Result<Entry, ApiError> {
    match text {
        "primary" => Ok(Entry::Primary),
        "secondary" => Ok(Entry::Secondary),
        _ => Err(ApiError::not_found(
            "a group has a `primary` and a `secondary` certificate",
        )),
    }
}

fn no_group() -> ApiError {
    ApiError::not_found("there is no such enrollment group")
}

fn no_certificate() -> ApiError {
    ApiError::not_found("the group has no such certificate")
}
