//! By which name a server of this machine alone is asked.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{StatusCode, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses requests under a foreign name: a page of another site, whose name was made to lead to this machine, could read
/// all else.
pub(super) async fn only_own(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_own) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "ask for 127.0.0.1 or localhost\n").into_response()
}

fn is_own(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for own in ["127.0.0.1:80", "localhost", "LOCALHOST:8080", "[::1]:1", "127.1.2.3"] {
            assert!(is_own(own), "{own}");
        }
        for foreign in [
            "",
            "example.com",
            "localhost.example.com",
            "192.0.2.1:80",
            "127.0.0.1.nip.io",
            "[::2]",
            "a b",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
    }
}
