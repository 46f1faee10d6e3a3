//! A listening REST server: accepts, makes TLS where it has some, and gives each connection a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer;

use crate::dps::https::Shown;
use crate::http::converse;
use crate::tls;

/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Pause after a failed accept. The usual cause is a lack of file handles, which passes when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One listening REST server.
#[derive(Debug)]
pub(crate) struct RestServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl RestServer {
    /// Serves `app` until `stop`, and then what is being answered.
    pub(super) fn begin(
        listener: TcpListener,
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        app: Router,
        stop: CancellationToken,
    ) -> Self {
        let task = tokio::spawn(accept(listener, tls.map(TlsAcceptor::from), app, stop));
        Self { address, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the server has stopped, which it does when it is asked to.
    pub(crate) async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the REST server ended badly");
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, app: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, _)) => {
                let (tls, app, stop) = (tls.clone(), app.clone(), stop.clone());
                connections.spawn(async move {
                    if let Err(error) = connection(tcp, tls, app, &stop).await {
                        tracing::debug!(%error, "a connection to the REST server broke off");
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to the REST server could not be accepted; it is tried again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(tcp: TcpStream, tls: Option<TlsAcceptor>, app: Router, stop: &CancellationToken) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let Some(tls) = tls else {
        return converse(tcp, app, stop).await.map_err(io::Error::other);
    };
    let stream = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        stream = timeout(HANDSHAKE_LIMIT, tls.accept(tcp)) => stream??,
    };
    // Handlers authenticate by the certificates that the client has shown.
    let shown = Shown(tls::shown(stream.get_ref().1.peer_certificates()).into());
    converse(stream, Extension(shown).layer(app), stop)
        .await
        .map_err(io::Error::other)
}
