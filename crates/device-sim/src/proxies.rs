//! The HTTP proxy of this machine's environment, looked up for each host.

use std::fmt;

use mqtt_link::{InvalidProxy, Proxy};

/// What only this machine itself can be reached by. A proxy is another machine.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The values of `HTTPS_PROXY` and `NO_PROXY`, read once. A proxy's address can hold a password, so it is never
/// printed.
#[derive(Clone, Default)]
pub struct Proxies {
    https_proxy: Option<String>,
    no_proxy: Option<String>,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("https_proxy", &self.https_proxy.as_ref().map(|_| "****"))
            .finish_non_exhaustive()
    }
}

impl Proxies {
    /// Reads the variables through `lookup`; the upper-case names come first.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&str; 2]| names.into_iter().find_map(&lookup).filter(|value| !value.is_empty());
        Self {
            https_proxy: first(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: first(["NO_PROXY", "no_proxy"]),
        }
    }

    /// The proxy on the way to a host, if there is one. This machine itself is never reached through a proxy.
    ///
    /// # Errors
    ///
    /// `HTTPS_PROXY` is not the address of an HTTP proxy.
    pub fn to(&self, host: &str, port: u16) -> Result<Option<Proxy>, InvalidProxy> {
        let lookup = |name: &str| match name {
            "HTTPS_PROXY" => self.https_proxy.clone(),
            "NO_PROXY" => Some(format!(
                "{THIS_MACHINE},{}",
                self.no_proxy.as_deref().unwrap_or_default()
            )),
            _ => None,
        };
        Proxy::from_environment(lookup, host, port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(https_proxy: &str, no_proxy: &str) -> Proxies {
        Proxies::from_environment(|name| match name {
            "https_proxy" => Some(https_proxy.to_owned()),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn a_proxy_is_used_for_other_machines_that_are_not_excepted() {
        let proxies = proxies("http://user:secret@proxy.example:3128", ".internal.example");
        assert_eq!(
            proxies.to("hub.azure-devices.net", 8883).unwrap().unwrap().host(),
            "proxy.example"
        );
        for host in ["hub.internal.example", "LOCALHOST", "127.0.0.1", "127.1.2.3", "[::1]"] {
            assert!(proxies.to(host, 8883).unwrap().is_none(), "{host}");
        }
        assert!(!format!("{proxies:?}").contains("secret"));
        assert!(Proxies::default().to("hub.azure-devices.net", 8883).unwrap().is_none());
    }
}
