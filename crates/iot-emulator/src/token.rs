//! The API token: the whole value of the `Authorization` header, as IoT Central hands it out.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::random::random_hex;

/// A secret: it is compared and handed out, never printed.
#[derive(Clone)]
pub(crate) struct ApiToken(Box<str>);

impl ApiToken {
    /// Makes a new token in the form of IoT Central's. It does not expire.
    pub(crate) fn generate() -> Self {
        let application = random_hex::<16>();
        let signature = random_hex::<32>();
        Self(format!("SharedAccessSignature sr={application}&sig={signature}&skn=emulator&se=253402300799000").into())
    }

    /// Takes up a token that was stored; `None` if it could not stand in a header.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let usable = text.len() >= 16 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        usable.then(|| Self(text.into()))
    }

    /// Whether the value of an `Authorization` header is this token, bare or after `Bearer`.
    pub(crate) fn is(&self, header: &[u8]) -> bool {
        let given = header.strip_prefix(b"Bearer ").unwrap_or(header);
        given.ct_eq(self.0.as_bytes()).into()
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens_and_nothing_prints_it() {
        let token = ApiToken::generate();
        let text = token.reveal().to_owned();
        assert!(token.is(text.as_bytes()));
        assert!(token.is(format!("Bearer {text}").as_bytes()));
        for wrong in ["", "Bearer ", &text[1..], &text[..text.len() - 1], &format!("{text} ")] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "ApiToken(****)");
    }
}
