//! Clients that trust an emulator and nothing else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::emulator::Place;
use crate::party::Party;

/// A client with these versions of TLS that trusts the emulator alone.
pub(crate) fn builder(
    emulator: &impl Place,
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes()).unwrap())
        .unwrap();
    trusting(roots, versions)
}

pub(crate) fn trusting(
    roots: RootCertStore,
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}

/// A client that shows the certificates of a party, if it has any.
pub fn client(
    emulator: &impl Place,
    party: Option<&Party>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let builder = builder(emulator, versions);
    match party {
        Some(party) => builder.with_client_auth_cert(party.chain(), party.key()).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

/// Makes a TLS connection to one of the emulator's ports, by a name that its certificate must have, with a client
/// certificate or without.
pub async fn connect(
    emulator: &impl Place,
    (name, address): (&str, SocketAddr),
    party: Option<&Party>,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    let config = client(emulator, party, versions);
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}
