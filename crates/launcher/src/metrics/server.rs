//! The HTTP server of a scrape: one path, one request for each connection, and bounds for all of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::render;
use super::source::Source;

/// Connections that are served at the same time; others wait to be accepted.
const CONNECTIONS: usize = 16;
/// How long a connection may last, from the first byte of its request to the last of the response.
const WITHIN: Duration = Duration::from_secs(10);
/// A request has no more than this before its body, which nobody reads.
const MAX_HEAD: usize = 16 * 1024;
/// After a failure to accept, such as for want of file handles.
const BREATH: Duration = Duration::from_millis(100);

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, source: Arc<Source>) {
    let router = router(source);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = places.clone().acquire_owned().await.expect("it is never closed");
        let Ok((stream, _)) = listener.accept().await else {
            sleep(BREATH).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let router = router.clone();
        connections.spawn(async move {
            let _place = place;
            converse(stream, router).await;
        });
    }
}

fn router(source: Arc<Source>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, "the metrics are at /metrics\n") })
        .with_state(source)
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(WITHIN)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // What takes longer, or breaks off, is the client's loss: it asks again at its next scrape.
    let _ = timeout(WITHIN, served).await;
}

async fn metrics(State(source): State<Arc<Source>>) -> Response {
    match source.text().await {
        Ok(text) => ([(CONTENT_TYPE, render::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::super::render::About;
    use super::*;

    /// What a client gets that sends these bytes and then waits.
    async fn answer(request: &[u8]) -> String {
        let (mut client, server) = duplex(1 << 20);
        let served = tokio::spawn(converse(server, router(Arc::new(Source::new(About::default())))));
        client.write_all(request).await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        served.await.unwrap();
        text
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_carries_one_request_for_one_path() {
        for (request, line) in [
            ("GET /metrics", "HTTP/1.1 200"),
            ("HEAD /metrics", "HTTP/1.1 200"),
            ("GET /", "HTTP/1.1 404"),
            ("GET /metrics/", "HTTP/1.1 404"),
            ("POST /metrics", "HTTP/1.1 405"),
        ] {
            let text = answer(format!("{request} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes()).await;
            assert!(text.starts_with(line), "{request}: {text}");
            assert!(text.contains("connection: close\r\n"), "{request}: {text}");
        }
        let head = answer(b"HEAD /metrics HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert!(head.ends_with("\r\n\r\n") && !head.contains("# HELP"), "{head}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_no_request_is_left_in_time() {
        for unfinished in ["", "GET /metrics HTTP/1.1\r\nhost: h\r\n"] {
            let begun = Instant::now();
            answer(unfinished.as_bytes()).await;
            assert!(
                begun.elapsed() <= WITHIN + Duration::from_millis(10),
                "{:?}",
                begun.elapsed()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_without_end_is_refused() {
        let text = answer(format!("GET /metrics HTTP/1.1\r\nx: {}", "x".repeat(MAX_HEAD)).as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 431"), "{text}");
    }
}
