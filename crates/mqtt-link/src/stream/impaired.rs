//! A network that is worse than the real one, for the devices that are to have one: what is written and read is on its
//! way for a while, a limited number of bytes passes in a second, and reading stops now and then.
//!
//! It stands between TLS and TCP, so handshakes are slow too, and nothing is lost or changed.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What may be on its way in one direction: with more, TCP holds the sender back.
const WINDOW: usize = 64 * 1024;
/// What is taken from TCP at once.
const CHUNK: usize = 4 * 1024;

/// How a connection is made worse than its network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impairment {
    /// How long a byte is on its way, in each direction.
    pub latency: Duration,
    /// How many bytes pass in a second, in each direction; without it, as many as there are.
    pub bytes_per_s: Option<NonZeroU64>,
    /// When reading stops.
    pub stalls: Option<Stalls>,
}

/// When a client stops reading. Its connection stays open, and it goes on writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stalls {
    /// For the first time so long after the connection was opened.
    pub first: Duration,
    /// Then once in so long.
    pub every: Duration,
    /// For so long.
    pub lasting: Duration,
}

impl Stalls {
    /// When the stall that there is at `elapsed` is over; `None` while there is none.
    fn end_at(&self, elapsed: Duration) -> Option<Duration> {
        let since_first = elapsed.checked_sub(self.first)?;
        let every = self.every.as_nanos().max(1);
        let into = Duration::from_nanos(u64::try_from(since_first.as_nanos() % every).unwrap_or(u64::MAX));
        let left = self.lasting.checked_sub(into).filter(|left| !left.is_zero())?;
        Some(elapsed + left)
    }
}

/// One direction.
#[derive(Debug)]
struct Way {
    latency: Duration,
    bytes_per_s: Option<NonZeroU64>,
    /// What is on its way, with the instant of its arrival.
    under_way: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    /// When the line has taken up everything so far.
    free_at: Option<Instant>,
}

impl Way {
    fn new(
        Impairment {
            latency, bytes_per_s, ..
        }: Impairment,
    ) -> Self {
        Self {
            latency,
            bytes_per_s,
            under_way: VecDeque::new(),
            bytes: 0,
            free_at: None,
        }
    }

    fn room(&self) -> usize {
        WINDOW.saturating_sub(self.bytes)
    }

    fn take(&mut self, bytes: &[u8], now: Instant) {
        let begins = self.free_at.map_or(now, |free_at| free_at.max(now));
        let takes = self.bytes_per_s.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(bytes.len() as f64 / rate.get() as f64)
        });
        self.free_at = Some(begins + takes);
        self.bytes += bytes.len();
        self.under_way
            .push_back((begins + takes + self.latency, Bytes::copy_from_slice(bytes)));
    }

    /// When the next bytes arrive.
    fn next_arrival(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    fn arrived(&self, now: Instant) -> Option<&Bytes> {
        let (at, bytes) = self.under_way.front()?;
        (*at <= now).then_some(bytes)
    }

    /// So many of the bytes that have arrived are taken away.
    fn advance(&mut self, count: usize) {
        if let Some((_, bytes)) = self.under_way.front_mut() {
            bytes.advance(count);
            self.bytes -= count;
            if bytes.is_empty() {
                self.under_way.pop_front();
            }
        }
    }
}

/// The state of an impaired connection; the socket below it is handed in.
#[derive(Debug)]
pub(super) struct Impaired {
    out: Way,
    back: Way,
    stalls: Option<Stalls>,
    begun: Instant,
    /// How reading has ended, for when everything before that has arrived.
    ended: Option<io::Result<()>>,
    /// How writing has ended.
    broken: Option<io::ErrorKind>,
    timer: Pin<Box<Sleep>>,
}

impl Impaired {
    pub(super) fn new(impairment: Impairment) -> Self {
        let now = Instant::now();
        Self {
            out: Way::new(impairment),
            back: Way::new(impairment),
            stalls: impairment.stalls,
            begun: now,
            ended: None,
            broken: None,
            timer: Box::pin(sleep_until(now)),
        }
    }

    pub(super) fn poll_read<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        (socket, written): (&mut S, &mut u64),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let now = Instant::now();
        // A read also moves what was written: nothing else need wake up for it.
        self.deliver((&mut *socket, written), cx, now);
        let elapsed = now - self.begun;
        if let Some(end) = self.stalls.and_then(|stalls| stalls.end_at(elapsed)) {
            self.wake_at(Some(self.begun + end), cx, now);
            return Poll::Pending;
        }
        self.collect(socket, cx, now);
        if let Some(arrived) = self.back.arrived(now) {
            let count = arrived.len().min(buf.remaining());
            buf.put_slice(&arrived[..count]);
            self.back.advance(count);
            return Poll::Ready(Ok(()));
        }
        if self.back.bytes == 0
            && let Some(ended) = &mut self.ended
        {
            return Poll::Ready(std::mem::replace(ended, Ok(())));
        }
        self.wake_at(self.back.next_arrival(), cx, now);
        Poll::Pending
    }

    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        (socket, written): (&mut S, &mut u64),
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        self.deliver((&mut *socket, &mut *written), cx, now);
        if let Some(kind) = self.broken {
            return Poll::Ready(Err(kind.into()));
        }
        let count = buf.len().min(self.out.room());
        if count > 0 {
            self.out.take(&buf[..count], now);
            // Without latency it is there at once, and nothing would wake the task for it.
            self.deliver((socket, written), cx, now);
        }
        self.wake_at(None, cx, now);
        match count == 0 && !buf.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(Ok(count)),
        }
    }

    /// What is on its way needs no flush, as in any network.
    pub(super) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        (socket, written): (&mut S, &mut u64),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let now = Instant::now();
        self.deliver((&mut *socket, written), cx, now);
        if let Some(kind) = self.broken {
            return Poll::Ready(Err(kind.into()));
        }
        self.wake_at(None, cx, now);
        Pin::new(socket).poll_flush(cx)
    }

    pub(super) fn poll_shutdown<S: AsyncWrite + Unpin>(
        &mut self,
        (socket, written): (&mut S, &mut u64),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let now = Instant::now();
        self.deliver((&mut *socket, written), cx, now);
        if self.broken.is_none() && self.out.bytes > 0 {
            self.wake_at(None, cx, now);
            return Poll::Pending;
        }
        Pin::new(socket).poll_shutdown(cx)
    }

    /// Writes what has arrived at the other end.
    fn deliver<S: AsyncWrite + Unpin>(
        &mut self,
        (socket, written): (&mut S, &mut u64),
        cx: &mut Context<'_>,
        now: Instant,
    ) {
        if self.broken.is_none()
            && let Poll::Ready(Err(error)) = self.poll_deliver((socket, written), cx, now)
        {
            self.broken = Some(error.kind());
        }
    }

    fn poll_deliver<S: AsyncWrite + Unpin>(
        &mut self,
        (socket, written): (&mut S, &mut u64),
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        while let Some(arrived) = self.out.arrived(now) {
            let count = ready!(Pin::new(&mut *socket).poll_write(cx, arrived))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count as u64;
            self.out.advance(count);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes from TCP what is there, up to the window.
    fn collect<S: AsyncRead + Unpin>(&mut self, socket: &mut S, cx: &mut Context<'_>, now: Instant) {
        let mut chunk = [0; CHUNK];
        while self.ended.is_none() && self.back.room() >= CHUNK {
            let mut read = ReadBuf::new(&mut chunk);
            match Pin::new(&mut *socket).poll_read(cx, &mut read) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => self.ended = Some(Err(error)),
                Poll::Ready(Ok(())) if read.filled().is_empty() => self.ended = Some(Ok(())),
                Poll::Ready(Ok(())) => self.back.take(read.filled(), now),
            }
        }
    }

    /// Has the task polled again at `at`, or when the next bytes arrive at the other end, whichever is first. What has
    /// arrived there already waits for TCP, which wakes the task itself.
    fn wake_at(&mut self, at: Option<Instant>, cx: &mut Context<'_>, now: Instant) {
        let arrival = self.out.next_arrival().filter(|at| *at > now);
        let Some(at) = at.into_iter().chain(arrival).min() else {
            return;
        };
        self.timer.as_mut().reset(at);
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
