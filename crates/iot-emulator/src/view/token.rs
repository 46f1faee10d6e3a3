//! API tokens.

use jiff::Timestamp;

use crate::central;

/// An API token, without its secret.
#[derive(Debug, Clone, Copy)]
pub struct Token<'a>(&'a central::Token);

impl<'a> Token<'a> {
    pub(super) fn new(token: &'a central::Token) -> Self {
        Self(token)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.0.id
    }

    /// What its role is called.
    #[must_use]
    pub fn role(&self) -> String {
        self.0.role.to_string()
    }

    /// From when on it opens nothing.
    #[must_use]
    pub fn expiry(&self) -> Timestamp {
        self.0.expiry
    }
}
