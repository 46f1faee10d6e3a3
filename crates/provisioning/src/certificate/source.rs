//! One file of an identity, PEM or PFX by its content.

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::pfx::{self, Pfx};
use super::{CertificateError, Password, inspect, pem};

/// A file that was read, with its name for messages.
pub(super) struct Source<'a> {
    pub(super) name: String,
    content: Content<'a>,
}

enum Content<'a> {
    Pem(&'a [u8]),
    Pfx(Pfx),
}

impl<'a> Source<'a> {
    /// Tells by the content what it is, and unlocks it if it is a PFX.
    pub(super) fn open(bytes: &'a [u8], name: String, password: Option<&Password>) -> Result<Self, CertificateError> {
        let content = if pfx::is_binary(bytes) {
            Content::Pfx(Pfx::open(bytes, password, &name)?)
        } else {
            Content::Pem(bytes)
        };
        Ok(Self { name, content })
    }

    /// Takes the content for PEM.
    pub(super) fn pem(bytes: &'a [u8], name: &str) -> Self {
        Self {
            name: name.to_owned(),
            content: Content::Pem(bytes),
        }
    }

    /// The keys that may be meant, at least one: the first of a PEM file, all of a PFX.
    pub(super) fn keys(
        &self,
        password: Option<&Password>,
    ) -> Result<Vec<Zeroizing<PrivateKeyDer<'static>>>, CertificateError> {
        let keys = match &self.content {
            Content::Pem(bytes) => vec![Zeroizing::new(pem::private_key(bytes, &self.name, password)?)],
            Content::Pfx(pfx) => pfx.keys(),
        };
        if keys.is_empty() {
            return Err(CertificateError::NoKey {
                file: self.name.clone(),
            });
        }
        Ok(keys)
    }

    /// The leaf over `public_key` with the CAs above it, `None` if the leaf is over another one.
    ///
    /// In a PEM file the order is the file's and the leaf comes first; a PFX has none that could be relied on.
    pub(super) fn chain(&self, public_key: &[u8]) -> Result<Option<Vec<CertificateDer<'static>>>, CertificateError> {
        match &self.content {
            Content::Pem(bytes) => {
                let chain = pem::certificates(bytes, &self.name)?;
                let leaf = chain.first().expect("the PEM reader returns at least one");
                let fits = inspect::parse(leaf, &self.name)?.public_key().raw == public_key;
                Ok(fits.then_some(chain))
            }
            Content::Pfx(pfx) => pfx.chain(public_key, &self.name),
        }
    }
}
