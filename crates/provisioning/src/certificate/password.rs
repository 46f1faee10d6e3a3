//! What unlocks a key.

use zeroize::Zeroizing;

/// The password of a PFX file or of an encrypted private key. It prints as asterisks and is wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the password as it is, white space included.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// Whether it is this one, which is public: only such a password may be printed.
    #[must_use]
    pub fn is(&self, known: &str) -> bool {
        *self.0 == known
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        assert_eq!(format!("{:?}", Password::new("s3cr3t")), "Password(****)");
    }
}
