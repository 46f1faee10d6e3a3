//! Local addresses at which connections begin, in turns.
//!
//! A connection takes a local port, of which Linux has some 28,000 for each pair of a local address and a server: a client
//! that needs more connections to one server needs more addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpSocket, TcpStream};

/// Local addresses that take turns. All connections that are to be spread over them share one of these.
#[derive(Debug)]
pub struct SourceAddresses {
    v4: Turns,
    v6: Turns,
}

/// Addresses of one family.
#[derive(Debug, Default)]
struct Turns {
    addresses: Vec<IpAddr>,
    next: AtomicUsize,
}

impl Turns {
    /// All of them, beginning with the one whose turn it is.
    fn take(&self) -> impl Iterator<Item = IpAddr> {
        let count = self.addresses.len();
        let begin = self.next.fetch_add(1, Ordering::Relaxed);
        (0..count).map(move |at| self.addresses[begin.wrapping_add(at) % count])
    }
}

impl FromIterator<IpAddr> for SourceAddresses {
    fn from_iter<T: IntoIterator<Item = IpAddr>>(addresses: T) -> Self {
        let (v4, v6) = addresses.into_iter().partition(IpAddr::is_ipv4);
        let turns = |addresses| Turns {
            addresses,
            next: AtomicUsize::new(0),
        };
        Self {
            v4: turns(v4),
            v6: turns(v6),
        }
    }
}

impl SourceAddresses {
    /// Connects from the address whose turn it is, or from the next one that has a port left.
    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let (turns, family) = match to.is_ipv4() {
            true => (&self.v4, "IPv4"),
            false => (&self.v6, "IPv6"),
        };
        let mut failure = io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            format!("there is no source address of {family} for {to}"),
        );
        for source in turns.take() {
            match connect_from(source, to).await {
                Err(error) if is_taken(&error) => failure = error,
                done => return done,
            }
        }
        Err(failure)
    }
}

/// Whether a connection could still begin at another address.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse)
}

async fn connect_from(source: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Otherwise the port is chosen by `bind`, which doesn't know the server: each would be used once on this address,
    // whatever server it is for.
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(to).await
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn addresses_take_turns_and_one_that_is_not_there_is_passed_over() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let to = server.local_addr().unwrap();
        // 198.51.100.1 is for documentation, and no machine's.
        let sources = ["127.0.0.2", "198.51.100.1", "127.0.0.3", "::1"];
        let sources: SourceAddresses = sources.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect();
        let mut seen = Vec::new();
        for _ in 0..4 {
            let tcp = sources.connect(to).await.unwrap();
            seen.push(tcp.local_addr().unwrap().ip().to_string());
        }
        assert_eq!(seen, ["127.0.0.2", "127.0.0.3", "127.0.0.3", "127.0.0.2"]);
    }

    #[tokio::test]
    async fn a_server_of_a_family_without_an_address_is_named() {
        let sources: SourceAddresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)].into_iter().collect();
        let error = sources.connect("[::1]:9".parse().unwrap()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (
                io::ErrorKind::AddrNotAvailable,
                "there is no source address of IPv6 for [::1]:9"
            )
        );
    }

    #[tokio::test]
    async fn a_refusal_of_the_server_is_no_reason_to_try_another_address() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let to = server.local_addr().unwrap();
        drop(server);
        let sources: SourceAddresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)].into_iter().collect();
        let error = sources.connect(to).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
