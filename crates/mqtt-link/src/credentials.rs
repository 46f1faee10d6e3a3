//! The identity of a device.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// What a device proves its identity with.
#[derive(Clone)]
pub enum Credentials {
    /// A client certificate chain (leaf first) and its key, for the TLS handshake. CONNECT carries no password.
    X509(Arc<CertifiedKey>),
    /// A shared access signature, sent as the password of CONNECT.
    Sas(SasToken),
    /// Nothing: the server decides whether it accepts that.
    None,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X509(_) => "X509(****)",
            Self::Sas(_) => "Sas(****)",
            Self::None => "None",
        })
    }
}

/// A shared access signature. It can't be printed, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct SasToken(Zeroizing<String>);

impl SasToken {
    /// Takes the token in the service's form: `SharedAccessSignature sr=…&sig=…&se=…`.
    pub fn new(token: impl Into<String>) -> Self {
        Self(Zeroizing::new(token.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SasToken(****)")
    }
}

/// Why a chain and a key don't make an identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// There is no certificate.
    #[error("certificate chain is empty")]
    EmptyChain,
    /// The private key is broken or of a kind that TLS can't use.
    #[error("private key is not usable")]
    Key(#[source] rustls::Error),
    /// The first certificate of the chain can't be parsed.
    #[error("leaf certificate is not usable")]
    Leaf(#[source] rustls::Error),
    /// The key belongs to another certificate.
    #[error("private key does not belong to the leaf certificate")]
    KeyMismatch,
}

/// Puts a chain (leaf first, then every certificate up to the enrolled one) and the leaf's key together, after checking
/// that they belong to each other. A server would only answer "not authorized" to a pair that does not.
pub fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, CredentialsError> {
    if chain.is_empty() {
        return Err(CredentialsError::EmptyChain);
    }
    let keys = aws_lc_rs::default_provider().key_provider;
    let key = keys.load_private_key(key).map_err(CredentialsError::Key)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(Arc::new(certified)),
        Err(rustls::Error::InconsistentKeys(_)) => Err(CredentialsError::KeyMismatch),
        Err(error) => Err(CredentialsError::Leaf(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["thermo-0001".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        (made.cert.der().clone(), key)
    }

    #[test]
    fn matching_pair_is_accepted() {
        let (leaf, key) = pair();
        assert_eq!(certified_key(vec![leaf.clone()], key).unwrap().cert, [leaf]);
    }

    #[test]
    fn key_of_another_leaf_is_refused() {
        let (leaf, _) = pair();
        let (_, other_key) = pair();
        assert!(matches!(
            certified_key(vec![leaf], other_key),
            Err(CredentialsError::KeyMismatch)
        ));
    }

    #[test]
    fn empty_chain_broken_leaf_and_broken_key_are_distinguished() {
        let (leaf, key) = pair();
        let broken_leaf = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
        assert!(matches!(
            certified_key(vec![], key.clone_key()),
            Err(CredentialsError::EmptyChain)
        ));
        assert!(matches!(
            certified_key(vec![broken_leaf], key),
            Err(CredentialsError::Leaf(_))
        ));
        let broken_key = PrivateKeyDer::Pkcs8(vec![1, 2, 3].into());
        assert!(matches!(
            certified_key(vec![leaf], broken_key),
            Err(CredentialsError::Key(_))
        ));
    }

    #[test]
    fn secrets_are_not_in_debug() {
        let (leaf, key) = pair();
        let x509 = Credentials::X509(certified_key(vec![leaf], key).unwrap());
        let sas = Credentials::Sas(SasToken::new("SharedAccessSignature sr=x&sig=hush&se=1"));
        assert_eq!(format!("{x509:?} {sas:?}"), "X509(****) Sas(****)");
        assert_eq!(format!("{:?}", SasToken::new("hush")), "SasToken(****)");
    }
}
