//! Negative devices, which must be refused, and what is wrong with their certificates.
//!
//! The doc comments are the descriptions in the JSON Schema, as those of the other types are.

use provisioning::identities::Dates;
use schemars::JsonSchema;
use serde::Serialize;

/// What is wrong with certificates on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WrongCertificate {
    /// They have expired.
    Expired,
    /// They become valid in a year.
    NotYetValid,
    /// They are right in themselves, and no enrollment has them: the CA of a group, or an individual's own certificate, is
    /// made and never enrolled.
    Foreign,
}

impl WrongCertificate {
    /// Where the validity of certificates with this defect, or without any, lies.
    pub(crate) fn dates(wrong: Option<Self>) -> Dates {
        match wrong {
            Some(Self::Expired) => Dates::Expired,
            Some(Self::NotYetValid) => Dates::NotYetValid,
            Some(Self::Foreign) | None => Dates::Valid,
        }
    }

    /// As it stands in a sentence.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Expired => "expired certificates",
            Self::NotYetValid => "certificates that are not valid yet",
            Self::Foreign => "certificates that no enrollment has",
        }
    }
}
