//! An impaired connection in virtual time.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// An impaired client's stream.
struct Client {
    socket: DuplexStream,
    written: u64,
    impaired: Impaired,
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.impaired.poll_read((&mut this.socket, &mut this.written), cx, buf)
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.impaired.poll_write((&mut this.socket, &mut this.written), cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.impaired.poll_flush((&mut this.socket, &mut this.written), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.impaired.poll_shutdown((&mut this.socket, &mut this.written), cx)
    }
}

fn pair(latency_ms: u64, bytes_per_s: Option<u64>, stalls: Option<Stalls>) -> (Client, DuplexStream) {
    let (socket, server) = duplex(1024 * 1024);
    let impairment = Impairment {
        latency: Duration::from_millis(latency_ms),
        bytes_per_s: bytes_per_s.and_then(NonZeroU64::new),
        stalls,
    };
    let client = Client {
        socket,
        written: 0,
        impaired: Impaired::new(impairment),
    };
    (client, server)
}

/// Answers each byte, until there are no more.
async fn echo(mut server: DuplexStream) {
    let mut byte = [0];
    while server.read(&mut byte).await.unwrap() > 0 {
        server.write_all(&byte).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_trip_takes_the_latency_of_both_directions() {
    let (mut client, server) = pair(300, None, None);
    tokio::spawn(echo(server));
    let begun = Instant::now();
    client.write_all(b"a").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'a');
    let took = begun.elapsed();
    assert!((600..=605).contains(&took.as_millis()), "{took:?}");
    assert_eq!(client.written, 1);
}

#[tokio::test(start_paused = true)]
async fn the_bandwidth_bounds_what_passes_and_nothing_is_lost() {
    let (mut client, mut server) = pair(0, Some(10_000), None);
    let sent: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
    let begun = Instant::now();
    let expected = sent.clone();
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert!(all == expected, "{} bytes", all.len());
    });
    client.write_all(&sent).await.unwrap();
    client.shutdown().await.unwrap();
    drop(client);
    reading.await.unwrap();
    let took = begun.elapsed();
    assert!((20_000..=20_100).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn in_a_stall_nothing_is_read_and_writing_goes_on() {
    let stalls = Stalls {
        first: Duration::from_secs(10),
        every: Duration::from_secs(60),
        lasting: Duration::from_secs(20),
    };
    let (mut client, mut server) = pair(0, None, Some(stalls));
    let begun = Instant::now();
    for (sent_at, read_at) in [(5, 5), (12, 30), (31, 31), (75, 90)] {
        tokio::time::sleep_until(begun + Duration::from_secs(sent_at)).await;
        server.write_all(b"a").await.unwrap();
        client.write_all(b"b").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'b');
        assert_eq!(begun.elapsed().as_secs(), sent_at);
        client.read_u8().await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), read_at);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_comes_after_what_was_sent_before_it() {
    let (mut client, mut server) = pair(500, None, None);
    server.write_all(b"last words").await.unwrap();
    drop(server);
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last words");
    // To a socket that is closed, writing fails once what was written has arrived there.
    client.write_all(b"x").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.flush().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
