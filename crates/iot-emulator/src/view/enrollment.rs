//! Enrollment groups, and certificates.

use jiff::Timestamp;

use crate::{attestation, central, certificate};

/// An enrollment group.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a>(&'a central::Group);

impl<'a> Group<'a> {
    pub(super) fn new(group: &'a central::Group) -> Self {
        Self(group)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.0.id
    }

    /// What it is called.
    #[must_use]
    pub fn display_name(&self) -> &'a str {
        &self.0.display_name
    }

    /// Whether it lets devices in.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Whether its devices are IoT Edge devices.
    #[must_use]
    pub fn is_edge(&self) -> bool {
        self.0.group_type == central::GroupType::IotEdge
    }

    /// Both certificates, as far as they are there.
    pub fn certificates(&self) -> impl Iterator<Item = GroupCertificate<'a>> + use<'a> {
        self.0.certificates().map(|(entry, signing)| GroupCertificate {
            is_primary: entry == attestation::Entry::Primary,
            certificate: Certificate(&signing.certificate),
            is_verified: signing.verified,
            verification_code: signing.code.as_deref(),
        })
    }
}

/// A certificate of an enrollment group.
#[derive(Debug, Clone, Copy)]
pub struct GroupCertificate<'a> {
    /// Whether it is the primary one.
    pub is_primary: bool,
    /// The certificate.
    pub certificate: Certificate<'a>,
    /// Whether its owner has proved to have its key. Only then does it let devices in.
    pub is_verified: bool,
    /// The code that a verification certificate must be issued to, once one was generated.
    pub verification_code: Option<&'a str>,
}

/// A certificate.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a>(&'a certificate::Certificate);

impl<'a> Certificate<'a> {
    pub(super) fn new(certificate: &'a certificate::Certificate) -> Self {
        Self(certificate)
    }

    /// The subject in words.
    #[must_use]
    pub fn subject(&self) -> String {
        self.0.subject()
    }

    /// The issuer in words.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.0.issuer()
    }

    /// Whether it has signed itself, as roots do.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.0.is_signed_by(self.0)
    }

    /// Whether `authority`, which is another certificate, has signed it.
    #[must_use]
    pub fn is_signed_by(&self, authority: Certificate<'_>) -> bool {
        self.0 != authority.0 && self.0.is_signed_by(authority.0)
    }

    /// SHA-1 over the DER in upper-case hex.
    #[must_use]
    pub fn sha1_thumbprint(&self) -> String {
        self.0.sha1_thumbprint()
    }

    /// The first moment of its validity.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.0.not_before()
    }

    /// The last moment of its validity.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.0.not_after()
    }

    /// Whether its common name is the device's id, as DPS asks when the device registers.
    #[must_use]
    pub fn is_named(&self, device_id: &str) -> bool {
        self.0.is_named(device_id)
    }
}
