//! Trust, made once and shared by every connection, and the handshake with a device's own certificate.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use unbuffered_tls::ClientStream;

use crate::stream::Socket;
use crate::{Credentials, TlsFailure};

/// Which certificate authorities a server's chain may end in.
#[derive(Debug, Clone)]
pub enum TrustRoots {
    /// Mozilla's list, compiled in, which includes the CAs of Azure's public endpoints.
    WebPki,
    /// Only these certificates, such as an emulator's own CA.
    Certificates(Vec<CertificateDer<'static>>),
}

/// Why a [`Tls`] could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
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
    /// The crypto provider does not support TLS 1.2 and 1.3.
    #[error("crypto provider does not support tls 1.2 and 1.3")]
    Provider(#[source] rustls::Error),
}

/// The configuration of every connection: roots, verifier, crypto provider. Cloning is cheap.
///
/// Sessions are never resumed: a resumed session would skip the client certificate, which is exactly what a fleet of
/// X.509 devices has to exercise, and a ticket store shared by thousands of devices would let one resume as another.
#[derive(Clone)]
pub struct Tls {
    with_certificate: Arc<ClientConfig>,
    without_certificate: Arc<ClientConfig>,
}

/// The configuration of a TLS client without a certificate of its own: TLS 1.2 and 1.3 with the aws-lc-rs provider,
/// trusting `roots`. Session resumption and client certificates are the caller's to set.
pub fn client_config(roots: TrustRoots) -> Result<ClientConfig, TlsSetupError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new(root_store(roots)?, Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsSetupError::Provider)?
        // This is how a custom verifier is set; ours lets rustls' own decide.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

impl Tls {
    /// TLS 1.2 and 1.3 with the aws-lc-rs provider, trusting `roots`.
    pub fn new(roots: TrustRoots) -> Result<Self, TlsSetupError> {
        let mut without_certificate = client_config(roots)?;
        without_certificate.resumption = Resumption::disabled();
        let mut with_certificate = without_certificate.clone();
        with_certificate.client_auth_cert_resolver = Arc::new(ClientCertResolver);
        Ok(Self {
            with_certificate: Arc::new(with_certificate),
            without_certificate: Arc::new(without_certificate),
        })
    }

    /// The same for a client whose clock is `ahead` seconds ahead of this machine's, or behind it when below 0: it judges
    /// the dates of servers' certificates by that clock.
    #[must_use]
    pub fn with_clock_ahead(&self, ahead: i64) -> Self {
        let with_clock = |config: &Arc<ClientConfig>| {
            let mut config = ClientConfig::clone(config);
            config.time_provider = Arc::new(ClockAhead(ahead));
            Arc::new(config)
        };
        Self {
            with_certificate: with_clock(&self.with_certificate),
            without_certificate: with_clock(&self.without_certificate),
        }
    }

    /// Performs the handshake with `server_name` as the device that has these `credentials`.
    pub(crate) async fn handshake(
        &self,
        credentials: &Credentials,
        server_name: ServerName<'static>,
        socket: Socket,
    ) -> Result<ClientStream<Socket>, TlsFailure> {
        let connect = |config: &Arc<ClientConfig>| unbuffered_tls::connect(Arc::clone(config), server_name, socket);
        let handshake = async {
            let stream = match credentials {
                Credentials::X509(key) => SHOWN.scope(Arc::clone(key), connect(&self.with_certificate)).await,
                Credentials::Sas(_) | Credentials::None => connect(&self.without_certificate).await,
            };
            stream.map_err(|error| TlsFailure::from(error).with_leaf(REFUSED.with(|refused| refused.take())))
        };
        REFUSED.scope(RefCell::new(None), handshake).await
    }
}

/// rustls' own verifier, which decides. A certificate that it refuses is kept until the handshake is over: an error
/// about dates is useful only with both of them, and a failed handshake has no certificate.
#[derive(Debug)]
struct Verifier(Arc<WebPkiServerVerifier>);

impl Verifier {
    fn new(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Result<Self, TlsSetupError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        // This fails only without roots or with bad revocation lists, and there are no such lists.
        verifier.build().map(Self).map_err(|_| TlsSetupError::NoRoots)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let keep = |presented: &RefCell<Vec<_>>| {
            let chain = std::iter::once(end_entity).chain(intermediates);
            *presented.borrow_mut() = chain.map(|certificate| certificate.clone().into_owned()).collect();
        };
        // Only a probe has a place for it.
        let _ = PRESENTED.try_with(keep);
        self.0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .inspect_err(|_| {
                let keep = |refused: &RefCell<_>| *refused.borrow_mut() = Some(end_entity.clone().into_owned());
                // The slot is missing only outside of our own handshakes.
                let _ = REFUSED.try_with(keep);
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// A clock that is so many seconds ahead of this machine's.
#[derive(Debug)]
struct ClockAhead(i64);

impl TimeProvider for ClockAhead {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = UnixTime::now().as_secs().saturating_add_signed(self.0);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

tokio::task_local! {
    /// The chain and key of the device whose handshake is being polled.
    static SHOWN: Arc<CertifiedKey>;
    /// The certificate that was refused in the handshake that is being polled.
    static REFUSED: RefCell<Option<CertificateDer<'static>>>;
    /// What the server has presented in the handshake that is being polled.
    static PRESENTED: RefCell<Vec<CertificateDer<'static>>>;
}

/// Does some work, and returns the certificates that the server has presented in the last handshake of it, its own
/// first.
pub(crate) async fn with_presented<T>(work: impl Future<Output = T>) -> (T, Vec<CertificateDer<'static>>) {
    let watched = async {
        let done = work.await;
        (done, PRESENTED.with(RefCell::take))
    };
    PRESENTED.scope(RefCell::default(), watched).await
}

/// Presents the certificate of the device whose handshake it is.
///
/// A connection keeps its configuration as long as it lives, and needs the certificate for the length of the handshake.
/// With the certificate in the configuration, every device of a fleet would hold chain, key and its own configuration
/// for nothing.
#[derive(Debug)]
struct ClientCertResolver;

impl ResolvesClientCert for ClientCertResolver {
    fn resolve(&self, _root_hint_subjects: &[&[u8]], _sigschemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        SHOWN.try_with(Arc::clone).ok()
    }

    fn has_certs(&self) -> bool {
        true
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
    fn trust_in_nothing_is_refused() {
        let error = Tls::new(TrustRoots::Certificates(Vec::new())).unwrap_err();
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
