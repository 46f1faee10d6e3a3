//! The server that follows a script.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rumqttc::mqttbytes::v4::Codec;
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

use super::packets::Packet;
use super::script::{Connection, Hands, Step, Upgrade};
use super::{ClientCertificate, TestCa};
use crate::Endpoint;
use crate::limits::MAX_PACKET;
use crate::stream::{WebSocket, websocket_config};

/// How long the server waits for a step of the client before it calls that a mistake.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port of this machine that follows a script, one connection after the other.
#[derive(Debug)]
pub struct Server {
    port: u16,
    task: JoinHandle<Result<Vec<Seen>, String>>,
    finished: CancellationToken,
}

/// What the server saw of one connection.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The name in SNI.
    pub server_name: Option<String>,
    /// The client's chain, leaf first; empty if it presented none.
    pub client_chain: Vec<CertificateDer<'static>>,
    /// The request for a WebSocket, if the script has one.
    pub upgrade: Option<UpgradeRequest>,
    /// All packets, in their order.
    pub(crate) packets: Vec<Packet>,
}

/// The request for a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeRequest {
    /// Path and query.
    pub path: String,
    /// The header `Host`.
    pub host: String,
    /// The header `Sec-WebSocket-Protocol`.
    pub subprotocol: String,
}

/// TLS, or WebSocket frames in it.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

type Packets = Framed<Box<dyn Duplex>, Codec>;

impl Server {
    /// Starts a server called `localhost` that requests a client certificate and does not require one.
    pub async fn start(ca: &TestCa, script: Vec<Connection>) -> Self {
        Self::start_with(ca.server_config(&["localhost"], ClientCertificate::Optional), script).await
    }

    /// Starts a server with its own TLS configuration.
    pub async fn start_with(config: Arc<ServerConfig>, script: Vec<Connection>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port on loopback");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let finished = CancellationToken::new();
        let following = follow(listener, TlsAcceptor::from(config), script, finished.clone());
        let task = tokio::spawn(async move {
            // Also printed immediately: a client that meets a mistake often fails its test before the server is
            // finished.
            following
                .await
                .inspect_err(|mistake| eprintln!("scripted server: {mistake}"))
        });
        Self { port, task, finished }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to reach it: verified as `localhost`, connected to at 127.0.0.1.
    pub fn endpoint(&self, ca: &TestCa) -> Endpoint {
        Endpoint::new("localhost", self.port, ca.tls())
            .expect("localhost is a name")
            .via("127.0.0.1")
    }

    /// Waits for the rest of the script, and returns what was seen, connection by connection.
    ///
    /// # Panics
    ///
    /// If anything deviated from the script.
    pub async fn finish(self) -> Vec<Seen> {
        self.finished.cancel();
        match self.task.await.expect("the server does not panic") {
            Ok(seen) => seen,
            Err(mistake) => panic!("scripted server: {mistake}"),
        }
    }
}

async fn follow(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    script: Vec<Connection>,
    finished: CancellationToken,
) -> Result<Vec<Seen>, String> {
    let mut all = Vec::new();
    for (index, connection) in script.into_iter().enumerate() {
        let number = index + 1;
        let mut accept = Box::pin(listener.accept());
        let accepted = tokio::select! {
            accepted = &mut accept => accepted,
            () = finished.cancelled() => timeout(Duration::ZERO, accept)
                .await
                .map_err(|_| format!("connection {number} never came"))?,
        };
        let (tcp, _) = accepted.map_err(|error| format!("connection {number}: accept: {error}"))?;
        all.push(
            serve(&acceptor, tcp, connection, &finished)
                .await
                .map_err(|mistake| format!("connection {number}: {mistake}"))?,
        );
    }
    // Until the test is over, no other client may connect.
    tokio::select! {
        biased;
        _ = listener.accept() => Err(format!("connection {} was not expected", all.len() + 1)),
        () = finished.cancelled() => Ok(all),
    }
}

async fn serve(
    acceptor: &TlsAcceptor,
    mut tcp: TcpStream,
    connection: Connection,
    finished: &CancellationToken,
) -> Result<Seen, String> {
    match connection.shakes_hands {
        Hands::Shaken => {}
        Hands::Withheld => {
            // Reads the ClientHello and whatever follows, until the client disconnects.
            let mut ignored = Vec::new();
            let read = timeout(PATIENCE, tcp.read_to_end(&mut ignored)).await;
            return read
                .map(|_| Seen::default())
                .map_err(|_| "client did not go".to_owned());
        }
        Hands::Refused => {
            return match accept(acceptor, tcp).await {
                Ok(_) => Err("handshake succeeded".to_owned()),
                Err(_) => Ok(Seen::default()),
            };
        }
    }
    let tls = accept(acceptor, tcp)
        .await
        .map_err(|error| format!("handshake: {error}"))?;
    let (_, session) = tls.get_ref();
    let mut seen = Seen {
        server_name: session.server_name().map(str::to_owned),
        client_chain: session.peer_certificates().map(<[_]>::to_vec).unwrap_or_default(),
        upgrade: None,
        packets: Vec::new(),
    };
    let stream: Box<dyn Duplex> = match connection.upgrades {
        None => Box::new(tls),
        Some(Upgrade::Confirmed(subprotocol)) => Box::new(
            upgrade(tls, Ok(subprotocol), &mut seen)
                .await
                .map_err(|error| format!("upgrade: {error}"))?,
        ),
        Some(Upgrade::Refused(status)) => {
            return match upgrade(tls, Err(status), &mut seen).await {
                Ok(_) => Err("upgrade succeeded".to_owned()),
                Err(_) => Ok(seen),
            };
        }
    };
    let mut packets = Framed::new(
        stream,
        Codec {
            max_incoming_size: MAX_PACKET,
            max_outgoing_size: MAX_PACKET,
        },
    );
    for (index, step) in connection.steps.into_iter().enumerate() {
        let described = format!("{step:?}");
        let goes_on = take(step, &mut packets, &mut seen, finished)
            .await
            .map_err(|mistake| format!("step {} ({described}): {mistake}", index + 1))?;
        if !goes_on {
            return Ok(seen);
        }
    }
    match receive(&mut packets).await {
        // A client that vanishes without TLS's close_notify has disconnected, too.
        Ok(None) | Err(Received::Failed(_)) => Ok(seen),
        Ok(Some(packet)) => Err(format!("after the last step came {packet:?}")),
        Err(Received::Nothing) => Err("client did not go after the last step".to_owned()),
    }
}

async fn accept(acceptor: &TlsAcceptor, tcp: TcpStream) -> Result<TlsStream<TcpStream>, String> {
    match timeout(PATIENCE, acceptor.accept(tcp)).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("did not end".to_owned()),
    }
}

/// Answers the request for a WebSocket with a subprotocol, or with a status.
async fn upgrade(
    tls: TlsStream<TcpStream>,
    answer: Result<Option<&'static str>, u16>,
    seen: &mut Seen,
) -> Result<WebSocket<TlsStream<TcpStream>>, String> {
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let callback = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let header = |name: &str| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        seen.upgrade = Some(UpgradeRequest {
            path: request.uri().to_string(),
            host: header("Host"),
            subprotocol: header("Sec-WebSocket-Protocol"),
        });
        match answer {
            Ok(Some(subprotocol)) => {
                let subprotocol = HeaderValue::from_static(subprotocol);
                response.headers_mut().insert("Sec-WebSocket-Protocol", subprotocol);
                Ok(response)
            }
            Ok(None) => Ok(response),
            Err(status) => {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = StatusCode::from_u16(status).expect("a script has a valid status");
                Err(refusal)
            }
        }
    };
    let accepting = accept_hdr_async_with_config(tls, callback, Some(websocket_config()));
    match timeout(PATIENCE, accepting).await {
        Ok(result) => result.map(WebSocket::new).map_err(|error| error.to_string()),
        Err(_) => Err("did not end".to_owned()),
    }
}

/// Takes one step; false if it was the closing one.
async fn take(
    step: Step,
    packets: &mut Packets,
    seen: &mut Seen,
    finished: &CancellationToken,
) -> Result<bool, String> {
    match step {
        Step::Receives(expected) => {
            let packet = expect_packet(packets).await?;
            seen.packets.push(packet.clone());
            if packet != expected {
                return Err(format!("received {packet:?} instead"));
            }
        }
        Step::ReceivesWhere(_, matches) => {
            let packet = expect_packet(packets).await?;
            seen.packets.push(packet.clone());
            if !matches(&packet) {
                return Err(format!("received {packet:?} instead"));
            }
        }
        Step::Sends(all) => {
            let mut bytes = bytes::BytesMut::new();
            for packet in all {
                packet
                    .write(&mut bytes, MAX_PACKET)
                    .map_err(|error| error.to_string())?;
            }
            send(packets, &bytes).await?;
        }
        Step::SendsBytes(bytes) => send(packets, &bytes).await?,
        Step::StopsReading => {
            finished.cancelled().await;
            return Ok(false);
        }
        Step::Closes => {
            packets.get_mut().shutdown().await.map_err(|error| error.to_string())?;
            return Ok(false);
        }
    }
    Ok(true)
}

async fn send(packets: &mut Packets, bytes: &[u8]) -> Result<(), String> {
    let tls = packets.get_mut();
    tls.write_all(bytes).await.map_err(|error| error.to_string())?;
    tls.flush().await.map_err(|error| error.to_string())
}

enum Received {
    Nothing,
    Failed(String),
}

async fn receive(packets: &mut Packets) -> Result<Option<Packet>, Received> {
    match timeout(PATIENCE, packets.next()).await {
        Ok(Some(Ok(packet))) => Ok(Some(packet)),
        Ok(Some(Err(error))) => Err(Received::Failed(error.to_string())),
        Ok(None) => Ok(None),
        Err(_) => Err(Received::Nothing),
    }
}

async fn expect_packet(packets: &mut Packets) -> Result<Packet, String> {
    match receive(packets).await {
        Ok(Some(packet)) => Ok(packet),
        Ok(None) => Err("client closed instead".to_owned()),
        Err(Received::Failed(error)) => Err(error),
        Err(Received::Nothing) => Err("nothing came".to_owned()),
    }
}
