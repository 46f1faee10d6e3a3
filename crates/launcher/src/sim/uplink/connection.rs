//! The socket to a collector: TLS in which both sides are verified, and lines of bounded length.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::collect::{ALPN, ToSim};
use iot_protocol::shown;
use rustls::{CertificateError, ClientConfig};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

use crate::collect::address::CollectorAddress;
use crate::collect::keepalive;

/// Looking up the name, TCP and TLS together.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A collector's messages are short; the longest is an order that names devices.
const LONGEST_LINE: usize = 64 << 10;

pub(super) type Stream = TlsStream<TcpStream>;
pub(super) type Reader = FramedRead<ReadHalf<Stream>, LinesCodec>;
pub(super) type Writer = WriteHalf<Stream>;
pub(super) type ReadError = LinesCodecError;

/// Where the collector is, and how a sim and it trust each other.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    /// Where.
    pub(crate) address: CollectorAddress,
    /// With the certificate of the sim's shard.
    pub(crate) tls: Arc<ClientConfig>,
}

impl Collector {
    /// Connects; the error is why not, for a person.
    pub(super) async fn connect(&self) -> Result<Stream, String> {
        match timeout(CONNECT_WITHIN, self.try_connect()).await {
            Ok(connected) => connected.map_err(|error| why_broken(&error)),
            Err(_) => Err(format!("it has not answered within {CONNECT_WITHIN:?}")),
        }
    }

    async fn try_connect(&self) -> io::Result<Stream> {
        let CollectorAddress { host, port } = &self.address;
        let socket = TcpStream::connect((host.text(), *port)).await?;
        // Lines are small, and what is written together is together already.
        socket.set_nodelay(true)?;
        keepalive::watch(&socket)?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(host.name(), socket)
            .await?;
        match stream.get_ref().1.alpn_protocol() {
            Some(ALPN) => Ok(stream),
            _ => Err(io::Error::other("it does not speak the protocol of a collector")),
        }
    }
}

pub(super) fn halves(stream: Stream) -> (Reader, Writer) {
    let (reader, writer) = tokio::io::split(stream);
    let lines = LinesCodec::new_with_max_length(LONGEST_LINE);
    (FramedRead::new(reader, lines), writer)
}

/// A message; the error quotes what is none.
pub(super) fn parse(line: &str) -> Result<ToSim, String> {
    const QUOTED: usize = 60;
    serde_json::from_str(line).map_err(|_| {
        let start: String = line.chars().take(QUOTED).collect();
        format!(
            "it has written a line that isn't part of the protocol: {}",
            shown::text(&start)
        )
    })
}

/// Why nothing more is read.
pub(super) fn why_unread(error: &LinesCodecError) -> String {
    match error {
        LinesCodecError::MaxLineLengthExceeded => {
            format!("it has written a line of more than {} KiB", LONGEST_LINE >> 10)
        }
        LinesCodecError::Io(error) if error.kind() == io::ErrorKind::InvalidData && tls(error).is_none() => {
            "it has written a line that isn't text".to_owned()
        }
        LinesCodecError::Io(error) => why_broken(error),
    }
}

fn tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// In the words of a person who can do something about it, where it is about certificates.
pub(super) fn why_broken(error: &io::Error) -> String {
    match tls(error) {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "its certificate is not signed by the CA in the credentials: they are of another fleet, or made at different times"
                .to_owned()
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate is not for this name: `fleet prepare --collector NAME` makes one that is".to_owned(),
        Some(rustls::Error::AlertReceived(_)) => {
            format!("it has refused the sim's certificate or protocol: {error}")
        }
        // What is behind it, as a proxy whose server is gone, does not say goodbye.
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it has closed the connection".to_owned(),
        _ => error.to_string(),
    }
}
