//! A server of a run for browsers and scrapers, on this machine unless told otherwise. Its end is bounded.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{StatusCode, uri::Authority};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use device_sim::hint::Hint;
use tokio::task::JoinHandle;

use crate::exit::Failure;

/// How long the head of a request may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 16 * 1024;
/// What has not been sent when the run ends has so long.
const GRACE: Duration = Duration::from_secs(1);

/// A port that is taken, and on which nothing is answered yet.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

/// A server until its end.
#[derive(Debug)]
pub(crate) struct Server {
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Listener {
    /// Takes the port that `flag` asks for.
    ///
    /// # Errors
    ///
    /// Another program listens there, or we may not.
    pub(crate) fn bind(flag: &str, address: SocketAddr) -> Result<Self, Failure> {
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok::<_, std::io::Error>(Self { listener, address })
        };
        bind()
            .with_context(|| format!("can't listen at {address}, which `{flag}` asks for"))
            .hint("end the program that listens there, or give port 0: then any free port is taken")
            .map_err(Failure::Refused)
    }

    /// Where it can be reached.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with `router` from now on.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) fn serve(self, router: Router) -> std::io::Result<Server> {
        let Self { listener, address } = self;
        let handle = Handle::new();
        let mut server = axum_server::from_tcp(listener)?.handle(handle.clone()).http1_only();
        let http = server.http_builder();
        http.http1().header_read_timeout(HEAD_WITHIN).max_buf_size(MAX_HEAD);
        let router = if address.ip().is_loopback() {
            router.layer(middleware::from_fn(only_by_own_name))
        } else {
            router
        };
        let task = tokio::spawn(server.serve(router.into_make_service()));
        Ok(Server { handle, task })
    }
}

impl Server {
    /// Answers nothing new, and lets what is being sent be finished, for as long as that is short.
    pub(crate) async fn end(self) {
        self.handle.graceful_shutdown(Some(GRACE));
        // However it ended, it has ended.
        let _ = self.task.await;
    }
}

/// Refuses requests under a foreign name: a page of another site, whose name was made to lead to this machine, could
/// read all else.
async fn only_by_own_name(request: Request, next: Next) -> Response {
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
