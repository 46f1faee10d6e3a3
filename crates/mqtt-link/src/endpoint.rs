//! Where to connect, and whom to expect there.

use rustls_pki_types::ServerName;

use crate::Tls;

/// A server to connect to.
///
/// The TCP host and the verified name are apart, because a device behind a gateway (or one that talks to an emulator on
/// this machine) opens its socket to one host while the certificate and SNI carry another.
///
/// The transport is TLS over TCP; another one would be a field here, which is why this is built with [`Endpoint::new`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// Host name or IP literal that TCP connects to.
    pub connect_host: String,
    /// TCP port; 8883 for MQTT over TLS.
    pub port: u16,
    /// Name sent as SNI and verified against the server's certificate.
    pub server_name: ServerName<'static>,
    /// Trust shared by all connections.
    pub tls: Tls,
}

/// A text that is neither a host name nor an IP address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("server name `{name}` is neither a host name nor an ip address")]
pub struct InvalidServerName {
    /// The text as it was given.
    pub name: String,
}

impl Endpoint {
    /// The server called `name`: TCP connects to it, SNI says it, its certificate has to carry it.
    pub fn new(name: &str, port: u16, tls: Tls) -> Result<Self, InvalidServerName> {
        let server_name = ServerName::try_from(name)
            .map_err(|_| InvalidServerName { name: name.to_owned() })?
            .to_owned();
        Ok(Self {
            connect_host: name.to_owned(),
            port,
            server_name,
            tls,
        })
    }

    /// The same server, reached by a TCP connection to `connect_host`.
    #[must_use]
    pub fn via(self, connect_host: impl Into<String>) -> Self {
        Self {
            connect_host: connect_host.into(),
            ..self
        }
    }
}
