//! Carries bytes between [`Records`], the socket and the caller.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::buffers::Buffers;
use crate::records::{self, Connection, MOST_PLAINTEXT, Records};
use crate::rest::Rest;

/// A client's stream.
pub type ClientStream<S> = TlsStream<UnbufferedClientConnection, S>;
/// A server's stream.
pub type ServerStream<S> = TlsStream<UnbufferedServerConnection, S>;

/// TLS over `S`, after the handshake.
///
/// It behaves as tokio-rustls' streams do: an end without close_notify is [`io::ErrorKind::UnexpectedEof`], rustls' errors
/// come as [`io::ErrorKind::InvalidData`] with the [`rustls::Error`] inside, and an alert that goes with an error is sent
/// if the socket takes it at once. `poll_write` accepts up to one record, and what the socket does not take is sent by
/// whatever is called next; `poll_shutdown` sends close_notify and closes the other direction only below TLS.
pub struct TlsStream<C, S> {
    socket: S,
    records: Records<C>,
    /// Plaintext for which the reader had no room.
    unread: Rest,
    /// The socket has ended.
    ended: bool,
}

/// Performs a client's handshake with the server of that name.
pub async fn connect<S>(config: Arc<ClientConfig>, name: ServerName<'static>, socket: S) -> io::Result<ClientStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    handshake(records::client(config, name), socket).await
}

/// Performs a server's handshake.
pub async fn accept<S>(config: Arc<ServerConfig>, socket: S) -> io::Result<ServerStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    handshake(records::server(config), socket).await
}

async fn handshake<C, S>(connection: Result<C, rustls::Error>, socket: S) -> io::Result<TlsStream<C, S>>
where
    C: Connection,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = TlsStream {
        records: Records::new(connection.map_err(invalid)?),
        socket,
        unread: Rest::default(),
        ended: false,
    };
    stream.records.begin();
    poll_fn(|cx| stream.poll_handshake(cx)).await?;
    Ok(stream)
}

impl<C: Connection, S> TlsStream<C, S> {
    /// What is below TLS.
    pub fn get_ref(&self) -> &S {
        &self.socket
    }

    /// The chain that the other side has presented, leaf first.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.records.peer_certificates()
    }
}

impl<C, S> TlsStream<C, S>
where
    C: Connection,
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.check(cx)?;
            let sent = self.poll_send(cx)?;
            if sent.is_ready() {
                ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            }
            if !self.records.is_handshaking() {
                return sent.map(Ok);
            }
            if self.ended {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
                return Poll::Ready(Err(error));
            }
            // Also while something is unsent: a peer may not read before it has sent what it has.
            ready!(self.poll_receive(cx, &mut ReadBuf::new(&mut [])))?;
        }
    }

    /// The first error of TLS, if there was one; what goes with it is sent if the socket takes it at once.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(error) = self.records.failure().cloned() else {
            return Ok(());
        };
        // Whether the alert arrives does not change the error.
        let _ = self.poll_send(cx);
        Err(invalid(error))
    }

    /// Reads once from the socket, and decrypts: for the reader as far as it has room, and into `unread` beyond.
    fn poll_receive(&mut self, cx: &mut Context<'_>, reader: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Buffers::lend(|buffers| self.receive_into(cx, reader, &mut buffers.incoming))
    }

    fn receive_into(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut ReadBuf<'_>,
        incoming: &mut [u8],
    ) -> Poll<io::Result<()>> {
        if !self.records.may_read() {
            let error = io::Error::new(io::ErrorKind::InvalidData, "tls handshake message is too large");
            return Poll::Ready(Err(error));
        }
        let mut incoming = ReadBuf::new(incoming);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut incoming))?;
        if incoming.filled().is_empty() {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        let unread = &mut self.unread;
        let mut sink = |plaintext: &[u8]| {
            let (now, later) = plaintext.split_at(plaintext.len().min(reader.remaining()));
            reader.put_slice(now);
            if !later.is_empty() {
                unread.push(later);
            }
        };
        self.records.decrypt(incoming.filled_mut(), &mut sink);
        Poll::Ready(Ok(()))
    }

    /// Sends what is kept for that.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.records.unsent.is_empty() {
            let unsent = self.records.unsent.bytes();
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.records.unsent.consume(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what has just been encrypted as far as the socket takes it, and keeps the rest.
    fn send_or_keep(&mut self, cx: &mut Context<'_>, mut encrypted: &[u8]) -> io::Result<()> {
        // What is kept goes first.
        while self.records.unsent.is_empty() && !encrypted.is_empty() {
            match Pin::new(&mut self.socket).poll_write(cx, encrypted) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => encrypted = &encrypted[sent..],
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        if !encrypted.is_empty() {
            self.records.unsent.push(encrypted);
        }
        Ok(())
    }
}

impl<C, S> AsyncRead for TlsStream<C, S>
where
    C: Connection,
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, reader: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = reader.filled().len();
        if reader.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if !this.unread.is_empty() {
                let bytes = this.unread.bytes();
                let size = bytes.len().min(reader.remaining());
                reader.put_slice(&bytes[..size]);
                this.unread.consume(size);
            }
            if reader.filled().len() > before || this.records.peer_closed() {
                return Poll::Ready(Ok(()));
            }
            this.check(cx)?;
            if this.ended {
                let message = "peer closed the connection without a TLS close_notify";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
            }
            ready!(this.poll_receive(cx, reader))?;
            if !this.records.unsent.is_empty() {
                // An alert, which nothing else may be there to send. It is kept if the socket does not take it; an error
                // of writing is for the next call that writes.
                let _ = this.poll_send(cx);
            }
        }
    }
}

impl<C, S> AsyncWrite for TlsStream<C, S>
where
    C: Connection,
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, plaintext: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        if this.records.closed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let plaintext = &plaintext[..plaintext.len().min(MOST_PLAINTEXT)];
        ready!(this.poll_send(cx))?;
        Buffers::lend(|buffers| {
            match this.records.encrypt(plaintext, &mut buffers.outgoing) {
                Some(size) => this.send_or_keep(cx, &buffers.outgoing[..size])?,
                None => {
                    this.check(cx)?;
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
            }
            Poll::Ready(Ok(plaintext.len()))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // After an error its alert was the last word.
        if !this.records.closed() && this.records.failure().is_none() {
            Buffers::lend(|buffers| match this.records.close(&mut buffers.outgoing) {
                Some(size) => this.send_or_keep(cx, &buffers.outgoing[..size]),
                None => Ok(()),
            })?;
        }
        ready!(this.poll_send(cx))?;
        match ready!(Pin::new(&mut this.socket).poll_shutdown(cx)) {
            // Where nothing is connected any more, that is what was wanted.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            closed => Poll::Ready(closed),
        }
    }
}

impl<C: Connection, S: fmt::Debug> fmt::Debug for TlsStream<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// rustls' own error travels inside an [`io::Error`].
fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_little_more_than_its_connection() {
        // Each of them is there for every device.
        let own = size_of::<ClientStream<()>>() - size_of::<UnbufferedClientConnection>();
        assert!(own <= 112, "{own} bytes");
        let own = size_of::<ServerStream<()>>() - size_of::<UnbufferedServerConnection>();
        assert!(own <= 112, "{own} bytes");
    }
}
