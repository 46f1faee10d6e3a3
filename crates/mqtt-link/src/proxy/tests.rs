//! What names a proxy, and what is sent to it.

use super::*;

fn authorization_of(text: &str) -> Option<String> {
    Proxy::parse(text).unwrap().authorization.map(|value| value.to_string())
}

#[test]
fn host_and_port_are_read_in_every_usual_form() {
    for (text, host, port) in [
        ("http://proxy.example:3128", "proxy.example", 3128),
        ("HTTP://proxy.example:3128/", "proxy.example", 3128),
        ("proxy.example:3128", "proxy.example", 3128),
        (" http://10.0.0.1 ", "10.0.0.1", 80),
        ("http://[::1]:8080", "::1", 8080),
        ("http://user:pa@ss@proxy:1", "proxy", 1),
    ] {
        let proxy = Proxy::parse(text).unwrap();
        assert_eq!((proxy.host(), proxy.port()), (host, port), "{text}");
    }
}

#[test]
fn what_is_no_http_proxy_is_refused_without_revealing_the_password() {
    let scheme = |scheme: &str| InvalidProxy::Scheme {
        scheme: scheme.to_owned(),
    };
    for (text, expected) in [
        ("https://user:secret@proxy:443", scheme("https")),
        ("socks5://user:secret@proxy:1080", scheme("socks5")),
        ("user:secret://proxy", InvalidProxy::Host),
        ("", InvalidProxy::Host),
        ("http://", InvalidProxy::Host),
        ("http://user:secret@", InvalidProxy::Host),
        ("http://user:secret@pro xy", InvalidProxy::Host),
        ("http://user:secret@proxy\r\nX: y", InvalidProxy::Host),
        ("http://[::1:80", InvalidProxy::Host),
        ("http://[proxy]:80", InvalidProxy::Host),
        ("http://[::1]80", InvalidProxy::Host),
        ("http://user:secret@proxy:0", InvalidProxy::Port),
        ("http://user:secret@proxy:65536", InvalidProxy::Port),
        ("http://user:secret@proxy:", InvalidProxy::Port),
        ("http://user:secret@proxy:80/path", InvalidProxy::Path),
        ("http://user:secret@proxy:80?query", InvalidProxy::Path),
        ("http://us%3Aer:secret@proxy", InvalidProxy::Credentials),
        ("http://user:secret%@proxy", InvalidProxy::Credentials),
        ("http://user:secret%4@proxy", InvalidProxy::Credentials),
        ("http://user:secret%zz@proxy", InvalidProxy::Credentials),
        ("http://user:secret%0d%0a@proxy", InvalidProxy::Credentials),
    ] {
        let error = Proxy::parse(text).unwrap_err();
        assert_eq!(error, expected, "{text:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

#[test]
fn credentials_are_decoded_and_never_shown() {
    // The example of RFC 7617.
    let example = "http://Aladdin:open%20sesame@proxy:80";
    assert_eq!(
        authorization_of(example).as_deref(),
        Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    );
    assert_eq!(
        authorization_of("http://a%40b:c%3Ad@proxy").as_deref(),
        Some("Basic YUBiOmM6ZA==")
    );
    assert_eq!(authorization_of("http://user@proxy").as_deref(), Some("Basic dXNlcjo="));
    assert_eq!(authorization_of("http://@proxy"), None);
    let shown = format!("{:?}", Proxy::parse(example).unwrap());
    assert!(shown.contains("****"), "{shown}");
    for secret in ["Aladdin", "sesame", "QWxhZGRp"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn request_names_the_target_and_only_known_credentials() {
    let plain = Proxy::parse("proxy:80").unwrap();
    assert_eq!(
        *plain.request("hub.example", 8883),
        "CONNECT hub.example:8883 HTTP/1.1\r\nHost: hub.example:8883\r\n\r\n"
    );
    let known = Proxy::parse("http://user:x@proxy:80").unwrap();
    assert_eq!(
        *known.request("::1", 443),
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic dXNlcjp4\r\n\r\n"
    );
}

#[test]
fn environment_is_what_the_lookup_says() {
    type Environment = [(&'static str, &'static str)];
    let cases: [(&Environment, Option<&str>); 8] = [
        (&[], None),
        (&[("HTTPS_PROXY", "upper:1"), ("https_proxy", "lower:1")], Some("upper")),
        (&[("HTTPS_PROXY", " "), ("https_proxy", "lower:1")], Some("lower")),
        (&[("HTTP_PROXY", "other:1")], None),
        (&[("https_proxy", "lower:1"), ("NO_PROXY", "hub.example")], None),
        (&[("https_proxy", "lower:1"), ("no_proxy", ".example:8883")], None),
        (
            &[("https_proxy", "lower:1"), ("no_proxy", ".example:443")],
            Some("lower"),
        ),
        // A proxy that is not used need not be valid.
        (&[("https_proxy", "socks5://x"), ("no_proxy", "*")], None),
    ];
    for (environment, expected) in cases {
        let lookup = |name: &str| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let proxy = Proxy::from_environment(lookup, "hub.example", 8883).unwrap();
        assert_eq!(proxy.as_ref().map(Proxy::host), expected, "{environment:?}");
    }
    let socks = |name: &str| (name == "HTTPS_PROXY").then(|| "socks5://proxy:1080".to_owned());
    assert!(Proxy::from_environment(socks, "hub.example", 8883).is_err());
}
