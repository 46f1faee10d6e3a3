//! What an enrollment is to be.

use super::EnrollError;
use crate::central::GroupType;
use crate::certificate::inspect::CertificateFacts;
use crate::certificate::make::CertificateAuthority;

/// An enrollment group as it is to be.
#[derive(Debug, Clone)]
pub struct EnrollmentGroupSpec<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name in the user interface, where the group has to be created.
    pub display_name: &'a str,
    /// What its devices are.
    pub group_type: GroupType,
    /// The CA that goes into the primary slot if it stands in neither.
    pub primary: GroupCa<'a>,
    /// One more, for the secondary slot.
    pub secondary: Option<GroupCa<'a>>,
    /// How the service comes to trust them.
    pub attest: Attest,
}

impl<'a> EnrollmentGroupSpec<'a> {
    /// A group of IoT devices with one CA whose key is at hand, to be proved.
    pub fn new(id: &'a str, display_name: &'a str, primary: &'a CertificateAuthority) -> Self {
        Self {
            id,
            display_name,
            group_type: GroupType::Iot,
            primary: GroupCa::with_key(primary),
            secondary: None,
            attest: Attest::Prove,
        }
    }

    /// The CAs, primary first.
    pub(super) fn authorities(&self) -> impl Iterator<Item = &GroupCa<'a>> {
        std::iter::once(&self.primary).chain(&self.secondary)
    }
}

/// A CA of an enrollment group: with its key, which can prove itself, or the certificate alone.
#[derive(Debug, Clone)]
pub struct GroupCa<'a> {
    cert_pem: &'a str,
    facts: CertificateFacts,
    key: Option<&'a CertificateAuthority>,
}

impl<'a> GroupCa<'a> {
    /// A CA whose key is here.
    pub fn with_key(ca: &'a CertificateAuthority) -> Self {
        Self {
            cert_pem: ca.cert_pem(),
            facts: ca.facts().clone(),
            key: Some(ca),
        }
    }

    /// A CA whose key is elsewhere. `file` names it in messages.
    pub fn without_key(cert_pem: &'a str, file: &str) -> Result<Self, EnrollError> {
        Ok(Self {
            cert_pem,
            facts: CertificateFacts::from_pem(cert_pem.as_bytes(), file)?,
            key: None,
        })
    }

    /// What stands in its certificate.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// The SHA-1 thumbprint, by which the service names it.
    pub fn sha1(&self) -> &str {
        &self.facts.sha1
    }

    /// The common name for messages.
    pub fn name(&self) -> &str {
        let unnamed = "a CA without a common name";
        self.facts.common_name.as_deref().unwrap_or(unnamed)
    }

    pub(super) fn cert_pem(&self) -> &'a str {
        self.cert_pem
    }

    /// With what a proof can be signed.
    pub(super) fn key(&self) -> Option<&'a CertificateAuthority> {
        self.key
    }
}

/// How the service comes to trust a CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attest {
    /// By a verification certificate for the service's code, which only the holder of the CA's key can sign.
    #[default]
    Prove,
    /// By our word: the certificate is uploaded as verified.
    SelfAttest,
}
