//! A connection on which HTTP is spoken, whichever port it comes to: the bounds of its requests, and how it ends.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::Service;

/// How long the head of a request may take to arrive, and a connection be idle.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
pub(crate) const MAX_HEAD: usize = 64 * 1024;
/// How long requests that are being served may still take when the emulator stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Serves a connection until either side ends it, or what it is answering after `stop`.
///
/// # Errors
///
/// It broke off, or what came is no HTTP.
pub(crate) async fn converse<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: S,
    stop: &CancellationToken,
) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(DRAIN_LIMIT, connection).await.unwrap_or(Ok(()))
        }
    }
}
