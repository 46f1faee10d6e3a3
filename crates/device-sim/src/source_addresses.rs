//! The addresses at which connections are to begin have to be this machine's.

use std::io;
use std::net::{IpAddr, UdpSocket};

/// As many are named.
const NAMED: usize = 5;

/// Addresses that aren't this machine's, or can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", words(.0))]
pub struct NotOurs(Vec<(IpAddr, io::Error)>);

fn words(addresses: &[(IpAddr, io::Error)]) -> String {
    let lines = addresses.iter().take(NAMED).map(|(address, error)| match error.kind() {
        io::ErrorKind::AddrNotAvailable => format!("source address {address} is none of this machine's"),
        _ => format!("source address {address} can't be used: {error}"),
    });
    let more = addresses
        .len()
        .checked_sub(NAMED + 1)
        .map(|more| format!("and {} more", more + 1));
    lines.chain(more).collect::<Vec<_>>().join("\n")
}

/// Checks that connections can begin at all of them.
///
/// # Errors
///
/// At some they can't.
pub fn ensure_ours(addresses: &[IpAddr]) -> Result<(), NotOurs> {
    // A datagram socket takes no port from those of connections.
    let refused = |address: &IpAddr| UdpSocket::bind((*address, 0)).err().map(|error| (*address, error));
    let refused: Vec<_> = addresses.iter().filter_map(refused).collect();
    match refused.is_empty() {
        true => Ok(()),
        false => Err(NotOurs(refused)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_other_machines_are_named_all_at_once() {
        // 198.51.100.0/24 is for documentation, and no machine's.
        let ours: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap(), "127.0.0.9".parse().unwrap()];
        ensure_ours(&ours).unwrap();
        let others = (1..=7).map(|last| IpAddr::from([198, 51, 100, last]));
        let all: Vec<_> = ours.into_iter().chain(others).collect();
        let words = ensure_ours(&all).unwrap_err().to_string();
        assert_eq!(words.lines().count(), 6, "{words}");
        assert!(
            words.starts_with("source address 198.51.100.1 is none of this machine's\n"),
            "{words}"
        );
        assert!(words.ends_with("\nand 2 more"), "{words}");
    }
}
