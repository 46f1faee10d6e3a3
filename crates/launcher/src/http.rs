//! Servers of a run for browsers and scrapers, on this machine unless told otherwise. All of it is bounded, and so is the
//! end.

mod address;
mod host;
mod server;

use std::io::ErrorKind;
use std::net::SocketAddr;

use axum::Router;
use device_sim::hint::Hint;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) use address::Address;
pub(crate) use server::Bounds;

use crate::exit::Failure;

/// A port that is taken, and on which nothing is answered yet.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

/// A server until its end, or until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Listener {
    /// Takes the port that `flag` asks for.
    ///
    /// # Errors
    ///
    /// The address is not of this machine, another program listens there, or we may not.
    pub(crate) async fn bind(flag: &str, address: Address) -> Result<Self, Failure> {
        let bound = TcpListener::bind(address.0).await;
        let bound = bound.and_then(|listener| {
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        });
        bound.map_err(|error| {
            let help = match error.kind() {
                ErrorKind::AddrInUse => "give another port, or 0 for any free one",
                ErrorKind::PermissionDenied => "give a port from 1024 on, or 0 for any free one",
                _ => "give an address of this machine, or a port alone",
            };
            let error = anyhow::Error::from(error).context(format!("{flag}: can't listen at {address}"));
            Failure::Refused(error.hint(help))
        })
    }

    /// Where it can be reached.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port, for another protocol than HTTP.
    pub(crate) fn into_inner(self) -> TcpListener {
        self.listener
    }

    /// Answers with `router` from now on.
    pub(crate) fn serve(self, router: Router, bounds: Bounds) -> Server {
        let router = if self.address.ip().is_loopback() {
            router.layer(axum::middleware::from_fn(host::only_own))
        } else {
            router
        };
        let end = CancellationToken::new();
        let task = tokio::spawn(server::serve(self.listener, router, bounds, end.clone()));
        Server { end, task }
    }
}

impl Server {
    /// Accepts nothing new, and lets what is being sent be finished, for as long as that is short.
    pub(crate) async fn end(mut self) {
        self.end.cancel();
        // Each connection has that long; a bit more than that, and something hangs.
        let _ = timeout(server::GRACE * 2, &mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
