//! One connection of a sim: its handshake, its messages in, and those to it.

use std::net::SocketAddr;
use std::time::Duration;

use fleet_protocol::collect::{Hello, ToCollector, ToSim};
use fleet_protocol::plan::Shard;
use iot_protocol::shown;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::credentials::shard_of;
use super::keepalive;
use super::lines::LineReader;
use super::roster::Connection;

/// A handshake, and then a hello, come soon, or the peer is a stranger.
const INTRODUCED_WITHIN: Duration = Duration::from_secs(10);
/// What is written is read as soon: a peer that does not read is given up.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// A peer whose connection is closed reads what was written before, and closes its side, as soon.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);
/// So many messages wait for a peer that is slow to read.
const WAITING: usize = 256;
/// A snapshot has the last line of each device of a shard.
const LONGEST_SNAPSHOT: usize = 4 << 20;
/// All other messages have at most the figures of one line.
const LONGEST: usize = 256 << 10;
/// A line that is no message is shown up to here.
const SHOWN: usize = 80;

/// What comes in.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) connection: Connection,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A sim introduces itself.
    Hello {
        hello: Hello,
        /// The shard of its certificate.
        certificate: Shard,
        peer: SocketAddr,
        /// Where messages to it go. The connection ends when this is dropped, and they are written.
        outgoing: mpsc::Sender<ToSim>,
    },
    Message(ToCollector),
    /// It is over, and why.
    Closed(String),
    /// A peer that has not even introduced itself.
    Stranger(SocketAddr, String),
}

/// Serves a connection until its end, which it reports.
pub(super) async fn serve(
    tcp: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    connection: Connection,
    incoming: mpsc::Sender<Incoming>,
) {
    let what = match introduce(tcp, acceptor).await {
        Err(why) => What::Stranger(peer, why),
        Ok(Introduced {
            hello,
            certificate,
            mut lines,
            writer,
        }) => {
            let (outgoing, waiting) = mpsc::channel(WAITING);
            let what = What::Hello {
                hello,
                certificate,
                peer,
                outgoing,
            };
            if incoming.send(Incoming { connection, what }).await.is_err() {
                return;
            }
            let why = tokio::select! {
                why = read(&mut lines, connection, &incoming) => why,
                why = write(writer, waiting) => {
                    // What is still under way here would make the system take back what was written.
                    let rest = async { while let Ok(Some(_)) = lines.next(LONGEST_SNAPSHOT).await {} };
                    let _ = timeout(CLOSED_WITHIN, rest).await;
                    why
                }
            };
            What::Closed(why)
        }
    };
    // There is no listener any more when the program ends.
    let _ = incoming.send(Incoming { connection, what }).await;
}

/// A peer that has a certificate of this run, and has introduced itself.
struct Introduced {
    hello: Hello,
    certificate: Shard,
    lines: LineReader<Box<dyn AsyncRead + Send + Unpin>>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

async fn introduce(tcp: TcpStream, acceptor: TlsAcceptor) -> Result<Introduced, String> {
    let within = INTRODUCED_WITHIN.as_secs();
    keepalive::watch(&tcp).map_err(|error| error.to_string())?;
    let tls = match timeout(INTRODUCED_WITHIN, acceptor.accept(tcp)).await {
        Ok(accepted) => accepted.map_err(|error| format!("no TLS handshake: {error}"))?,
        Err(_) => return Err(format!("no TLS handshake within {within} s")),
    };
    let certificate = shard_of(tls.get_ref().1).map_err(|error| format!("{error:#}"))?;
    let (reader, writer) = tokio::io::split(tls);
    let mut lines: LineReader<Box<dyn AsyncRead + Send + Unpin>> = LineReader::new(Box::new(reader));
    let first = match timeout(INTRODUCED_WITHIN, lines.next(LONGEST)).await {
        Ok(line) => line.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("no hello within {within} s")),
    };
    match first.map(parse) {
        None => Err("the connection ended before its hello".to_owned()),
        Some(Ok(ToCollector::Hello(hello))) => Ok(Introduced {
            hello,
            certificate,
            lines,
            writer: Box::new(writer),
        }),
        Some(Ok(_)) => Err("its first message is no hello".to_owned()),
        Some(Err(why)) => Err(why),
    }
}

/// Passes on messages until the connection ends. Returns why.
async fn read(
    lines: &mut LineReader<impl AsyncRead + Unpin>,
    connection: Connection,
    incoming: &mpsc::Sender<Incoming>,
) -> String {
    loop {
        let message = match lines.next(LONGEST_SNAPSHOT).await {
            Ok(Some(line)) => parse(line),
            Ok(None) => return "the sim has closed the connection".to_owned(),
            Err(error) => return error.to_string(),
        };
        let what = match message {
            Ok(message) => What::Message(message),
            Err(why) => return why,
        };
        if incoming.send(Incoming { connection, what }).await.is_err() {
            return "the program ends".to_owned();
        }
    }
}

/// Writes messages until there will be no more. Returns why it ended.
async fn write(mut writer: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<ToSim>) -> String {
    while let Some(message) = waiting.recv().await {
        let mut text = serde_json::to_vec(&message).expect("a message can be written");
        text.push(b'\n');
        let written = timeout(READ_WITHIN, async {
            writer.write_all(&text).await?;
            writer.flush().await
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("the sim has read nothing for {} s", READ_WITHIN.as_secs()),
        }
    }
    // The peer may be gone already.
    let _ = timeout(READ_WITHIN, writer.shutdown()).await;
    "the collector has closed the connection".to_owned()
}

fn parse(line: &[u8]) -> Result<ToCollector, String> {
    let message = serde_json::from_slice(line).map_err(|_| {
        let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
        let more = if line.len() > SHOWN { "…" } else { "" };
        format!("a line that isn't part of the protocol: {}{more}", shown::text(&text))
    })?;
    match message {
        ToCollector::Snapshot(_) => Ok(message),
        _ if line.len() > LONGEST => Err(format!("a message of more than {LONGEST} bytes")),
        message => Ok(message),
    }
}
