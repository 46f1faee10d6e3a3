//! Ids, parsed once: after parsing, an invalid one can't exist.
//!
//! Rules: [DPS concepts](https://learn.microsoft.com/azure/iot-dps/concepts-service#registration-id), [IoT Hub identity
//! registry](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-identity-registry#device-identity-properties),
//! [X.509 attestation](https://learn.microsoft.com/azure/iot-dps/concepts-x509-attestation).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::IdError;

/// Longest subject common name that X.509 allows (RFC 5280, `ub-common-name`). A device that attests by X.509 has its
/// registration id as the common name of its leaf certificate, so this is the limit for its id.
pub const MAX_COMMON_NAME: usize = 64;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses the id.
            ///
            /// # Errors
            ///
            /// An error that explains what is wrong with the text and what would be accepted.
            pub fn new(text: &str) -> Result<Self, IdError> {
                if text.is_empty() {
                    return Err(IdError::Empty { kind: $kind });
                }
                $check($kind, text)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// The ID scope: which DPS instance (tenant) a registration is for, e.g. `0ne00ABCDEF`.
    IdScope, "id scope", check_id_scope
}

text_id! {
    /// The id with which a device registers at DPS. DPS ignores its case (see [`RegistrationId::folded`]).
    RegistrationId, "registration id", check_registration_id
}

text_id! {
    /// The id of a device in a hub. Unlike a registration id, it is case-sensitive.
    DeviceId, "device id", check_device_id
}

text_id! {
    /// The host name of a hub, as DPS assigns it.
    HubHost, "hub host name", check_host
}

text_id! {
    /// A digital twin model identifier, e.g. `dtmi:com:example:Thermostat;1`.
    ModelId, "model id", check_model_id
}

text_id! {
    /// What ties an answer to its request (`$rid`). The services echo it verbatim; SDKs use GUIDs, integers and hex.
    RequestId, "request id", check_request_id
}

impl RegistrationId {
    /// The id in the form under which DPS compares: lower case.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl From<RegistrationId> for DeviceId {
    /// Within an enrollment group the device id is the registration id. Every registration id is also a legal device
    /// id.
    fn from(id: RegistrationId) -> Self {
        Self(id.0)
    }
}

impl RequestId {
    /// A request id from a counter, which needs no check.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

fn check_length(kind: &'static str, text: &str, limit: usize) -> Result<(), IdError> {
    let length = text.chars().count();
    if length > limit {
        return Err(IdError::TooLong {
            kind,
            value: text.into(),
            length,
            limit,
        });
    }
    Ok(())
}

fn check_characters(
    kind: &'static str,
    text: &str,
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<(), IdError> {
    match text.chars().find(|&c| !is_allowed(c)) {
        Some(character) => Err(IdError::IllegalCharacter {
            kind,
            value: text.into(),
            character,
            allowed,
        }),
        None => Ok(()),
    }
}

fn check_id_scope(kind: &'static str, text: &str) -> Result<(), IdError> {
    // The length is not documented; this bound only keeps nonsense out.
    check_length(kind, text, 32)?;
    check_characters(kind, text, "ASCII letters and digits", |c| c.is_ascii_alphanumeric())
}

fn check_registration_id(kind: &'static str, text: &str) -> Result<(), IdError> {
    check_length(kind, text, 128)?;
    check_characters(kind, text, "ASCII letters, digits and `-` `.` `_` `:`", |c| {
        c.is_ascii_alphanumeric() || "-._:".contains(c)
    })?;
    if text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-') {
        return Ok(());
    }
    Err(IdError::Malformed {
        kind,
        value: text.into(),
        form: "`…` ending in a letter, a digit or `-`",
    })
}

fn check_device_id(kind: &'static str, text: &str) -> Result<(), IdError> {
    check_length(kind, text, 128)?;
    check_characters(
        kind,
        text,
        "ASCII letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '",
        |c| c.is_ascii_alphanumeric() || "-.+%_#*?!(),:=@$'".contains(c),
    )
}

fn check_host(kind: &'static str, text: &str) -> Result<(), IdError> {
    check_length(kind, text, 253)?;
    check_characters(kind, text, "ASCII letters, digits, `-` and `.`", |c| {
        c.is_ascii_alphanumeric() || "-.".contains(c)
    })
}

fn check_model_id(kind: &'static str, text: &str) -> Result<(), IdError> {
    check_length(kind, text, 128)?;
    let well_formed = text
        .strip_prefix("dtmi:")
        .and_then(|rest| rest.split_once(';'))
        .is_some_and(|(path, version)| {
            let version_ok = !version.starts_with('0') && (1..=9).contains(&version.len());
            version_ok && version.bytes().all(|b| b.is_ascii_digit()) && path.split(':').all(is_model_segment)
        });
    if well_formed {
        return Ok(());
    }
    Err(IdError::Malformed {
        kind,
        value: text.into(),
        form: "`dtmi:<segment>:…;<version>`",
    })
}

fn is_model_segment(segment: &str) -> bool {
    segment.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && segment.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !segment.ends_with('_')
}

fn check_request_id(kind: &'static str, text: &str) -> Result<(), IdError> {
    check_length(kind, text, 256)?;
    check_characters(
        kind,
        text,
        "anything but `&`, `/`, `#`, `+` and control characters",
        |c| !c.is_control() && !"&/#+".contains(c),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_id_may_hold_letters_digits_and_four_marks_and_ends_in_none_but_the_dash() {
        for good in [
            "a",
            "thermo-0001",
            "sn-007-888-abc-mac-a1-b2-c3",
            "A.b_c:D-",
            &"x".repeat(128),
        ] {
            assert!(RegistrationId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a b", "ä", "a.", "a_", "a:", "a#", &"x".repeat(129)] {
            assert!(RegistrationId::new(bad).is_err(), "{bad}");
        }
        assert_eq!(RegistrationId::new("Thermo-A").unwrap().folded(), "thermo-a");
    }

    #[test]
    fn a_device_id_may_have_more_characters_than_a_registration_id_but_no_slash() {
        assert!(DeviceId::new("a+%_#*?!(),=@$':.").is_ok());
        for bad in ["a/b", "a b", "a\u{0}", "ü"] {
            assert!(DeviceId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_model_id_is_a_dtmi_with_a_version() {
        for good in [
            "dtmi:com:example:Thermostat;1",
            "dtmi:azure:DeviceManagement:DeviceInformation;12",
        ] {
            assert!(ModelId::new(good).is_ok(), "{good}");
        }
        for bad in [
            "dtmi:com:example:Thermostat",
            "com:example;1",
            "dtmi:;1",
            "dtmi:a;0",
            "dtmi:a;x",
            "dtmi:1a;1",
        ] {
            assert!(ModelId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_names_the_id_the_character_and_what_is_allowed() {
        let error = RegistrationId::new("thermo/1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "registration id `thermo/1` has the character '/'; allowed are ASCII letters, digits and `-` `.` `_` `:`"
        );
    }

    #[test]
    fn an_id_that_serde_reads_is_checked_too() {
        assert!(serde_json::from_str::<IdScope>(r#""0ne00EMULATOR""#).is_ok());
        assert!(serde_json::from_str::<IdScope>(r#""0ne 00""#).is_err());
    }
}
