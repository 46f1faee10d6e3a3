//! What negative devices are to meet: devices that must not get in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::reason::{REASONS, Reason};

/// A device must be refused, for this reason where it is given: `refused`, `refused:mqtt_not_authorized`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expect {
    /// Why it is to be refused; without it, each refusal that waiting does not mend is right.
    pub reason: Option<Reason>,
}

/// A text that is not an [`Expect`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {}", iot_protocol::shown::text(.0), Expect::FORM)]
pub struct ExpectError(String);

impl Expect {
    /// The accepted form.
    pub const FORM: &'static str = "\"refused\", or \"refused:REASON\" with a word that a report has for a failed \
                                    registration or connection, such as \"refused:mqtt_not_authorized\"";

    /// The reasons that can be expected: those with which registering and connecting fail.
    pub fn reasons() -> impl Iterator<Item = &'static str> {
        const BEGINNINGS: [&str; 9] = [
            "dns", "dps_", "gateway_", "mqtt_", "proxy_", "tcp", "timeout_", "tls", "ws_",
        ];
        let is_met = |word: &&str| BEGINNINGS.iter().any(|beginning| word.starts_with(beginning));
        REASONS.iter().copied().filter(is_met)
    }

    /// Whether a device that fails for this reason has met what is expected. `is_final` is a failure that waiting does
    /// not mend.
    #[must_use]
    pub fn is_met_by(&self, reason: &str, is_final: bool) -> bool {
        self.reason
            .as_ref()
            .map_or(is_final, |expected| expected.as_str() == reason)
    }
}

impl FromStr for Expect {
    type Err = ExpectError;

    fn from_str(text: &str) -> Result<Self, ExpectError> {
        let word = match text.strip_prefix("refused") {
            Some("") => return Ok(Self { reason: None }),
            Some(rest) => rest.strip_prefix(':'),
            None => None,
        };
        let known = word.and_then(|word| Self::reasons().find(|reason| *reason == word));
        let reason = known.ok_or_else(|| ExpectError(text.to_owned()))?;
        Ok(Self {
            reason: Some(reason.into()),
        })
    }
}

impl TryFrom<String> for Expect {
    type Error = ExpectError;

    fn try_from(text: String) -> Result<Self, ExpectError> {
        text.parse()
    }
}

impl From<Expect> for String {
    fn from(expect: Expect) -> Self {
        expect.to_string()
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "refused:{reason}"),
            None => f.write_str("refused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_other_words_are_refused() {
        for text in ["refused", "refused:dps_unauthorized", "refused:tls_server_expired"] {
            assert_eq!(text.parse::<Expect>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "refused:",
            "refuse",
            "refusedx",
            "refused:outbox_full",
            "refused:nonsense",
        ] {
            assert!(text.parse::<Expect>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_named_reason_is_the_only_one_and_without_it_each_final_refusal_is_right() {
        let any: Expect = "refused".parse().unwrap();
        assert!(any.is_met_by("dps_disabled", true) && !any.is_met_by("timeout_tcp", false));
        let one: Expect = "refused:timeout_tcp".parse().unwrap();
        assert!(one.is_met_by("timeout_tcp", false) && !one.is_met_by("dps_disabled", true));
    }
}
