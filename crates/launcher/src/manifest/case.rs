//! The four cases of rolling certificates.

use std::fmt;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why certificates are rolled, and where: the four cases of
/// <https://learn.microsoft.com/azure/iot-central/core/how-to-connect-devices-x509#roll-x509-device-certificates>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// A group's CA is about to expire: a new one is added beside it, and the old one removed last
    GroupExpiry,
    /// A group's CA is compromised: it is replaced, and no device connects before the roll allows it
    GroupBreach,
    /// The certificate of individually enrolled devices is about to expire: a new one goes into the unused slot
    IndividualExpiry,
    /// The key of an individually enrolled device is compromised: its certificates are replaced, and it is blocked
    /// meanwhile
    IndividualBreach,
}

impl Case {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::GroupExpiry,
        Self::GroupBreach,
        Self::IndividualExpiry,
        Self::IndividualBreach,
    ];

    /// The word for it on the command line and in a manifest.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::GroupExpiry => "group-expiry",
            Self::GroupBreach => "group-breach",
            Self::IndividualExpiry => "individual-expiry",
            Self::IndividualBreach => "individual-breach",
        }
    }

    /// Whether a key may be in other hands.
    #[must_use]
    pub fn is_breach(self) -> bool {
        matches!(self, Self::GroupBreach | Self::IndividualBreach)
    }

    /// Whether it is about an enrollment group.
    #[must_use]
    pub fn is_of_group(self) -> bool {
        matches!(self, Self::GroupExpiry | Self::GroupBreach)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
