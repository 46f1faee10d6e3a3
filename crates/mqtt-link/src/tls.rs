//! Trust: one base configuration, made once and shared by every connection.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::TlsConnector;

use crate::Credentials;

/// Which certificate authorities a server's chain may end in.
#[derive(Debug, Clone)]
pub enum TrustRoots {
    /// Mozilla's list, compiled in: what Azure's public endpoints are signed by.
    WebPki,
    /// The certificates of a PEM text, such as an emulator's own CA. Nothing else is trusted then.
    Pem(Vec<u8>),
    /// These certificates. Nothing else is trusted then.
    Certificates(Vec<CertificateDer<'static>>),
}

/// Why a [`Tls`] could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// The PEM text of the roots could not be read.
    #[error("trusted certificates are not valid pem")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// No certificate was given, so that no server could ever be trusted.
    #[error("trusted certificates are empty")]
    NoRoots,
    /// A certificate is not usable as a trust anchor.
    #[error("trusted certificate number {number} is not usable")]
    Root {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// The crypto provider lacks what TLS 1.2 and 1.3 need.
    #[error("crypto provider does not support tls 1.2 and 1.3")]
    Provider(#[source] rustls::Error),
}

/// The shared part of every connection's TLS: roots, verifier, crypto provider. Cloning is cheap.
///
/// Sessions are never resumed: a resumed session would skip the client certificate, which is just what a fleet of
/// X.509 devices is to exercise, and a ticket store shared by thousands of devices would let one resume as another.
#[derive(Clone)]
pub struct Tls {
    base: Arc<ClientConfig>,
}

impl Tls {
    /// TLS 1.2 and 1.3 with the aws-lc-rs provider, trusting `roots`.
    pub fn new(roots: TrustRoots) -> Result<Self, TlsSetupError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut base = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsSetupError::Provider)?
            .with_root_certificates(root_store(roots)?)
            .with_no_client_auth();
        base.resumption = Resumption::disabled();
        Ok(Self { base: Arc::new(base) })
    }

    /// The configuration for one connection of the device that `credentials` stand for.
    pub(crate) fn connector(&self, credentials: &Credentials) -> TlsConnector {
        match credentials {
            Credentials::X509(key) => {
                let mut config = ClientConfig::clone(&self.base);
                config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(Arc::clone(key)));
                TlsConnector::from(Arc::new(config))
            }
            Credentials::Sas(_) | Credentials::None => TlsConnector::from(Arc::clone(&self.base)),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn root_store(roots: TrustRoots) -> Result<RootCertStore, TlsSetupError> {
    let certificates = match roots {
        TrustRoots::WebPki => {
            return Ok(RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            });
        }
        TrustRoots::Pem(pem) => CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(TlsSetupError::Pem)?,
        TrustRoots::Certificates(certificates) => certificates,
    };
    if certificates.is_empty() {
        return Err(TlsSetupError::NoRoots);
    }
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates.into_iter().enumerate() {
        store.add(certificate).map_err(|source| TlsSetupError::Root {
            number: index + 1,
            source,
        })?;
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_roots_are_there() {
        assert!(Tls::new(TrustRoots::WebPki).is_ok());
    }

    #[test]
    fn pem_without_a_certificate_is_refused() {
        let error = Tls::new(TrustRoots::Pem(b"no certificate here\n".to_vec())).unwrap_err();
        assert!(matches!(error, TlsSetupError::NoRoots), "{error:?}");
    }

    #[test]
    fn broken_root_is_named_by_its_place() {
        let good = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .unwrap()
            .cert
            .der()
            .clone();
        let bad = CertificateDer::from(vec![1, 2, 3]);
        let error = Tls::new(TrustRoots::Certificates(vec![good, bad])).unwrap_err();
        assert!(matches!(error, TlsSetupError::Root { number: 2, .. }), "{error:?}");
    }
}
