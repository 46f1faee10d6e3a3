//! The connections of a server: how many, how long, and how they end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long the head of a request may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A request has no more than this before its body, which nobody reads.
const MAX_HEAD: usize = 16 * 1024;
/// What is being sent when the server ends has so long.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// After a failure to accept, such as for want of file handles.
const BREATH: Duration = Duration::from_millis(100);

/// What clients may take up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Connections that are served at the same time; others wait to be accepted.
    pub(crate) connections: usize,
    /// How long a connection may last; then it carries one request. Without, it lasts as long as both sides like.
    pub(crate) within: Option<Duration>,
}

/// Serves until `end`, and then what is being sent.
pub(super) async fn serve(listener: TcpListener, router: Router, bounds: Bounds, end: CancellationToken) {
    let mut connections = JoinSet::new();
    tokio::select! {
        () = accept(listener, &router, bounds, &end, &mut connections) => {}
        () = end.cancelled() => {}
    }
    // Each of them ends by itself now.
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: TcpListener,
    router: &Router,
    bounds: Bounds,
    end: &CancellationToken,
    connections: &mut JoinSet<()>,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
        let Ok((stream, _)) = listener.accept().await else {
            sleep(BREATH).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let (router, end) = (router.clone(), end.clone());
        connections.spawn(async move {
            let _place = place;
            converse(stream, router, bounds, end).await;
        });
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, bounds: Bounds, end: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD)
        .keep_alive(bounds.within.is_none());
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    // What takes longer, or breaks off, is the client's loss: it asks again.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = sleep(bounds.within.unwrap_or(Duration::MAX)) => {}
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(GRACE, connection).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const ONE: Bounds = Bounds {
        connections: 16,
        within: Some(HEAD_WITHIN),
    };

    fn router() -> Router {
        Router::new()
            .route("/figures", get(|| async { "1" }))
            .route("/never", get(std::future::pending::<&'static str>))
            .fallback(|| async { StatusCode::NOT_FOUND })
    }

    /// What a client gets that sends these bytes and then waits.
    async fn answer(request: &[u8], bounds: Bounds, end: CancellationToken) -> String {
        let (mut client, server) = duplex(1 << 20);
        let served = tokio::spawn(converse(server, router(), bounds, end));
        client.write_all(request).await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        served.await.unwrap();
        text
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_of_bounded_length_carries_one_request() {
        for (request, line) in [
            ("GET /figures", "HTTP/1.1 200"),
            ("HEAD /figures", "HTTP/1.1 200"),
            ("GET /", "HTTP/1.1 404"),
            ("POST /figures", "HTTP/1.1 405"),
        ] {
            let request = format!("{request} HTTP/1.1\r\nhost: h\r\n\r\n");
            let text = answer(request.as_bytes(), ONE, CancellationToken::new()).await;
            assert!(text.starts_with(line), "{request}: {text}");
            assert!(text.contains("connection: close\r\n"), "{request}: {text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_no_request_is_left_in_time() {
        for unfinished in [
            "",
            "GET /figures HTTP/1.1\r\nhost: h\r\n",
            "GET /never HTTP/1.1\r\nhost: h\r\n\r\n",
        ] {
            let begun = Instant::now();
            answer(unfinished.as_bytes(), ONE, CancellationToken::new()).await;
            let took = begun.elapsed();
            assert!(took <= HEAD_WITHIN + Duration::from_millis(10), "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_without_end_is_refused() {
        let request = format!("GET /figures HTTP/1.1\r\nx: {}", "x".repeat(MAX_HEAD));
        let text = answer(request.as_bytes(), ONE, CancellationToken::new()).await;
        assert!(text.starts_with("HTTP/1.1 431"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_no_longer_than_it_may_for_what_is_being_sent() {
        let lasting = Bounds { within: None, ..ONE };
        let end = CancellationToken::new();
        let begun = Instant::now();
        let ending = async {
            sleep(Duration::from_secs(60)).await;
            end.cancel();
        };
        let request = b"GET /never HTTP/1.1\r\nhost: h\r\n\r\n";
        let (text, ()) = tokio::join!(answer(request, lasting, end.clone()), ending);
        assert_eq!(text, "");
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_secs(60) && took <= Duration::from_secs(60) + GRACE * 2,
            "{took:?}"
        );
    }
}
