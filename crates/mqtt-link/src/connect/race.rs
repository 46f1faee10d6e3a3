//! A host with several addresses: one that does not answer must not keep the others waiting. After
//! [RFC 8305](https://www.rfc-editor.org/rfc/rfc8305#section-5) (Happy Eyeballs): an attempt every quarter of a second,
//! and the first socket that opens is used.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::SourceAddresses;

/// What RFC 8305 recommends as the connection attempt delay.
const NEXT_AFTER: Duration = Duration::from_millis(250);
/// At most this many silent addresses are logged, once each per process: all its devices meet the same ones.
const NAMED: usize = 16;

/// The first socket that opens. Attempts still under way then are dropped, and their sockets closed.
pub(super) async fn first_to_answer(
    host: &str,
    addresses: &[SocketAddr],
    sources: Option<&SourceAddresses>,
) -> io::Result<TcpStream> {
    // One address is the usual case, and needs none of this.
    if let [only] = addresses {
        return open(*only, sources).await.1;
    }
    let mut waiting = alternating(addresses).into_iter();
    let mut silent: Vec<SocketAddr> = Vec::new();
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "host has no address");
    let mut next = Some(Instant::now());
    loop {
        if attempts.is_empty() && waiting.len() == 0 {
            return Err(failure);
        }
        tokio::select! {
            // An answer that has arrived is used before another address is tried.
            biased;
            Some((address, attempted)) = attempts.next() => {
                silent.retain(|other| *other != address);
                match attempted {
                    Ok(tcp) => {
                        name(host, &silent, address);
                        return Ok(tcp);
                    }
                    Err(error) => {
                        debug!(%address, %error, "address refused the connection");
                        failure = error;
                        // A refusal is an answer; the wait for this address is over.
                        next = Some(Instant::now());
                    }
                }
            }
            () = at(next) => match waiting.next() {
                Some(address) => {
                    silent.push(address);
                    attempts.push(open(address, sources));
                    next = Some(Instant::now() + NEXT_AFTER);
                }
                None => next = None,
            },
        }
    }
}

async fn open(address: SocketAddr, sources: Option<&SourceAddresses>) -> (SocketAddr, io::Result<TcpStream>) {
    let opened = async {
        let tcp = match sources {
            None => TcpStream::connect(address).await,
            Some(sources) => sources.connect(address).await,
        }?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    };
    (address, opened.await)
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

/// The families take turns, beginning with the one that the resolver puts first; within a family its order stays.
fn alternating(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let same = |address: &SocketAddr| address.is_ipv6() == first;
    let (mut ours, mut others): (Vec<_>, Vec<_>) = addresses.iter().copied().partition(same);
    ours.reverse();
    others.reverse();
    let mut order = Vec::with_capacity(addresses.len());
    while !(ours.is_empty() && others.is_empty()) {
        order.extend(ours.pop());
        order.extend(others.pop());
    }
    order
}

/// Logs the addresses that had not answered when another one did.
fn name(host: &str, silent: &[SocketAddr], answered: SocketAddr) {
    static NAMED_ALREADY: Mutex<Vec<IpAddr>> = Mutex::new(Vec::new());
    if silent.is_empty() {
        return;
    }
    let mut named = NAMED_ALREADY.lock().unwrap_or_else(PoisonError::into_inner);
    for address in silent {
        if named.len() < NAMED && !named.contains(&address.ip()) {
            named.push(address.ip());
            warn!("{host}: {address} does not answer, {answered} does; it is used instead");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_families_take_turns() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(|text| text.parse().unwrap());
        let order: Vec<_> = alternating(&addresses).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(alternating(&[]), []);
    }

    /// A listener whose queue is full: the kernel drops further SYNs, as a firewall does.
    #[cfg(target_os = "linux")]
    async fn hole() -> (TcpListener, SocketAddr, Vec<TcpStream>) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(Ok(tcp)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queue.push(tcp);
        }
        (listener, address, queue)
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
        let (_listener, silent, _queue) = hole().await;
        let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = answering.local_addr().unwrap();
        let begun = Instant::now();
        let tcp = first_to_answer("two.example", &[silent, address], None).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), address);
        assert!(begun.elapsed() >= NEXT_AFTER, "the first address was given its chance");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_and_the_last_one_is_the_reason() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = gone.local_addr().unwrap();
        drop(gone);
        let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = answering.local_addr().unwrap();
        let tcp = first_to_answer("two.example", &[refusing, address], None)
            .await
            .unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), address);
        for addresses in [&[refusing][..], &[refusing, refusing]] {
            let error = first_to_answer("one.example", addresses, None).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
    }
}
