//! A slow network: what goes over a connection arrives later, in its order.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::time::{Instant, sleep_until};

use super::draw::draw;
use super::rule::Span;

/// What may be under way in one direction.
const ON_THE_WAY: usize = 256 * 1024;
/// Room for what one read brings.
const CHUNK: usize = 16 * 1024;
/// Between the relay and the emulator.
const PIPE: usize = 16 * 1024;

/// Puts a slow line before a stream. The future moves the bytes, and is over when the connection is.
pub(crate) fn slow_line<S: AsyncRead + AsyncWrite + Send>(
    far: S,
    by: Span,
    seed: u64,
    rule: String,
    connection: u64,
) -> (DuplexStream, impl Future<Output = ()> + Send) {
    let (near, pipe) = duplex(PIPE);
    let line = async move {
        let (from_far, to_far) = split(far);
        let (from_near, to_near) = split(pipe);
        let way = |direction: &'static str| {
            let about = format!("connection {connection} {direction}");
            let rule = rule.clone();
            move |number| by.at(draw(seed, &rule, &about, number))
        };
        let inbound = relay(from_far, to_near, way("in"));
        let outbound = relay(from_near, to_far, way("out"));
        let mut inbound = std::pin::pin!(inbound);
        // The emulator's side decides when it is over: after its last byte the client is not waited for.
        let ended = tokio::select! {
            ended = outbound => ended,
            ended = async {
                let ended = inbound.as_mut().await;
                if ended.is_ok() {
                    std::future::pending::<()>().await;
                }
                ended
            } => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a slow connection was cut");
        }
    };
    (near, line)
}

/// Moves bytes from one side to the other, each chunk late by `latency`, but none before the one before it.
async fn relay(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    latency: impl Fn(u64) -> Duration,
) -> io::Result<()> {
    let mut queue: VecDeque<(Instant, Bytes)> = VecDeque::new();
    let (mut queued, mut number, mut ended) = (0, 0, false);
    let mut last = Instant::now();
    let mut buffer = BytesMut::new();
    loop {
        let due = queue.front().map(|(at, _)| *at);
        if due.is_none() && ended {
            return to.shutdown().await;
        }
        buffer.reserve(CHUNK);
        tokio::select! {
            () = sleep_until(due.unwrap_or(last)), if due.is_some() => {
                if let Some((_, chunk)) = queue.pop_front() {
                    queued -= chunk.len();
                    to.write_all(&chunk).await?;
                    to.flush().await?;
                }
            }
            read = from.read_buf(&mut buffer), if !ended && queued < ON_THE_WAY => {
                ended = read? == 0;
                last = last.max(Instant::now() + latency(number));
                number += 1;
                if !ended {
                    let chunk = buffer.split().freeze();
                    queued += chunk.len();
                    queue.push_back((last, chunk));
                } else {
                    // The end takes its time, too.
                    queue.push_back((last, Bytes::new()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_arrive_in_order_and_late_both_ways_and_so_does_the_end() {
        let by = Span(Duration::from_millis(20), Duration::from_millis(60));
        let (mut client, far) = duplex(64);
        let (mut server, line) = slow_line(far, by, 7, "r".into(), 1);
        let line = tokio::spawn(line);

        let sent: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        let start = Instant::now();
        let (to_send, all) = (sent.clone(), sent.len());
        let sender = tokio::spawn(async move {
            client.write_all(&to_send).await.unwrap();
            let mut back = vec![0; 4];
            client.read_exact(&mut back).await.unwrap();
            drop(client);
            back
        });
        let mut received = vec![0; all];
        server.read_exact(&mut received).await.unwrap();
        assert!(start.elapsed() >= by.0, "the way there takes its time");
        assert!(received == sent, "the order is kept");
        let back = Instant::now();
        server.write_all(b"back").await.unwrap();
        assert_eq!(sender.await.unwrap(), b"back");
        assert!(back.elapsed() >= by.0, "the way back takes its time");
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0, "the end arrives");
        drop(server);
        line.await.unwrap();
    }
}
