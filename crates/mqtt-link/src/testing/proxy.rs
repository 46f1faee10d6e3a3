//! A tiny HTTP proxy that supports CONNECT and nothing else.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// A proxy on a free port of this machine. It resolves every name to this machine.
#[derive(Debug)]
pub struct ConnectProxy {
    port: u16,
    task: JoinHandle<Vec<Tunnel>>,
    finished: CancellationToken,
}

/// What the proxy saw of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// What was requested: host and port.
    pub target: String,
    /// The status that the proxy answered with; none if it did not.
    pub status: Option<u16>,
    /// How many bytes went to the server.
    pub up: u64,
    /// How many bytes the server sent.
    pub down: u64,
}

#[derive(Debug, Clone)]
enum ProxyBehaviour {
    LetsThrough,
    Wants { authorization: String },
    Answers(Vec<u8>),
}

impl ConnectProxy {
    /// A proxy that accepts every client.
    pub async fn start() -> Self {
        Self::start_with(ProxyBehaviour::LetsThrough).await
    }

    /// A proxy that answers 407 to clients without these credentials.
    pub async fn requiring(user: &str, password: &str) -> Self {
        let authorization = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        Self::start_with(ProxyBehaviour::Wants { authorization }).await
    }

    /// A proxy that sends these bytes to any request, and closes.
    pub async fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        Self::start_with(ProxyBehaviour::Answers(bytes.into())).await
    }

    async fn start_with(behaviour: ProxyBehaviour) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port on loopback");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let finished = CancellationToken::new();
        let task = tokio::spawn(run(listener, behaviour, finished.clone()));
        Self { port, task, finished }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Accepts no more connections, waits until the open ones have ended, and returns what it saw of all.
    pub async fn finish(self) -> Vec<Tunnel> {
        self.finished.cancel();
        self.task.await.expect("the proxy does not panic")
    }
}

async fn run(listener: TcpListener, behaviour: ProxyBehaviour, finished: CancellationToken) -> Vec<Tunnel> {
    let mut connections = JoinSet::new();
    while let Some(Ok((client, _))) = finished.run_until_cancelled(listener.accept()).await {
        let behaviour = behaviour.clone();
        connections.spawn(async move {
            let mut tunnel = Tunnel {
                target: String::new(),
                status: None,
                up: 0,
                down: 0,
            };
            // However a connection ends, what was seen of it is recorded.
            let _ = serve(client, &behaviour, &mut tunnel).await;
            tunnel
        });
    }
    connections.join_all().await
}

async fn serve(mut client: TcpStream, behaviour: &ProxyBehaviour, tunnel: &mut Tunnel) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    tunnel.target = head
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split_once(" HTTP/1.1\r\n"))
        .map(|(target, _)| target.to_owned())
        .unwrap_or_default();
    let port = tunnel.target.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let authorized = |authorization: &String| head.contains(&format!("\r\nProxy-Authorization: {authorization}\r\n"));
    let status = match (behaviour, port) {
        (ProxyBehaviour::Answers(bytes), _) => {
            client.write_all(bytes).await?;
            return client.shutdown().await;
        }
        (_, None) => 400,
        (ProxyBehaviour::Wants { authorization }, _) if !authorized(authorization) => 407,
        (_, Some(_)) => 200,
    };
    tunnel.status = Some(status);
    client
        .write_all(format!("HTTP/1.1 {status} As Scripted\r\nVia: test\r\n\r\n").as_bytes())
        .await?;
    if let (200, Some(port)) = (status, port) {
        let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
        (tunnel.up, tunnel.down) = copy_bidirectional(&mut client, &mut server).await?;
    }
    Ok(())
}
