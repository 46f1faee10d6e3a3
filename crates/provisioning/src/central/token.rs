//! The secret that opens an application.

use zeroize::Zeroizing;

/// An API token of an IoT Central application: the whole value of the `Authorization` header, such as
/// `SharedAccessSignature sr=…&sig=…&skn=…&se=…`. It prints as asterisks.
#[derive(Clone)]
pub struct ApiToken(Zeroizing<String>);

impl ApiToken {
    /// Takes the token as it was copied, white space around it dropped.
    pub fn new(secret: impl Into<String>) -> Self {
        let secret = Zeroizing::new(secret.into());
        Self(Zeroizing::new(secret.trim().to_owned()))
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiToken(****)")
    }
}
