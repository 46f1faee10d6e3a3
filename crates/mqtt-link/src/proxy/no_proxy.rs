//! Which hosts are reached without a proxy.

/// Whether `host` at `port` is in a `NO_PROXY` list: names separated by commas, in upper or lower case.
///
/// | entry | matches |
/// | --- | --- |
/// | `*` | every host |
/// | `hub1.azure-devices.net` | this host, not those below it |
/// | `.azure-devices.net` | every host below this domain |
/// | `10.0.0.7`, `::1`, `[::1]` | this address, if it is connected to by address |
/// | any of them with `:8883` | the same, at this port only (an IPv6 address needs its brackets then) |
///
/// Names are not looked up, and address ranges (`10.0.0.0/8`) are not supported.
pub fn no_proxy(list: &str, host: &str, port: u16) -> bool {
    let host = bare(host).to_ascii_lowercase();
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| matches(&entry.to_ascii_lowercase(), &host, port))
}

fn matches(entry: &str, host: &str, port: u16) -> bool {
    let (name, only_port) = split_port(entry);
    if only_port.is_some_and(|only| only != port) {
        return false;
    }
    match bare(name) {
        "*" => true,
        // The dot stays in the suffix, so that `.net` does not match `subnet`; and something has to come before it.
        name if name.starts_with('.') => host.len() > name.len() && host.ends_with(name),
        name => !name.is_empty() && name == host,
    }
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
    fn list_matches_hosts_suffixes_ports_and_everything() {
        for (list, host, port, expected) in [
            ("", "hub.example", 443, false),
            (" , ,", "hub.example", 443, false),
            ("*", "hub.example", 443, true),
            ("other, *", "hub.example", 443, true),
            ("hub.example", "hub.example", 443, true),
            ("a.example, HUB.Example ", "hub.EXAMPLE", 443, true),
            ("hub.example.", "hub.example", 443, true),
            ("hub.example", "hub.example.", 443, true),
            ("hub.example", "a.hub.example", 443, false),
            ("hub.example", "ahub.example", 443, false),
            (".example", "hub.example", 443, true),
            (".example", "a.hub.example", 443, true),
            (".example", "example", 443, false),
            (".example", "badexample", 443, false),
            (".", "hub.example", 443, false),
            ("hub.example:443", "hub.example", 443, true),
            ("hub.example:443", "hub.example", 8883, false),
            (".example:8883", "hub.example", 8883, true),
            ("*:8883", "hub.example", 443, false),
            ("hub.example:x", "hub.example", 443, false),
            ("hub.example:99999", "hub.example", 443, false),
            ("127.0.0.1", "127.0.0.1", 443, true),
            ("127.0.0.1", "127.0.0.2", 443, false),
            ("::1", "::1", 443, true),
            ("[::1]", "::1", 443, true),
            ("::1", "[::1]", 443, true),
            ("[::1]:443", "::1", 443, true),
            ("[::1]:443", "::1", 8883, false),
        ] {
            assert_eq!(no_proxy(list, host, port), expected, "{list:?} for {host} {port}");
        }
    }
}
