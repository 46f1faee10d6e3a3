//! Why a client's certificates don't let it in, in a sentence for the journal: what it sent, and what is enrolled instead. The
//! word for each case is a [`RefusalReason`].

use std::fmt;

use super::Entry;
use crate::certificate::Certificate;
use crate::refusal_reason::RefusalReason;

/// The most characters of a name that are repeated: those that X.509 grants a common name, and its `CN=`. A client may
/// have written it.
const LONGEST_NAME: usize = 68;

/// Why a client is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no client certificate was sent")]
    NoCertificate,
    #[error("the common name of the certificate is {}, not the id `{id}`", or_none(.name.as_ref()))]
    CommonName { name: Option<Name>, id: String },
    #[error(
        "nobody has enrolled `{subject}`: it signed itself, and no individual enrollment has its thumbprint {thumbprint}"
    )]
    NotEnrolled { subject: Name, thumbprint: String },
    #[error("the chain ends at `{ca}`, which no enrollment group has as its CA; its thumbprint is {thumbprint}")]
    UnknownCa { ca: Name, thumbprint: String },
    #[error("the chain leads to `{ca}`, the {entry} CA of enrollment group `{group}`, and that CA is not verified")]
    CaNotVerified { ca: Name, group: String, entry: Entry },
    #[error("the chain ends at `{subject}`: its issuer `{issuer}` was not sent, and {}", or_no_group(.above.as_ref()))]
    IssuerMissing {
        subject: Name,
        issuer: Name,
        above: Option<Above>,
    },
    #[error("the certificate is enrolled individually, for device `{0}`")]
    EnrolledForAnother(String),
    #[error("the device is enrolled individually, with another certificate: it sent {sent}, not {enrolled}")]
    EnrolledIndividually { sent: String, enrolled: Thumbprints },
    #[error("the certificate `{subject}` {defect}")]
    Unusable { subject: Name, defect: Defect },
    #[error("enrollment group `{0}` is disabled")]
    GroupDisabled(String),
    #[error("the device is blocked, and its individual enrollment with it")]
    DeviceBlocked,
    #[error("the certificate {sent} is not the one that the device registered with")]
    Thumbprint { sent: String },
    #[error("the device has never registered with DPS")]
    NotRegistered,
}

/// A name as it stands in a certificate, without what is too long of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

/// What is known of a CA that was not sent: other devices of a group have sent one of its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("enrollment group `{group}` has `{ca}` above it, as other devices have shown")]
pub(crate) struct Above {
    pub(crate) group: String,
    pub(crate) ca: Name,
}

/// The SHA-1 thumbprints of an individual enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thumbprints {
    pub(crate) primary: String,
    pub(crate) secondary: Option<String>,
}

/// Why a certificate can't be used for what it is shown for: goes on after its subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Defect {
    #[error("has expired: it was valid until {0}")]
    Expired(String),
    #[error("is not valid yet: it is valid from {0} on")]
    NotYetValid(String),
    #[error("was not signed by `{0}` as it is enrolled or was sent, but by another certificate of that name")]
    AnotherOfTheName(Name),
    #[error("is signed with {0}, which can't be relied on")]
    Signature(String),
    #[error("has a key of another kind than RSA of 2048 bits or more and EC on P-256, P-384 and P-521")]
    Key,
    #[error("is of X.509 version 1 or 2, which can't state what it may be used for; version 3 is needed")]
    Version,
    #[error("has an extension more than once")]
    DoubledExtension,
    #[error("has a critical extension that is not supported")]
    CriticalExtension,
    #[error("may not be used by a client: its extended key usage has no clientAuth")]
    NotForClients,
    #[error("is that of a certificate authority, and a device of a group needs a leaf")]
    AuthorityAsLeaf,
    #[error("may not sign others: it is not that of a certificate authority")]
    NotAnAuthority,
    #[error("may not sign certificates: its key usage has no keyCertSign")]
    NoCertSign,
    #[error("allows fewer authorities below it than there are (path length {0})")]
    PathLength(u32),
    #[error("excludes the name of a certificate below it (name constraints)")]
    Name,
}

impl Refusal {
    /// The same in a word.
    pub(crate) fn reason(&self) -> RefusalReason {
        match self {
            Self::NoCertificate => RefusalReason::NoCertificate,
            Self::CommonName { .. } => RefusalReason::CommonName,
            Self::NotEnrolled { .. } => RefusalReason::NotEnrolled,
            Self::UnknownCa { .. } => RefusalReason::UnknownCa,
            Self::CaNotVerified { .. } => RefusalReason::CaNotVerified,
            Self::IssuerMissing { .. } => RefusalReason::IssuerMissing,
            Self::EnrolledForAnother(_) => RefusalReason::EnrolledForAnother,
            Self::EnrolledIndividually { .. } => RefusalReason::EnrolledIndividually,
            Self::Unusable { defect, .. } => defect.reason(),
            Self::GroupDisabled(_) => RefusalReason::GroupDisabled,
            Self::DeviceBlocked => RefusalReason::DeviceBlocked,
            Self::Thumbprint { .. } => RefusalReason::AnotherCertificate,
            Self::NotRegistered => RefusalReason::NotRegistered,
        }
    }

    /// The client's certificate is not one of the id that it calls itself.
    pub(crate) fn common_name(leaf: &Certificate, id: &str) -> Self {
        Self::CommonName {
            name: leaf.common_name.as_deref().map(Name::from),
            id: id.to_owned(),
        }
    }
}

impl Defect {
    fn reason(&self) -> RefusalReason {
        match self {
            Self::Expired(_) => RefusalReason::Expired,
            Self::NotYetValid(_) => RefusalReason::NotYetValid,
            Self::AnotherOfTheName(_) => RefusalReason::AnotherIssuer,
            Self::Signature(_)
            | Self::Key
            | Self::Version
            | Self::DoubledExtension
            | Self::CriticalExtension
            | Self::NotForClients
            | Self::AuthorityAsLeaf
            | Self::NotAnAuthority
            | Self::NoCertSign
            | Self::PathLength(_)
            | Self::Name => RefusalReason::Unfit,
        }
    }
}

fn or_none(name: Option<&Name>) -> String {
    name.map_or_else(|| "missing, or not a text".to_owned(), |name| format!("`{name}`"))
}

fn or_no_group(above: Option<&Above>) -> String {
    above.map_or_else(|| "no enrollment group has it as its CA".to_owned(), Above::to_string)
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        match name.char_indices().nth(LONGEST_NAME) {
            Some((end, _)) => Self(format!("{}…", &name[..end])),
            None => Self(name.to_owned()),
        }
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Thumbprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.secondary {
            Some(secondary) => write!(f, "{} (primary) or {secondary} (secondary)", self.primary),
            None => f.write_str(&self.primary),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_the_rest_of_the_sentence_stays() {
        let name = Name::from("ü".repeat(3_000));
        let refusal = Refusal::IssuerMissing {
            subject: name.clone(),
            issuer: name.clone(),
            above: Some(Above {
                group: "g".into(),
                ca: name,
            }),
        };
        let words = refusal.to_string();
        assert!(words.ends_with("…` above it, as other devices have shown"), "{words}");
        assert!(words.chars().count() < 400, "{words}");
    }
}
