//! Where a run is served.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// An address of this machine. A port alone is one that only this machine reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(pub(super) SocketAddr);

impl Address {
    /// Any free port, for this machine alone.
    pub(crate) fn any() -> Self {
        Self((Ipv4Addr::LOCALHOST, 0).into())
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = text
            .strip_prefix(':')
            .or_else(|| text.strip_prefix("localhost:"))
            .unwrap_or(text);
        if let Ok(port) = port.parse() {
            return Ok(Self((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse()
            .map(Self)
            .map_err(|_| "accepted: a port such as 9464, or an address and a port such as 0.0.0.0:9464".to_owned())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_address_is_for_this_machine_alone() {
        for (text, address) in [
            ("9464", "127.0.0.1:9464"),
            (":9464", "127.0.0.1:9464"),
            ("0", "127.0.0.1:0"),
            ("localhost:9464", "127.0.0.1:9464"),
            ("0.0.0.0:9464", "0.0.0.0:9464"),
            ("[::1]:9464", "[::1]:9464"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), address, "{text}");
        }
        for text in [
            "",
            ":",
            "9464:",
            "65536",
            "-1",
            "example.com:80",
            "127.0.0.1",
            "http://127.0.0.1:1",
            "::1:80:",
        ] {
            assert!(text.parse::<Address>().unwrap_err().contains("9464"), "{text}");
        }
    }
}
