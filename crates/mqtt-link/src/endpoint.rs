//! Where to connect, and which server to expect there.

use std::net::IpAddr;
use std::sync::Arc;

use rustls_pki_types::ServerName;

use crate::{Impairment, Proxy, SourceAddresses, Tls};

/// A server to connect to.
///
/// The TCP host and the verified name are apart, because a device behind a gateway (or one that uses an emulator on
/// this machine) opens its socket to one host while the certificate and SNI carry another.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mqtt_link::{Endpoint, Proxy, Tls, Transport, TrustRoots};
///
/// let endpoint = Endpoint::new("hub1.azure-devices.net", 443, Tls::new(TrustRoots::WebPki)?)?
///     .over(Transport::WebSocket)
///     .through(Some(Proxy::parse("http://user:password@proxy.example:3128")?));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// Host name or IP literal that TCP connects to.
    pub(crate) connect_host: String,
    /// TCP port; 8883 for MQTT over TLS, 443 over WebSocket.
    pub port: u16,
    /// Name sent as SNI and verified against the server's certificate.
    pub(crate) server_name: ServerName<'static>,
    /// Trust shared by all connections.
    pub tls: Tls,
    /// How MQTT travels inside TLS.
    pub(crate) transport: Transport,
    /// The proxy that opens the TCP connection; none for a direct one.
    pub proxy: Option<Proxy>,
    /// Where connections begin; without any, the system chooses.
    pub(crate) sources: Option<Arc<SourceAddresses>>,
    /// How connections are worse than the network is, on purpose.
    pub(crate) impairment: Option<Impairment>,
}

/// How MQTT travels inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// As it is: MQTT over TLS over TCP.
    #[default]
    Tcp,
    /// In binary WebSocket frames, for networks that pass only HTTPS: path `/$iothub/websocket`, subprotocol `mqtt`.
    WebSocket,
}

/// A text that is neither a host name nor an IP address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("server name `{name}` is neither a host name nor an ip address")]
pub struct InvalidServerName {
    /// The text as it was given.
    pub name: String,
}

impl Endpoint {
    /// The server `name`: TCP connects to it, SNI carries it, and its certificate has to contain it.
    pub fn new(name: &str, port: u16, tls: Tls) -> Result<Self, InvalidServerName> {
        let server_name = ServerName::try_from(name)
            .map_err(|_| InvalidServerName { name: name.to_owned() })?
            .to_owned();
        Ok(Self {
            connect_host: name.to_owned(),
            port,
            server_name,
            tls,
            transport: Transport::default(),
            proxy: None,
            sources: None,
            impairment: None,
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

    /// The same server over `transport`. The port is not changed.
    #[must_use]
    pub fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// The same server, reached through `proxy`, or directly if there is none. In that case the
    /// proxy looks up `connect_host`.
    #[must_use]
    pub fn through(self, proxy: Option<Proxy>) -> Self {
        Self { proxy, ..self }
    }

    /// The same server, reached by connections that begin at these addresses.
    #[must_use]
    pub fn leaving_from(self, sources: Option<Arc<SourceAddresses>>) -> Self {
        Self { sources, ..self }
    }

    /// The same server, reached over a network that is worse than the real one, or over the real one.
    #[must_use]
    pub fn impaired(self, impairment: Option<Impairment>) -> Self {
        Self { impairment, ..self }
    }

    /// Where our own socket goes.
    pub(crate) fn first_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (&self.connect_host, self.port),
        }
    }

    pub(crate) fn name(&self) -> String {
        match &self.server_name {
            ServerName::DnsName(name) => name.as_ref().to_owned(),
            ServerName::IpAddress(address) => IpAddr::from(*address).to_string(),
            other => format!("{other:?}"),
        }
    }
}
