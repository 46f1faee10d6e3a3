//! What carries the packets: TLS over TCP, with WebSocket frames in between or without.

mod impaired;
mod socket;
mod web_socket;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use unbuffered_tls::ClientStream;

pub use self::impaired::{Impairment, Stalls};
pub(crate) use self::socket::Socket;
pub use self::web_socket::WebSocketFault;
pub(crate) use self::web_socket::{PATH, SUBPROTOCOL, WebSocket, websocket_config};

/// One enum for all transports, so that plain TLS pays nothing for WebSocket, neither in time nor in memory.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the usual variant is the large one, and the link keeps it on the heap already"
)]
pub(crate) enum Stream {
    Tls(ClientStream<Socket>),
    WebSocket(Box<WebSocket<ClientStream<Socket>>>),
}

impl Stream {
    /// How many bytes the system has accepted so far, TLS included: if this does not grow, the server is not reading.
    pub(crate) fn written(&self) -> u64 {
        let tls = match self {
            Self::Tls(tls) => tls,
            Self::WebSocket(socket) => socket.get_ref(),
        };
        tls.get_ref().written()
    }

    /// The last step after shutdown and the server's own close: TLS's close_notify, unless shutdown has sent it.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(_) => Ok(()),
            Self::WebSocket(socket) => socket.get_mut().shutdown().await,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Self::WebSocket(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            Self::WebSocket(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Self::WebSocket(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Self::WebSocket(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
