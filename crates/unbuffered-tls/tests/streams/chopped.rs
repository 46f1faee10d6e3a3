//! A transport that takes and gives a few bytes at a time, and often none.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

/// Cuts what is read and what is written by a list of sizes each, again and again. A size of 0 is a poll that finds nothing
/// ready.
#[derive(Debug)]
pub(crate) struct Chopped {
    inner: DuplexStream,
    reads: Sizes,
    writes: Sizes,
}

#[derive(Debug, Clone)]
struct Sizes {
    sizes: Vec<usize>,
    next: usize,
}

impl Sizes {
    fn next(&mut self, cx: &Context<'_>) -> Option<usize> {
        self.next = (self.next + 1) % self.sizes.len();
        let size = self.sizes[self.next];
        if size == 0 {
            cx.waker().wake_by_ref();
            return None;
        }
        Some(size)
    }
}

/// One end that is cut by `sizes`, and one that is not. At most `capacity` bytes are on their way in each direction.
pub(crate) fn pair(sizes: &[usize], capacity: usize) -> (Chopped, DuplexStream) {
    let (inner, other) = duplex(capacity);
    // At least one poll in a round gets something.
    let sizes = Sizes {
        sizes: [sizes, &[1]].concat(),
        next: 0,
    };
    let (reads, writes) = (sizes.clone(), sizes);
    (Chopped { inner, reads, writes }, other)
}

impl AsyncRead for Chopped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(size) = self.reads.next(cx) else {
            return Poll::Pending;
        };
        let mut some = vec![0; size.min(buf.remaining())];
        let mut part = ReadBuf::new(&mut some);
        let read = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        buf.put_slice(part.filled());
        read
    }
}

impl AsyncWrite for Chopped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.writes.next(cx) {
            Some(size) => Pin::new(&mut self.inner).poll_write(cx, &buf[..size.min(buf.len())]),
            None => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
