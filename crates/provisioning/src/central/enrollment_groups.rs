//! Enrollment groups and their CA certificates.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use serde_json::json;

use super::schema::{request, response};
use super::transport::Repeat;
use super::{Central, CentralError};
use crate::identities::Slot;

const GROUPS: &str = "enrollmentGroups";

/// What the devices of an enrollment group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupType {
    /// IoT devices.
    #[default]
    Iot,
    /// IoT Edge devices.
    IotEdge,
}

impl GroupType {
    /// The word for it in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Iot => "iot",
            Self::IotEdge => "iotEdge",
        }
    }
}

impl Central {
    /// All enrollment groups.
    pub async fn enrollment_groups(&self) -> Result<Vec<response::EnrollmentGroup>, CentralError> {
        self.list(&[GROUPS], "enrollment groups").await
    }

    /// One enrollment group.
    pub async fn enrollment_group(&self, id: &str) -> Result<response::EnrollmentGroup, CentralError> {
        self.request(Method::GET, &[GROUPS, id], subject(id)).json().await
    }

    /// The application's id scope as a group has it, which only the preview of the API returns.
    pub async fn group_id_scope(&self, id: &str) -> Result<Option<String>, CentralError> {
        let request = self.request(Method::GET, &[GROUPS, id], subject(id));
        let group: response::EnrollmentGroup = request.preview().json().await?;
        Ok(group.id_scope)
    }

    /// Creates or renames a group of devices that prove themselves by X.509.
    pub async fn put_enrollment_group(
        &self,
        id: &str,
        display_name: &str,
        group_type: GroupType,
    ) -> Result<response::EnrollmentGroup, CentralError> {
        let body = request::EnrollmentGroup {
            display_name,
            enabled: true,
            r#type: group_type.as_str(),
            attestation: request::AttestationType { r#type: "x509" },
        };
        self.request(Method::PUT, &[GROUPS, id], subject(id))
            .with_json(json!(body))
            .json()
            .await
    }

    /// Removes a group. Devices that registered through it stay in the hub.
    pub async fn delete_enrollment_group(&self, id: &str) -> Result<(), CentralError> {
        self.request(Method::DELETE, &[GROUPS, id], subject(id)).done().await
    }

    /// What the service has of a group's CA certificate.
    pub async fn group_certificate(&self, id: &str, slot: Slot) -> Result<response::Certificate, CentralError> {
        self.request(Method::GET, &certificate_path(id, slot), certificate_subject(id, slot))
            .json()
            .await
    }

    /// Uploads a group's CA certificate. As `verified` by our word, or still to be proved.
    pub async fn put_group_certificate(
        &self,
        id: &str,
        slot: Slot,
        cert_pem: &str,
        verified: bool,
    ) -> Result<response::Certificate, CentralError> {
        let body = json!({ "certificate": encode(cert_pem), "verified": verified });
        self.request(Method::PUT, &certificate_path(id, slot), certificate_subject(id, slot))
            .with_json(body)
            .json()
            .await
    }

    /// Removes a group's CA certificate.
    pub async fn delete_group_certificate(&self, id: &str, slot: Slot) -> Result<(), CentralError> {
        self.request(
            Method::DELETE,
            &certificate_path(id, slot),
            certificate_subject(id, slot),
        )
        .done()
        .await
    }

    /// Asks for the code that a verification certificate must name.
    pub async fn generate_verification_code(&self, id: &str, slot: Slot) -> Result<String, CentralError> {
        let path = [&certificate_path(id, slot)[..], &["generateVerificationCode"]].concat();
        let answer: response::VerificationCode = self
            .request(Method::POST, &path, certificate_subject(id, slot))
            .json()
            .await?;
        Ok(answer.verification_code)
    }

    /// Shows a certificate for the code, signed by the CA: proof that its key is at hand.
    pub async fn verify_group_certificate(
        &self,
        id: &str,
        slot: Slot,
        verification_pem: &str,
    ) -> Result<(), CentralError> {
        let path = [&certificate_path(id, slot)[..], &["verify"]].concat();
        let body = json!(request::Certificate {
            certificate: encode(verification_pem)
        });
        self.request(Method::POST, &path, certificate_subject(id, slot))
            .with_json(body)
            .repeat(Repeat::IfNotExecuted)
            .done()
            .await
    }
}

/// The API wants the base64 of the whole PEM file, which itself is base64 between two lines of armour.
pub(super) fn encode(pem: &str) -> String {
    BASE64.encode(pem)
}

fn subject(id: &str) -> String {
    format!("enrollment group {id}")
}

fn certificate_subject(id: &str, slot: Slot) -> String {
    format!("{slot} certificate of enrollment group {id}")
}

fn certificate_path(id: &str, slot: Slot) -> [&str; 4] {
    [GROUPS, id, "certificates", slot.as_str()]
}
