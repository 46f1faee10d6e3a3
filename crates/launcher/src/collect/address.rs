//! Where a collector is reached.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rustls::pki_types::ServerName;

/// A name or an address of a machine, without a port, as its certificate has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    text: String,
    name: ServerName<'static>,
}

impl Host {
    /// As a certificate and the resolver have it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What the certificate has to be of.
    pub(crate) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
        let text = bare
            .filter(|bare| is_address(bare))
            .unwrap_or(text)
            .to_ascii_lowercase();
        // What looks like an address and is none is not a name either.
        let looks = text
            .split('.')
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        match ServerName::try_from(text.clone()) {
            Ok(name) if is_address(&text) || !looks => Ok(Self { text, name }),
            _ => Err("accepted: a host name such as collector.example.net, or an IP address".to_owned()),
        }
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollectorAddress {
    /// The machine.
    pub(crate) host: Host,
    /// Its port; there is no usual one.
    pub(crate) port: u16,
}

impl FromStr for CollectorAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let accepted = || "accepted: HOST:PORT, such as collector.example.net:9470 or [2001:db8::7]:9470".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(accepted)?;
        // The colons of an address that is not in brackets could be those before a port.
        if host.contains(':') && !host.starts_with('[') {
            return Err(accepted());
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(accepted)?;
        let host = host.parse().map_err(|_| accepted())?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for CollectorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host.text, self.port);
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_reached_by_name_or_address_and_always_with_a_port() {
        for (text, host, shown) in [
            ("collector:9470", "collector", "collector:9470"),
            (
                "Fleet-Collect.example.net:1",
                "fleet-collect.example.net",
                "fleet-collect.example.net:1",
            ),
            ("10.0.0.7:9470", "10.0.0.7", "10.0.0.7:9470"),
            ("[2001:db8::7]:9470", "2001:db8::7", "[2001:db8::7]:9470"),
        ] {
            let address: CollectorAddress = text.parse().unwrap();
            assert_eq!((address.host.text(), address.to_string().as_str()), (host, shown));
        }
        for text in [
            "",
            "collector",
            "collector:",
            "collector:0",
            "collector:65536",
            ":9470",
            "2001:db8::7:9470",
            "[collector]:9470",
            "[2001:db8::7]",
            "https://collector:9470",
            "10.0.0:9470",
            "10.0.0.256:9470",
            "a b:9470",
            "*.example.net:9470",
        ] {
            assert!(
                text.parse::<CollectorAddress>().unwrap_err().contains("HOST:PORT"),
                "{text}"
            );
        }
        assert_eq!("[::1]".parse::<Host>().unwrap().text(), "::1");
        assert_eq!("::1".parse::<Host>().unwrap().text(), "::1");
        assert!("a:1".parse::<Host>().is_err());
    }
}
