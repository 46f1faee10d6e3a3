//! API tokens of the application, and what their roles let them do.
//!
//! Sources: [Manage users and roles](https://learn.microsoft.com/azure/iot-central/core/howto-manage-users-roles),
//! [Authenticate REST API calls](https://learn.microsoft.com/azure/iot-central/core/howto-authorize-rest-api).

use std::fmt;

use axum::http::Method;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use subtle::ConstantTimeEq;

use crate::random::random_hex;
use crate::store::{Record, Table};

/// How long a token is valid by default: about a year.
pub(crate) const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A token that was handed out. What is kept of the secret is enough to recognize it and too little to use it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) role: Role,
    pub(crate) expiry: Timestamp,
    /// Base64 of the SHA-256 of the whole secret.
    hash: String,
}

/// The built-in roles. Each may do whatever those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Role {
    Operator,
    Builder,
    Administrator,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Devices,
    Templates,
    Groups,
    Tokens,
    /// The emulator's own surface.
    Emulator,
}

impl Record for Token {
    const TABLE: Table = Table::Tokens;
}

impl Token {
    /// Makes a token, and its secret in the form of IoT Central's.
    pub(crate) fn generate(id: &str, role: Role, expiry: Timestamp) -> (Self, String) {
        let application = random_hex::<16>();
        let signature = random_hex::<32>();
        let expires = expiry.as_millisecond();
        let secret = format!("SharedAccessSignature sr={application}&sig={signature}&skn={id}&se={expires}");
        let token = Self {
            id: id.into(),
            role,
            expiry,
            hash: hash(secret.as_bytes()),
        };
        (token, secret)
    }

    /// Whether this is its secret, and still good.
    pub(crate) fn is(&self, secret: &[u8], now: Timestamp) -> bool {
        bool::from(hash(secret).as_bytes().ct_eq(self.hash.as_bytes())) && now < self.expiry
    }

    /// The id of the token that a secret claims to be of.
    pub(crate) fn id_of(secret: &[u8]) -> Option<&str> {
        let text = std::str::from_utf8(secret).ok()?;
        text.split(['&', ' ']).find_map(|part| part.strip_prefix("skn="))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .field("role", &self.role)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

impl Role {
    /// All of them with their ids, which are the same in every application.
    pub(crate) const ALL: [(Self, &str); 3] = [
        (Self::Administrator, "ca310b8d-2f4a-44e0-a36e-957c202cd8d4"),
        (Self::Builder, "344138e9-8de4-4497-8c54-5237e96d6aaf"),
        (Self::Operator, "ae2c9854-393b-4f97-8c42-479d70ce626e"),
    ];

    pub(crate) fn from_id(id: &str) -> Option<Self> {
        let (role, _) = Self::ALL.iter().find(|(_, known)| *known == id)?;
        Some(*role)
    }

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Administrator => Self::ALL[0].1,
            Self::Builder => Self::ALL[1].1,
            Self::Operator => Self::ALL[2].1,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "Operator",
            Self::Builder => "Builder",
            Self::Administrator => "Administrator",
        })
    }
}

impl Resource {
    /// The least role that a request takes. Operators look at everything and work with devices, builders change
    /// everything but the administration.
    pub(crate) fn needs(self, method: &Method) -> Role {
        let only_looks = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Self::Devices => Role::Operator,
            Self::Templates | Self::Groups if only_looks => Role::Operator,
            Self::Templates | Self::Groups => Role::Builder,
            Self::Tokens | Self::Emulator => Role::Administrator,
        }
    }
}

fn hash(secret: &[u8]) -> String {
    BASE64_STANDARD.encode(sha2::Sha256::digest(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_the_whole_secret_opens_and_only_until_it_expires() {
        let (token, secret) = Token::generate("ci", Role::Builder, at(100));
        assert_eq!(Token::id_of(secret.as_bytes()), Some("ci"));
        assert!(token.is(secret.as_bytes(), at(99)));
        assert!(!token.is(secret.as_bytes(), at(100)), "expired");
        for wrong in ["", &secret[1..], &secret[..secret.len() - 1], &format!("{secret} ")] {
            assert!(!token.is(wrong.as_bytes(), at(0)), "{wrong}");
        }
    }

    #[test]
    fn what_is_printed_or_stored_of_a_token_does_not_open_anything() {
        let (token, secret) = Token::generate("ci", Role::Operator, at(100));
        let signature = secret.split("sig=").nth(1).unwrap().split('&').next().unwrap();
        let stored = serde_json::to_string(&token).unwrap();
        for text in [format!("{token:?}"), stored.clone()] {
            assert!(!text.contains(signature), "{text}");
        }
        let back: Token = serde_json::from_str(&stored).unwrap();
        assert!(back.is(secret.as_bytes(), at(0)) && back.role == Role::Operator);
    }

    #[test]
    fn a_role_may_do_what_the_smaller_ones_may_and_has_the_id_of_the_documentation() {
        assert!(Role::Operator < Role::Builder && Role::Builder < Role::Administrator);
        for (role, id) in Role::ALL {
            assert_eq!((Role::from_id(id), role.id()), (Some(role), id));
        }
        assert_eq!(Role::from_id("operator"), None);
        for (resource, method, needed) in [
            (Resource::Devices, Method::DELETE, Role::Operator),
            (Resource::Templates, Method::GET, Role::Operator),
            (Resource::Templates, Method::PUT, Role::Builder),
            (Resource::Groups, Method::POST, Role::Builder),
            (Resource::Tokens, Method::GET, Role::Administrator),
            (Resource::Emulator, Method::GET, Role::Administrator),
        ] {
            assert_eq!(resource.needs(&method), needed, "{resource:?} {method}");
        }
    }
}
