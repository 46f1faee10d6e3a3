//! An HTTP proxy to go through, and when not to.

mod no_proxy;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use self::no_proxy::no_proxy;

/// What `http` stands for.
const DEFAULT_PORT: u16 = 80;

/// An HTTP proxy that opens tunnels with CONNECT. TLS goes through it to the server itself: the proxy sees names and
/// sizes, and nothing else. Its credentials can't be printed, and their memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Zeroizing<String>>,
}

/// Why a text does not name a proxy. The text itself is not included, as it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// Only `http://` is supported; the connection inside is encrypted anyway.
    #[error("proxy scheme `{scheme}` is not supported, only http is")]
    Scheme {
        /// The text before `://`.
        scheme: String,
    },
    /// The host is missing, or has characters that no host has.
    #[error("proxy has no valid host, http://user:password@host:port is expected")]
    Host,
    /// The port is not a number from 1 to 65,535.
    #[error("proxy port is not a number from 1 to 65535")]
    Port,
    /// There is a path, a query or a fragment.
    #[error("proxy has a path, http://user:password@host:port is expected")]
    Path,
    /// A percent sign without two hexadecimal digits, or a user name with a colon or a control character.
    #[error("proxy user name or password is not valid, special characters are written as %40 for @")]
    Credentials,
}

impl Proxy {
    /// Reads `http://user:password@host:port`. The credentials are percent-encoded and may be missing, as may the port
    /// (80) and, as is usual in environment variables, the scheme.
    pub fn parse(text: &str) -> Result<Self, InvalidProxy> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if is_scheme(scheme) => {
                return Err(InvalidProxy::Scheme {
                    scheme: scheme.to_owned(),
                });
            }
            Some(_) => return Err(InvalidProxy::Host),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // A password may hold anything but these, which end this part of an address.
        if rest.contains(['/', '?', '#']) {
            return Err(InvalidProxy::Path);
        }
        let (user_info, authority) = match rest.rsplit_once('@') {
            Some((user_info, authority)) => (Some(user_info), authority),
            None => (None, rest),
        };
        let (host, port) = host_and_port(authority)?;
        Ok(Self {
            host: host.to_owned(),
            port: port.unwrap_or(DEFAULT_PORT),
            authorization: user_info
                .filter(|info| !info.is_empty())
                .map(authorization)
                .transpose()?,
        })
    }

    /// The proxy that the environment names for a TLS connection to `host` and `port`, if any: the first of
    /// `HTTPS_PROXY` and `https_proxy` that is not empty, unless `NO_PROXY` or `no_proxy` excepts the host. That is a
    /// list of names separated by commas, in upper or lower case:
    ///
    /// | entry | matches |
    /// | --- | --- |
    /// | `*` | every host |
    /// | `azure-devices.net`, `.azure-devices.net` | this host and every host below it |
    /// | `10.0.0.7`, `::1`, `[::1]` | this address, if it is connected to by address |
    /// | `10.0.0.0/8`, `fd00::/8` | every address of this range, likewise |
    /// | any of them with `:8883` | the same, at this port only (an IPv6 address needs its brackets then) |
    ///
    /// Names are not looked up. Variables are read through `lookup` only.
    pub fn from_environment(
        lookup: impl Fn(&str) -> Option<String>,
        host: &str,
        port: u16,
    ) -> Result<Option<Self>, InvalidProxy> {
        let first = |names: [&str; 2]| {
            names
                .into_iter()
                .filter_map(&lookup)
                .find(|value| !value.trim().is_empty())
        };
        let Some(proxy) = first(["HTTPS_PROXY", "https_proxy"]).map(Zeroizing::new) else {
            return Ok(None);
        };
        if first(["NO_PROXY", "no_proxy"]).is_some_and(|list| no_proxy(&list, host, port)) {
            return Ok(None);
        }
        Self::parse(&proxy).map(Some)
    }

    /// The proxy's host name or IP literal.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The proxy's port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as messages name them.
    pub(crate) fn name(&self) -> String {
        authority(&self.host, self.port)
    }

    /// The request that opens a tunnel. It may hold a password.
    pub(crate) fn request(&self, host: &str, port: u16) -> Zeroizing<String> {
        let target = authority(host, port);
        let mut request = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
        if let Some(authorization) = &self.authorization {
            // Allocated once: a text that grows leaves copies behind.
            let mut with_credentials = String::with_capacity(request.len() + authorization.len() + 32);
            with_credentials.push_str(&request);
            with_credentials.push_str("Proxy-Authorization: ");
            with_credentials.push_str(authorization);
            with_credentials.push_str("\r\n");
            request = Zeroizing::new(with_credentials);
        }
        request.push_str("\r\n");
        request
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("authorization", &self.authorization.as_ref().map(|_| "****"))
            .finish()
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), InvalidProxy> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(InvalidProxy::Host)?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(port),
                None if after.is_empty() => None,
                None => return Err(InvalidProxy::Host),
            };
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(InvalidProxy::Host);
            }
            (host, port)
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            let in_a_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            if host.is_empty() || !host.chars().all(in_a_host) {
                return Err(InvalidProxy::Host);
            }
            (host, port)
        }
    };
    let port = match port {
        None => None,
        Some(digits) => Some(
            digits
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or(InvalidProxy::Port)?,
        ),
    };
    Ok((host, port))
}

/// Basic credentials ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)) from `user:password`, percent-encoded.
fn authorization(user_info: &str) -> Result<Zeroizing<String>, InvalidProxy> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let (user, password) = (decoded(user)?, decoded(password)?);
    if user.contains(&b':') {
        return Err(InvalidProxy::Credentials);
    }
    let mut both = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
    both.extend_from_slice(&user);
    both.push(b':');
    both.extend_from_slice(&password);
    let encoded = Zeroizing::new(STANDARD.encode(&*both));
    Ok(Zeroizing::new(format!("Basic {}", *encoded)))
}

fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, InvalidProxy> {
    let well_formed = text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes();
        digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
    });
    let decoded = Zeroizing::new(percent_decode_str(text).collect::<Vec<u8>>());
    if !well_formed || decoded.iter().any(u8::is_ascii_control) {
        return Err(InvalidProxy::Credentials);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests;
