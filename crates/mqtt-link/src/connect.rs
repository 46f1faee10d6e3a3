//! From a host name to CONNACK: DNS, TCP, TLS, MQTT, each timed.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use rumqttc::mqttbytes::Protocol;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, LastWill, Login, Packet};
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;
use tokio_util::codec::Framed;
use tracing::debug;
use zeroize::Zeroize;

use crate::session::is_topic;
use crate::wire::{READ_BUFFER, Wire, WireError};
use crate::{ConnectError, ConnectOptions, ConnectRefusal, Credentials, Endpoint, ProtocolError, TlsFailure};

/// Packets over TLS over TCP.
pub(crate) type Packets = Framed<TlsStream<TcpStream>, Wire>;

/// The phases of connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Looking up the host.
    Dns,
    /// Opening the socket.
    Tcp,
    /// The handshake, with both sides' certificates.
    Tls,
    /// CONNECT, until CONNACK.
    Mqtt,
}

impl Phase {
    /// The phase's stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Mqtt => "mqtt",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long each phase of connecting took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectTimings {
    /// The DNS look-up; zero if the host is an IP literal.
    pub dns: Duration,
    /// TCP, over all addresses tried.
    pub tcp: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// CONNECT to CONNACK.
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
    let clock = Clock {
        deadline: started + options.timeout,
        limit: options.timeout,
    };

    let addresses = clock.run(Phase::Dns, look_up(endpoint)).await?;
    let looked_up = Instant::now();
    let tcp = clock
        .run(Phase::Tcp, open_tcp(endpoint, &addresses, clock.deadline))
        .await?;
    let opened = Instant::now();
    let tls = clock.run(Phase::Tls, shake_hands(endpoint, credentials, tcp)).await?;
    let secured = Instant::now();
    let (packets, ack) = clock
        .run(Phase::Mqtt, introduce(endpoint, options, connect, tls))
        .await?;
    let acknowledged = Instant::now();

    let timings = ConnectTimings {
        dns: looked_up - started,
        tcp: opened - looked_up,
        tls: secured - opened,
        mqtt: acknowledged - secured,
        session_present: ack.session_present,
    };
    debug!(client_id = options.client_id, ?timings, "connected");
    Ok((packets, timings))
}

/// The time there is for everything.
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

async fn look_up(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = endpoint.connect_host.as_str();
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, endpoint.port)]);
    }
    let error = |source| ConnectError::Dns {
        host: host.to_owned(),
        source,
    };
    let addresses: Vec<_> = lookup_host((host, endpoint.port)).await.map_err(error)?.collect();
    if addresses.is_empty() {
        return Err(error(io::Error::new(io::ErrorKind::NotFound, "host has no address")));
    }
    Ok(addresses)
}

/// Tries the addresses in turn. Each gets a fair share of what is left of the time, so that one which drops packets
/// does not use up what the next one would need.
async fn open_tcp(endpoint: &Endpoint, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, ConnectError> {
    let error = |source| ConnectError::Tcp {
        host: endpoint.connect_host.clone(),
        port: endpoint.port,
        source,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "host has no address");
    for (index, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let waiting = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = now + deadline.saturating_duration_since(now) / waiting;
        let attempt = async {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            Ok(tcp)
        };
        // The last address has all the time there is, and then the whole attempt has timed out.
        let attempted = match index + 1 == addresses.len() {
            true => attempt.await,
            false => timeout_at(share, attempt)
                .await
                .unwrap_or_else(|elapsed| Err(elapsed.into())),
        };
        match attempted {
            Ok(tcp) => return Ok(tcp),
            Err(error) => {
                debug!(%address, %error, "address did not answer");
                last = error;
            }
        }
    }
    Err(error(last))
}

async fn shake_hands(
    endpoint: &Endpoint,
    credentials: &Credentials,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let connector = endpoint.tls.connector(credentials);
    connector
        .connect(endpoint.server_name.clone(), tcp)
        .await
        .map_err(|error| tls_error(endpoint, error.into()))
}

async fn introduce(
    endpoint: &Endpoint,
    options: &ConnectOptions,
    connect: Connect,
    tls: TlsStream<TcpStream>,
) -> Result<(Packets, ConnAck), ConnectError> {
    let mut packets = Framed::with_capacity(tls, Wire::new(), READ_BUFFER);
    *packets.write_buffer_mut() = BytesMut::new();
    let sent = send_connect(packets.get_mut(), connect).await;
    // If sending failed, the server may have said why before it closed: an alert is worth more than a broken pipe.
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

/// Sends CONNECT, past the write buffer, and wipes our copies of the password.
async fn send_connect(tls: &mut TlsStream<TcpStream>, mut connect: Connect) -> Result<(), WireError> {
    let mut encoded = BytesMut::with_capacity(connect.size());
    let written = connect.write(&mut encoded);
    if let Some(login) = &mut connect.login {
        login.password.zeroize();
    }
    written?;
    let sent = match tls.write_all(&encoded).await {
        Ok(()) => tls.flush().await,
        failed => failed,
    };
    encoded.as_mut().zeroize();
    Ok(sent?)
}

fn connect_packet(credentials: &Credentials, options: &ConnectOptions) -> Result<Connect, &'static str> {
    // MQTT's lengths have two bytes; the codec would cut off a longer field without a word.
    let fits = |len: usize| len <= usize::from(u16::MAX);
    if !fits(options.client_id.len()) {
        return Err("client id is over 65,535 bytes");
    }
    let user_name = options.user_name.clone().unwrap_or_default();
    if !fits(user_name.len()) {
        return Err("user name is over 65,535 bytes");
    }
    let password = match credentials {
        Credentials::Sas(token) => token.expose(),
        Credentials::X509(_) | Credentials::None => "",
    };
    if !fits(password.len()) {
        return Err("sas token is over 65,535 bytes");
    }
    if user_name.is_empty() && !password.is_empty() {
        return Err("a sas token needs a user name");
    }
    if let Some(will) = &options.will {
        if !is_topic(&will.topic) {
            return Err("will topic is empty, over 65,535 bytes, or has a wildcard");
        }
        if !fits(will.payload.len()) {
            return Err("will payload is over 65,535 bytes");
        }
    }
    Ok(Connect {
        protocol: Protocol::V4,
        keep_alive: whole_seconds(options.keep_alive),
        client_id: options.client_id.clone(),
        clean_session: options.clean_session,
        last_will: options.will.as_ref().map(|will| LastWill {
            topic: will.topic.clone(),
            message: will.payload.clone(),
            qos: will.qos.into(),
            retain: will.retain,
        }),
        login: (!user_name.is_empty()).then(|| Login::new(user_name, password)),
    })
}

fn whole_seconds(duration: Duration) -> u16 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u16::try_from(seconds).unwrap_or(u16::MAX)
}

fn tls_error(endpoint: &Endpoint, source: TlsFailure) -> ConnectError {
    let server_name = match &endpoint.server_name {
        ServerName::DnsName(name) => name.as_ref().to_owned(),
        ServerName::IpAddress(address) => IpAddr::from(*address).to_string(),
        other => format!("{other:?}"),
    };
    ConnectError::Tls { server_name, source }
}

fn mqtt_error(endpoint: &Endpoint, options: &ConnectOptions, error: WireError) -> ConnectError {
    let client_id = options.client_id.clone();
    match error {
        WireError::Malformed(error) => ConnectError::Protocol(ProtocolError::Malformed(error)),
        WireError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ConnectError::Closed { client_id },
        WireError::Io(error) => match TlsFailure::from(error) {
            TlsFailure::Io(source) => ConnectError::Io { client_id, source },
            failure => tls_error(endpoint, failure),
        },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Qos, SasToken, Will};

    #[test]
    fn keepalive_is_told_in_whole_seconds_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (90_000_000, u16::MAX)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis} ms");
        }
    }

    #[test]
    fn options_that_mqtt_cannot_carry_are_refused() {
        let long = "x".repeat(usize::from(u16::MAX) + 1);
        let will = |topic: &str, payload: &'static [u8]| {
            Some(Will {
                topic: topic.to_owned(),
                payload: Bytes::from_static(payload),
                qos: Qos::AtMostOnce,
                retain: false,
            })
        };
        let good = || ConnectOptions {
            user_name: Some("user".to_owned()),
            ..ConnectOptions::new("thermo")
        };
        let sas = Credentials::Sas(SasToken::new("sig"));
        assert!(connect_packet(&sas, &good()).is_ok());
        for (options, word) in [
            (
                ConnectOptions {
                    client_id: long.clone(),
                    ..good()
                },
                "client id",
            ),
            (
                ConnectOptions {
                    user_name: Some(long),
                    ..good()
                },
                "user name",
            ),
            (
                ConnectOptions {
                    user_name: None,
                    ..good()
                },
                "needs a user name",
            ),
            (
                ConnectOptions {
                    will: will("a/#", b""),
                    ..good()
                },
                "will topic",
            ),
            (
                ConnectOptions {
                    will: will("a", &[0; 65_536]),
                    ..good()
                },
                "will payload",
            ),
        ] {
            let refusal = connect_packet(&sas, &options).unwrap_err();
            assert!(refusal.contains(word), "{refusal}");
        }
    }

    #[test]
    fn certificate_needs_no_password_and_sas_is_one() {
        let options = ConnectOptions {
            user_name: Some("user".to_owned()),
            ..ConnectOptions::new("thermo")
        };
        let password =
            |credentials: &Credentials| connect_packet(credentials, &options).unwrap().login.unwrap().password;
        assert_eq!(password(&Credentials::None), "");
        assert_eq!(password(&Credentials::Sas(SasToken::new("sig"))), "sig");
    }
}
