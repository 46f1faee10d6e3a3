//! A TCP socket that counts what it could send.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::impaired::{Impaired, Impairment};

/// TCP under TLS. TLS has its own buffer, so only this level shows whether bytes are still being sent.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    written: u64,
    /// On the heap: hardly any connection has one.
    impaired: Option<Box<Impaired>>,
}

impl Socket {
    pub(crate) fn new(tcp: TcpStream, impairment: Option<Impairment>) -> Self {
        Self {
            tcp,
            written: 0,
            impaired: impairment.map(|impairment| Box::new(Impaired::new(impairment))),
        }
    }

    /// How many bytes the system has accepted.
    pub(super) fn written(&self) -> u64 {
        self.written
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.impaired {
            None => Pin::new(&mut this.tcp).poll_read(cx, buf),
            Some(impaired) => impaired.poll_read((&mut this.tcp, &mut this.written), cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(impaired) = &mut this.impaired {
            return impaired.poll_write((&mut this.tcp, &mut this.written), cx, buf);
        }
        let written = ready!(Pin::new(&mut this.tcp).poll_write(cx, buf))?;
        this.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.impaired {
            None => Pin::new(&mut this.tcp).poll_flush(cx),
            Some(impaired) => impaired.poll_flush((&mut this.tcp, &mut this.written), cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.impaired {
            None => Pin::new(&mut this.tcp).poll_shutdown(cx),
            Some(impaired) => impaired.poll_shutdown((&mut this.tcp, &mut this.written), cx),
        }
    }
}
