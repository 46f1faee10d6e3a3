//! One file of an identity: PEM, a certificate in DER, or PFX, by its content.

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::error::{Binary, Found};
use super::pem::Pem;
use super::pfx::{self, Pfx};
use super::{CertificateError, Password, binary, inspect, key_kind};

/// A file that was read, with its name for messages.
pub(super) struct Source<'a> {
    pub(super) name: String,
    content: Content<'a>,
}

enum Content<'a> {
    Pem(Pem<'a>),
    Certificate(CertificateDer<'static>),
    Pfx(Pfx),
}

/// Every certificate of a file that holds nothing secret, such as that of a CA: PEM, or one in DER. At least one.
pub(crate) fn certificates(bytes: &[u8], file: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    if !pfx::is_binary(bytes) {
        return super::pem::certificates(bytes, file);
    }
    match binary::certificate(bytes) {
        Some(certificate) => Ok(vec![certificate]),
        None => Err(CertificateError::Binary {
            file: file.to_owned(),
            what: binary::kind(bytes),
        }),
    }
}

impl<'a> Source<'a> {
    /// Tells by the content what it is, and unlocks it if it is a PFX.
    pub(super) fn open(bytes: &'a [u8], name: String, password: Option<&Password>) -> Result<Self, CertificateError> {
        let content = if !pfx::is_binary(bytes) {
            Content::Pem(Pem::open(bytes, &name)?)
        } else if let Some(certificate) = binary::certificate(bytes) {
            Content::Certificate(certificate)
        } else {
            match binary::kind(bytes) {
                Binary::Pfx => Content::Pfx(Pfx::open(bytes, password, &name)?),
                what => return Err(CertificateError::Binary { file: name, what }),
            }
        };
        Ok(Self { name, content })
    }

    /// Takes the content for PEM.
    pub(super) fn pem(bytes: &'a [u8], name: &str) -> Result<Self, CertificateError> {
        Ok(Self {
            name: name.to_owned(),
            content: Content::Pem(Pem::open(bytes, name)?),
        })
    }

    /// `PEM`, `DER` or `PFX`.
    pub(super) fn form(&self) -> &'static str {
        match self.content {
            Content::Pem(_) => "PEM",
            Content::Certificate(_) => "DER",
            Content::Pfx(_) => "PFX",
        }
    }

    /// Every certificate, in the order of the file; may be empty.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        match &self.content {
            Content::Pem(pem) => pem.certificates(),
            Content::Certificate(certificate) => Ok(vec![certificate.clone()]),
            Content::Pfx(pfx) => Ok(pfx.certificates().to_vec()),
        }
    }

    /// The keys that may be meant, at least one: the first of a PEM file, all of a PFX.
    pub(super) fn keys(
        &self,
        password: Option<&Password>,
    ) -> Result<Vec<Zeroizing<PrivateKeyDer<'static>>>, CertificateError> {
        let (keys, found) = match &self.content {
            Content::Pem(pem) => (vec![Zeroizing::new(pem.private_key(password)?)], None),
            Content::Certificate(_) => (Vec::new(), Some(Found::Certificate)),
            Content::Pfx(pfx) => (pfx.keys(), None),
        };
        if keys.is_empty() {
            return Err(CertificateError::NoKey {
                file: self.name.clone(),
                found,
            });
        }
        Ok(keys)
    }

    /// The leaf over a public key, by its bits, with the CAs above it; `None` if no certificate is over this one.
    ///
    /// In a PEM file the order is the file's and the leaf comes first; a PFX has none that could be relied on.
    pub(super) fn chain(&self, public_bits: &[u8]) -> Result<Option<Vec<CertificateDer<'static>>>, CertificateError> {
        let chain = match &self.content {
            Content::Pem(pem) => {
                let chain = pem.certificates()?;
                if chain.is_empty() {
                    return Err(pem.no_certificate());
                }
                in_order(chain, public_bits, &self.name)?
            }
            Content::Certificate(certificate) => in_order(vec![certificate.clone()], public_bits, &self.name)?,
            Content::Pfx(pfx) => pfx.chain(public_bits, &self.name)?,
        };
        if let Some(leaf) = chain.as_deref().and_then(<[_]>::first)
            && key_kind::is_explicit(&inspect::parse(leaf, &self.name)?)
        {
            return Err(CertificateError::ExplicitCurve {
                file: self.name.clone(),
            });
        }
        Ok(chain)
    }
}

/// The chain if the first certificate is over the key; `None` if no certificate is.
pub(super) fn in_order(
    chain: Vec<CertificateDer<'static>>,
    public_bits: &[u8],
    file: &str,
) -> Result<Option<Vec<CertificateDer<'static>>>, CertificateError> {
    for (index, certificate) in chain.iter().enumerate() {
        if !inspect::is_over(certificate, public_bits, file)? {
            continue;
        }
        return match index {
            0 => Ok(Some(chain)),
            _ => Err(CertificateError::LeafNotFirst {
                file: file.to_owned(),
                place: index + 1,
            }),
        };
    }
    Ok(None)
}
