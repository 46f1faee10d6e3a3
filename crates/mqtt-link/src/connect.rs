//! From a host name to CONNACK: DNS, TCP (and a proxy's tunnel), TLS, MQTT (and its WebSocket), each timed.

mod packet;
mod race;
mod tunnel;
mod upgrade;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, Packet};
use rustls_pki_types::CertificateDer;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::codec::Framed;
use tracing::debug;
use unbuffered_tls::ClientStream;

use self::packet::{connect_packet, send_connect};
use self::tunnel::open_tunnel;
use self::upgrade::{NoWebSocket, upgrade};
use crate::limits::READ_BUFFER;
use crate::phase::Phase;
use crate::stream::{Socket, Stream};
use crate::tls::with_presented;
use crate::wire::{Wire, WireError};
use crate::{
    ConnectError, ConnectOptions, ConnectRefusal, Credentials, Endpoint, ProtocolError, TlsFailure, Transport,
};

/// Packets over the stream that carries them.
pub(crate) type Packets = Framed<Stream, Wire>;

/// How long each phase of connecting took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectTimings {
    /// The DNS look-up; zero if the host is an IP literal.
    pub dns: Duration,
    /// TCP, until the first address has answered, and the proxy's CONNECT.
    pub tcp: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// CONNECT to CONNACK, and the upgrade to WebSocket before.
    pub mqtt: Duration,
    /// Whether the server still had a session of this client id. It comes with CONNACK, hence here.
    pub session_present: bool,
}

impl ConnectTimings {
    /// All phases together.
    pub fn total(&self) -> Duration {
        self.dns + self.tcp + self.tls + self.mqtt
    }
}

/// Goes through all phases within the options' timeout.
pub(crate) async fn open(
    endpoint: &Endpoint,
    credentials: &Credentials,
    options: &ConnectOptions,
) -> Result<(Packets, ConnectTimings), ConnectError> {
    let connect = connect_packet(credentials, options).map_err(ConnectError::Options)?;
    let started = Instant::now();
    let limit = options.bounded_timeout();
    let clock = Clock {
        deadline: started + limit,
        limit,
    };

    let (addresses, dns) = clock.run(Phase::Dns, look_up(endpoint)).await?;
    let looked_up = Instant::now();
    let tcp = clock.run(Phase::Tcp, open_transport(endpoint, &addresses)).await?;
    let opened = Instant::now();
    let tls = clock.run(Phase::Tls, tls_handshake(endpoint, credentials, tcp)).await?;
    let secured = Instant::now();
    let (packets, ack) = clock
        .run(Phase::Mqtt, mqtt_handshake(endpoint, options, connect, tls))
        .await?;
    let acknowledged = Instant::now();

    let timings = ConnectTimings {
        dns,
        tcp: opened - looked_up,
        tls: secured - opened,
        mqtt: acknowledged - secured,
        session_present: ack.session_present,
    };
    debug!(client_id = options.client_id, ?timings, "connected");
    Ok((packets, timings))
}

/// What a look at a server has seen, however far it came.
#[derive(Debug)]
#[must_use = "whether the server is reached and trusted is in it"]
pub struct Probe {
    /// Where the name of the first hop leads: the server's, or that of the proxy before it.
    pub addresses: Vec<SocketAddr>,
    /// The certificates that the server has presented, its own first, whether they are trusted or not.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether it is reached and trusted.
    pub outcome: Result<(), ConnectError>,
}

/// Whether a server can be reached and trusted: DNS, TCP (and a proxy's tunnel) and TLS, in `limit`, without any MQTT.
/// No client certificate is presented, since it is requested here and judged later.
pub async fn probe(endpoint: &Endpoint, limit: Duration) -> Probe {
    let clock = Clock {
        deadline: Instant::now() + limit,
        limit,
    };
    let mut addresses = Vec::new();
    let (outcome, chain) = with_presented(async {
        addresses = clock.run(Phase::Dns, look_up(endpoint)).await?.0;
        let tcp = clock.run(Phase::Tcp, open_transport(endpoint, &addresses)).await?;
        let handshake = tls_handshake(endpoint, &Credentials::None, tcp);
        let mut tls = clock.run(Phase::Tls, handshake).await?;
        // The server has presented its certificate; whether it closes in order does not matter.
        let _ = timeout_at(clock.deadline, tls.shutdown()).await;
        Ok(())
    })
    .await;
    Probe {
        addresses,
        chain,
        outcome,
    }
}

/// The time limit for all phases together.
struct Clock {
    deadline: Instant,
    limit: Duration,
}

impl Clock {
    async fn run<T>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        match timeout_at(self.deadline, work).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::TimedOut {
                phase,
                limit: self.limit,
            }),
        }
    }
}

/// The addresses of the first hop, and how long the look-up took: no time at all where its name is an address.
async fn look_up(endpoint: &Endpoint) -> Result<(Vec<SocketAddr>, Duration), ConnectError> {
    let (host, port) = endpoint.first_hop();
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = literal.parse::<IpAddr>() {
        return Ok((vec![SocketAddr::new(address, port)], Duration::ZERO));
    }
    let error = |source| ConnectError::Dns {
        host: host.to_owned(),
        source,
    };
    let begun = Instant::now();
    let addresses: Vec<_> = lookup_host((host, port)).await.map_err(error)?.collect();
    if addresses.is_empty() {
        return Err(error(io::Error::new(io::ErrorKind::NotFound, "host has no address")));
    }
    Ok((addresses, begun.elapsed()))
}

/// Opens the socket, and through a proxy the tunnel.
async fn open_transport(endpoint: &Endpoint, addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let mut tcp = open_tcp(endpoint, addresses).await?;
    if let Some(impairment) = &endpoint.impairment {
        // A slow network's handshake is a round trip as well.
        sleep(2 * impairment.latency).await;
    }
    if let Some(proxy) = &endpoint.proxy {
        open_tunnel(&mut tcp, proxy, &endpoint.connect_host, endpoint.port)
            .await
            .map_err(|source| ConnectError::Proxy {
                proxy: proxy.name(),
                source,
            })?;
    }
    Ok(tcp)
}

async fn open_tcp(endpoint: &Endpoint, addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let (host, port) = endpoint.first_hop();
    race::first_to_answer(host, addresses, endpoint.sources.as_deref())
        .await
        .map_err(|source| ConnectError::Tcp {
            host: host.to_owned(),
            port,
            source,
        })
}

async fn tls_handshake(
    endpoint: &Endpoint,
    credentials: &Credentials,
    tcp: TcpStream,
) -> Result<ClientStream<Socket>, ConnectError> {
    endpoint
        .tls
        .handshake(
            credentials,
            endpoint.server_name.clone(),
            Socket::new(tcp, endpoint.impairment),
        )
        .await
        .map_err(|failure| tls_error(endpoint, failure))
}

async fn mqtt_handshake(
    endpoint: &Endpoint,
    options: &ConnectOptions,
    connect: Connect,
    tls: ClientStream<Socket>,
) -> Result<(Packets, ConnAck), ConnectError> {
    let stream = match endpoint.transport {
        Transport::Tcp => Stream::Tls(tls),
        Transport::WebSocket => {
            let opened = Box::pin(upgrade(tls, &endpoint.name(), endpoint.port)).await;
            Stream::WebSocket(Box::new(
                opened.map_err(|error| upgrade_error(endpoint, options, error))?,
            ))
        }
    };
    let mut packets = Framed::with_capacity(stream, Wire::new(), READ_BUFFER);
    *packets.write_buffer_mut() = BytesMut::new();
    let sent = send_connect(packets.get_mut(), connect).await;
    // If sending failed, the server may have sent the reason before it closed: an alert is better than a broken pipe.
    let answer = match (packets.next().await, sent) {
        (Some(Ok(Packet::ConnAck(ack))), _) => Ok(ack),
        (Some(Ok(_)), _) => Err(ConnectError::Protocol(ProtocolError::Unexpected {
            packet: "before CONNACK",
        })),
        (Some(Err(error)), _) => Err(mqtt_error(endpoint, options, error)),
        (None, Err(error)) => Err(mqtt_error(endpoint, options, error)),
        (None, Ok(())) => Err(ConnectError::Closed {
            client_id: options.client_id.clone(),
        }),
    }?;
    match ConnectRefusal::from_code(answer.code) {
        None => Ok((packets, answer)),
        Some(refusal) => Err(ConnectError::Refused {
            client_id: options.client_id.clone(),
            refusal,
        }),
    }
}

fn tls_error(endpoint: &Endpoint, source: TlsFailure) -> ConnectError {
    let server_name = endpoint.name();
    ConnectError::Tls { server_name, source }
}

fn upgrade_error(endpoint: &Endpoint, options: &ConnectOptions, error: NoWebSocket) -> ConnectError {
    match error {
        NoWebSocket::Upgrade(source) => ConnectError::Upgrade {
            server_name: endpoint.name(),
            source,
        },
        NoWebSocket::Closed => ConnectError::Closed {
            client_id: options.client_id.clone(),
        },
        // As in the answer to CONNECT: it may be the server's alert.
        NoWebSocket::Io(error) => mqtt_error(endpoint, options, WireError::Io(error)),
    }
}

fn mqtt_error(endpoint: &Endpoint, options: &ConnectOptions, error: WireError) -> ConnectError {
    let client_id = options.client_id.clone();
    match error {
        WireError::Malformed(error) => ConnectError::Protocol(ProtocolError::Malformed(error)),
        WireError::WebSocket(fault) => ConnectError::Protocol(ProtocolError::WebSocket(fault)),
        WireError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ConnectError::Closed { client_id },
        WireError::Io(error) => match TlsFailure::from(error) {
            TlsFailure::Io(source) => ConnectError::Io { client_id, source },
            failure => tls_error(endpoint, failure),
        },
    }
}
