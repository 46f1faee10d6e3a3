//! A certificate authority that is made for each test.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Tls, TrustRoots, certified_key};

/// Whether the server accepts a client without a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// The handshake fails without one, as with a strict broker.
    Required,
    /// It is requested and judged later, as by Azure.
    Optional,
}

/// A root that signs servers and clients.
#[derive(Debug)]
pub struct TestCa {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl TestCa {
    /// A new root of this name.
    pub fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a P-256 key can be made");
        let certificate = params.self_signed(&key).expect("a root can sign itself");
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// The root as a PEM text.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Client-side trust in this root and no other.
    pub fn tls(&self) -> Tls {
        Tls::new(TrustRoots::Certificates(vec![self.root()])).expect("a test CA can be trusted")
    }

    /// A client certificate with this subject CN.
    pub fn client(&self, common_name: &str) -> Arc<CertifiedKey> {
        let (chain, key) = self.client_der(common_name);
        certified_key(chain, key).expect("a fresh pair matches")
    }

    /// A client certificate with this subject CN: chain and key.
    pub(crate) fn client_der(&self, common_name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = named(common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        der(self.sign(&params))
    }

    /// A server certificate with these names: chain and key.
    pub fn server_der(&self, names: &[&str]) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        der(self.sign_server(names))
    }

    /// A server certificate with these names as PEM texts, for a server that is not ours: certificate and key.
    pub fn server_pem(&self, names: &[&str]) -> (String, String) {
        let (certificate, key) = self.sign_server(names);
        (certificate.pem(), key.serialize_pem())
    }

    /// A server certificate with these names and years of validity: chain and key.
    pub fn server_der_of_years(
        &self,
        names: &[&str],
        (from, to): (i32, i32),
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("test names are dns names or ip addresses");
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        der(self.sign(&params))
    }

    /// A server-side configuration with a fresh certificate for these names, which trusts this root's clients.
    pub fn server_config(&self, names: &[&str], client_certificate: ClientCertificate) -> Arc<ServerConfig> {
        let (chain, key) = self.server_der(names);
        self.server_config_with(chain, key, client_certificate, rustls::ALL_VERSIONS)
    }

    /// A server-side configuration with this certificate and these TLS versions, which trusts this root's clients.
    pub fn server_config_with(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        client_certificate: ClientCertificate,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.root()).expect("a test root is a trust anchor");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = match client_certificate {
            ClientCertificate::Required => verifier,
            ClientCertificate::Optional => verifier.allow_unauthenticated(),
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider supports these versions")
            .with_client_cert_verifier(verifier.build().expect("a root is given"))
            .with_single_cert(chain, key)
            .expect("a fresh pair matches");
        Arc::new(config)
    }

    fn root(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    fn sign_server(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sign(&CertificateParams::new(names).expect("test names are dns names or ip addresses"))
    }

    fn sign(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a P-256 key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("the test CA can sign");
        (certificate, key)
    }
}

fn der((certificate, key): (rcgen::Certificate, KeyPair)) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("rcgen writes PKCS#8");
    (vec![certificate.der().clone()], key)
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
