//! Which hosts are reached without a proxy.

use hyper_util::client::proxy::matcher::Matcher;
use tokio_tungstenite::tungstenite::http::Uri;

use super::authority;

/// Whether `host` at `port` is in a `NO_PROXY` list, as [`Proxy::from_environment`](super::Proxy::from_environment)
/// describes it.
///
/// Names, suffixes, addresses and ranges are matched by the code that reqwest uses too, so that the REST API and the
/// hub are reached in the same way. It has no ports, and it ends no name with a dot: both are removed here first. Nor
/// does its `*` match addresses.
pub(super) fn no_proxy(list: &str, host: &str, port: u16) -> bool {
    let entries: Vec<&str> = list
        .split(',')
        .filter_map(|entry| {
            let (name, only_port) = split_port(entry.trim());
            only_port.is_none_or(|only| only == port).then(|| bare(name))
        })
        .collect();
    if entries.contains(&"*") {
        return true;
    }
    // The matcher is asked about the exceptions only, so any proxy will do.
    let matcher = Matcher::builder()
        .https("http://proxy.invalid")
        .no(entries.join(","))
        .build();
    format!("https://{}", authority(bare(host), port))
        .parse::<Uri>()
        .is_ok_and(|uri| matcher.intercept(&uri).is_none())
}

/// An entry with two colons and no brackets is an IPv6 address without a port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') => match digits.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

/// Without brackets, and without the dot that ends an absolute name.
fn bare(host: &str) -> &str {
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_matches_hosts_domains_addresses_ranges_ports_and_everything() {
        for (list, host, port, expected) in [
            ("", "hub.example", 443, false),
            (" , ,", "hub.example", 443, false),
            ("*", "hub.example", 443, true),
            ("*", "10.0.0.7", 443, true),
            ("*", "::1", 443, true),
            ("other, *", "hub.example", 443, true),
            ("*:8883", "hub.example", 8883, true),
            ("*:8883", "hub.example", 443, false),
            ("*.example", "hub.example", 443, false),
            ("hub.example", "hub.example", 443, true),
            ("a.example, HUB.Example ", "hub.EXAMPLE", 443, true),
            ("hub.example.", "hub.example", 443, true),
            ("hub.example", "hub.example.", 443, true),
            ("hub.example", "a.hub.example", 443, true),
            ("hub.example", "ahub.example", 443, false),
            ("hub.example", "hub.example.net", 443, false),
            ("a.hub.example", "hub.example", 443, false),
            (".example", "hub.example", 443, true),
            (".EXAMPLE", "a.hub.example", 443, true),
            (".example", "example", 443, true),
            (".example", "badexample", 443, false),
            (".", "hub.example", 443, false),
            ("hub.example:443", "hub.example", 443, true),
            ("hub.example:443", "hub.example", 8883, false),
            (".example:8883", "hub.example", 8883, true),
            ("hub.example:x", "hub.example", 443, false),
            ("hub.example:99999", "hub.example", 443, false),
            ("127.0.0.1", "127.0.0.1", 443, true),
            ("127.0.0.1", "127.0.0.2", 443, false),
            ("10.0.0.7:8883", "10.0.0.7", 8883, true),
            ("10.0.0.7:8883", "10.0.0.7", 443, false),
            ("10.0.0.0/8", "10.255.0.7", 443, true),
            ("10.0.0.0/8", "11.0.0.7", 443, false),
            ("10.0.0.7/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "10.example", 443, false),
            ("hub.example, 192.168.0.0/16", "192.168.7.7", 443, true),
            ("10.0.0.0/8:8883", "10.0.0.7", 8883, true),
            ("10.0.0.0/8:8883", "10.0.0.7", 443, false),
            ("10.0.0.0/33", "10.0.0.7", 443, false),
            ("0.0.0.0/0", "hub.example", 443, false),
            ("::1", "::1", 443, true),
            ("[::1]", "::1", 443, true),
            ("::1", "[::1]", 443, true),
            ("0:0::0:1", "::1", 443, true),
            ("FD00::a", "fd00::A", 443, true),
            ("[::1]:443", "::1", 443, true),
            ("[::1]:443", "::1", 8883, false),
            ("fd00::/8", "fdff::7", 443, true),
            ("fd00::/8", "[fd12::7]", 443, true),
            ("fd00::/8", "fe80::7", 443, false),
            ("fd00::/8", "10.0.0.7", 443, false),
            ("[fd00::/8]:8883", "fdff::7", 8883, true),
            ("[fd00::/8]:8883", "fdff::7", 443, false),
        ] {
            assert_eq!(no_proxy(list, host, port), expected, "{list:?} for {host} {port}");
        }
    }
}
