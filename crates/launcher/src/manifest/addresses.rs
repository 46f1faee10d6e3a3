//! Addresses of this machine: one, a range or a network.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpAddrRange, IpNet, Ipv4AddrRange, Ipv6AddrRange};
use settings::written_as_text;

pub(super) const ADDRESSES_FORM: &str = r#"an address of this machine, such as "10.0.0.4", a range of them, such as "10.0.0.4-10.0.0.9", or the hosts of a network, such as "10.0.0.0/29""#;
/// More would be a typing error, and fill the memory: they carry over 100 million connections to one server.
const MOST: usize = 4096;

/// Addresses of this machine, at most 4096.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    range: IpAddrRange,
    written: String,
}

impl Addresses {
    /// One after the other.
    #[must_use]
    pub fn each(&self) -> IpAddrRange {
        self.range
    }
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let written = text.trim();
        let address = |text: &str| {
            let text = text.trim();
            text.parse::<IpAddr>()
                .map_err(|_| format!("`{text}` is not an IP address"))
        };
        let range = if written.contains('/') {
            let network: IpNet = written.parse().map_err(|_| format!("`{written}` is not a network"))?;
            network.hosts()
        } else if let Some((first, last)) = written.split_once('-') {
            between(address(first)?, address(last)?)
                .ok_or_else(|| format!("`{written}` is not a range of addresses"))?
        } else {
            let one = address(written)?;
            between(one, one).ok_or_else(|| format!("`{written}` is not an IP address"))?
        };
        if range.clone().nth(MOST).is_some() {
            return Err(format!("`{written}` has more than {MOST} addresses"));
        }
        Ok(Self {
            range,
            written: written.to_owned(),
        })
    }
}

/// From one to the other, where they are of one family and in this order.
fn between(first: IpAddr, last: IpAddr) -> Option<IpAddrRange> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(IpAddrRange::V4(Ipv4AddrRange::new(first, last)))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            Some(IpAddrRange::V6(Ipv6AddrRange::new(first, last)))
        }
        _ => None,
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

written_as_text!(
    Addresses,
    ADDRESSES_FORM,
    r"^\s*[0-9a-fA-F:.]+\s*([-/]\s*[0-9a-fA-F:.]+\s*)?$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_range_and_a_network_are_their_addresses() {
        for (written, first, last, count) in [
            ("10.0.0.4", "10.0.0.4", "10.0.0.4", 1),
            (" 127.0.0.2 - 127.0.0.9 ", "127.0.0.2", "127.0.0.9", 8),
            ("10.0.0.0/29", "10.0.0.1", "10.0.0.6", 6),
            ("10.0.0.7/32", "10.0.0.7", "10.0.0.7", 1),
            ("fd00::1-fd00::3", "fd00::1", "fd00::3", 3),
            ("10.0.0.0-10.0.15.255", "10.0.0.0", "10.0.15.255", 4096),
        ] {
            let read: Addresses = written.parse().unwrap();
            let all: Vec<_> = read.each().map(|address| address.to_string()).collect();
            assert_eq!(
                (all.len(), &*all[0], &*all[count - 1]),
                (count, first, last),
                "{written}"
            );
            assert_eq!(read.to_string(), written.trim());
        }
    }

    #[test]
    fn what_is_none_of_them_is_refused_in_words() {
        for (written, words) in [
            ("", "`` is not an IP address"),
            ("localhost", "`localhost` is not an IP address"),
            ("10.0.0.4:80", "`10.0.0.4:80` is not an IP address"),
            ("10.0.0.9-10.0.0.4", "`10.0.0.9-10.0.0.4` is not a range of addresses"),
            ("10.0.0.9-fd00::1", "`10.0.0.9-fd00::1` is not a range of addresses"),
            ("10.0.0.0/33", "`10.0.0.0/33` is not a network"),
            ("10.0.0.0/8", "`10.0.0.0/8` has more than 4096 addresses"),
            ("fd00::/64", "`fd00::/64` has more than 4096 addresses"),
        ] {
            assert_eq!(written.parse::<Addresses>().unwrap_err(), words);
        }
    }
}
