//! TLS as Azure does it: a client certificate is asked for in the handshake but not required, and whether it is a good
//! one is decided at MQTT CONNECT.
//!
//! Source: [TLS support in IoT Hub](https://learn.microsoft.com/azure/iot-hub/iot-hub-tls-support).

use std::cell::Cell;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS12;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::asn1_rs::Sequence;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::ServerIdentity;
use crate::certificate::Certificate;

/// Most certificates that are looked at in a client's chain.
const MAX_CHAIN: usize = 10;

/// What Azure's usual endpoints speak.
static USUAL_VERSIONS: [&SupportedProtocolVersion; 1] = [&TLS12];

/// TLS for devices: 1.2, and 1.3 only if it is asked for. Azure has it on names of their own, as a preview.
pub(crate) fn device_config(identity: &ServerIdentity, tls13: bool) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyClientCertificate {
        provider: Arc::clone(&provider),
    });
    let versions = if tls13 { rustls::ALL_VERSIONS } else { &USUAL_VERSIONS };
    let resolver = CertifiedKey::from_der(identity.chain.clone(), identity.key.clone_key(), &provider)?.into();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(NoticesNames(resolver)));
    // Every connection proves anew that it has its key; and a server for thousands keeps no sessions for them.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

tokio::task_local! {
    /// Whether the client of the handshake that is being polled has named the server (SNI).
    static NAMED: Cell<bool>;
}

/// Performs a handshake with a [`device_config`], and says whether the client has named the server in it. The name itself
/// is not kept: a connection of rustls without buffers does not give it out, and one server is all that there is.
pub(crate) async fn naming<T>(handshake: impl Future<Output = T>) -> (T, bool) {
    let noticed = async {
        let done = handshake.await;
        (done, NAMED.with(Cell::get))
    };
    NAMED.scope(Cell::new(false), noticed).await
}

/// Presents the server's only certificate, and notices whether the client has named the server.
#[derive(Debug)]
struct NoticesNames(SingleCertAndKey);

impl ResolvesServerCert for NoticesNames {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // The slot is missing only outside of [`naming`].
        let _ = NAMED.try_with(|named| named.set(hello.server_name().is_some()));
        self.0.resolve(hello)
    }
}

/// The certificates that a client has shown, leaf first.
pub(crate) fn shown(chain: Option<&[CertificateDer<'_>]>) -> Vec<Certificate> {
    // An unreadable certificate ends the chain: what is above it vouches for nothing.
    chain
        .unwrap_or_default()
        .iter()
        .take(MAX_CHAIN)
        .map_while(|der| Certificate::from_der(der).ok())
        .collect()
}

/// TLS for the REST interface, which authenticates its callers by their token, and for DPS over HTTPS, which does so by
/// their certificates.
pub(crate) fn rest_config(identity: &ServerIdentity) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyClientCertificate {
        provider: Arc::clone(&provider),
    });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    // As for devices: every connection proves anew that it has its key.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Checks the proof of the private key where rustls does not even read the certificate: X.509 version 1, or a critical
/// extension that it does not support. Azure's answer to those comes at CONNECT, so the handshake must not be the one
/// to end.
fn by_key_alone(
    error: rustls::Error,
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    // What is wrong with the scheme, no certificate can mend.
    if !matches!(error, rustls::Error::InvalidCertificate(_)) {
        return Err(error);
    }
    let is_proved = || {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let (_, candidates) = algorithms
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == signature.scheme)?;
        let key = parsed.public_key();
        let (_, info) = Sequence::from_der(key.raw).ok()?;
        let (_, identifier) = Sequence::from_der(&info.content).ok()?;
        let bits = key.subject_public_key.data.as_ref();
        let fits = candidates
            .iter()
            .filter(|candidate| candidate.public_key_alg_id().as_ref() == &*identifier.content)
            .any(|candidate| candidate.verify_signature(bits, message, signature.signature()).is_ok());
        Some(fits)
    };
    match is_proved() {
        Some(true) => Ok(HandshakeSignatureValid::assertion()),
        _ => Err(error),
    }
}

/// Takes any certificate, as long as the client has its private key.
#[derive(Debug)]
struct AnyClientCertificate {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClientCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
            .or_else(|error| by_key_alone(error, algorithms, message, certificate, signature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
            .or_else(|error| by_key_alone(error, algorithms, message, certificate, signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
