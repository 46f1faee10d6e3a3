//! The ports for devices: accept, make TLS, and hand each connection to a task of its own.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use unbuffered_tls::ServerStream;

use super::gate::Arrival;
use super::peer::Peer;
use super::websocket::{Spoken, upgrade};
use super::{greeting, listen};
use crate::dps::https;
use crate::gateway::Gateway;
use crate::journal::Event;
use crate::services::Services;
use crate::stats::count;
use crate::stream::Stream;
use crate::tls::{naming, shown};

/// How long a handshake may take, and the request for a WebSocket after it.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Pause after a failed accept. The usual cause is a lack of file handles, which passes when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What carries MQTT inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Tls,
    WebSocket,
}

/// A port where devices connect.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) carrier: Carrier,
    /// The gateway that listens here, if it is one.
    pub(crate) gateway: Option<Arc<Gateway>>,
    /// Whether a client must name the server in its handshake.
    pub(crate) require_sni: bool,
}

/// Accepts until `stop`; every connection becomes a task of `connections`.
pub(crate) async fn accept(
    mut listener: TcpListener,
    port: Port,
    services: Arc<Services>,
    connections: TaskTracker,
    stop: CancellationToken,
) {
    let port = Arc::new(port);
    let mut failing = false;
    // Ends the connections of today: with the emulator, or at a restart of the service that it pretends to be.
    let mut epoch = services.gate.restarts.epoch();
    loop {
        let accepted = tokio::select! {
            () = epoch.cancelled() => {
                // Sessions with a hub do not wait for the epoch: the end comes through their mailbox.
                services.registry.hang_up();
                drop(listener);
                if stop.is_cancelled() {
                    return;
                }
                match reopened(port.address, &services, &stop).await {
                    Some(opened) => listener = opened,
                    None => return,
                }
                epoch = services.gate.restarts.epoch();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, _)) => {
                failing = false;
                count(&services.counters.accepted);
                let stop = epoch.clone();
                if let Err(error) = tcp.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY is not set");
                }
                let (port, services) = (Arc::clone(&port), Arc::clone(&services));
                // A task of its own kind, so that connections without rules have no room for what is rare.
                if services.gate.has_rules() {
                    connections.spawn(guarded(gated(tcp, port, Arc::clone(&services), stop), services));
                } else {
                    connections.spawn(task(tcp, port, services, stop));
                }
            }
            Err(error) => {
                // Logged once, not twenty times a second.
                if !failing {
                    tracing::warn!(%error, "a connection could not be accepted; it is tried again");
                }
                failing = true;
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Opens the port again when the restart is over; none if the emulator stops.
async fn reopened(address: SocketAddr, services: &Services, stop: &CancellationToken) -> Option<TcpListener> {
    let reopen = async {
        services.gate.restarts.wait_until_open().await;
        loop {
            match listen("mqtt", address) {
                Ok((listener, _)) => return listener,
                Err(error) => {
                    tracing::warn!(%error, "a port could not be opened again; it is tried again");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => None,
        listener = reopen => Some(listener),
    }
}

fn task(tcp: TcpStream, port: Arc<Port>, services: Arc<Services>, stop: CancellationToken) -> impl Future<Output = ()> {
    guarded(connection(tcp, port, Arc::clone(&services), stop), services)
}

/// A panic is a mistake of ours. It ends one connection, and it must not end it in silence. (No `async fn`: that would
/// have room for what it is given twice.)
fn guarded(serving: impl Future<Output = ()>, services: Arc<Services>) -> impl Future<Output = ()> {
    AssertUnwindSafe(serving).catch_unwind().map(move |outcome| {
        if outcome.is_err() {
            count(&services.counters.panics);
            let reason = "the emulator failed: please report this as a bug".into();
            services.journal.record(None, Event::Dropped { reason });
        }
    })
}

async fn gated(tcp: TcpStream, port: Arc<Port>, services: Arc<Services>, stop: CancellationToken) {
    match services.arrive(tcp).await {
        Some(Arrival::Straight(tcp)) => connection(tcp, port, Arc::clone(&services), stop).await,
        Some(Arrival::Slow(near, line)) => {
            tokio::join!(connection(near, port, Arc::clone(&services), stop), line);
        }
        None => {}
    }
}

/// Makes TLS, and serves the client behind it.
async fn connection<S: Stream>(tcp: S, port: Arc<Port>, services: Arc<Services>, stop: CancellationToken) {
    // On a heap of its own: what a handshake takes is not to stay in the task, which may live for days.
    let handshake = Box::pin(timeout(HANDSHAKE_LIMIT, handshake(tcp, &port, &services)));
    let reason = tokio::select! {
        () = stop.cancelled() => return,
        accepted = handshake => match accepted {
            Ok(Ok((stream, peer))) => return match port.carrier {
                // On the heap, so that connections without rules and without WebSocket have no room for it.
                _ if services.gate.has_rules() => Box::pin(greeted(stream, peer, port, services, stop)).await,
                Carrier::Tls => greeting::serve(stream, peer, services, stop).await,
                Carrier::WebSocket => Box::pin(web_socket(stream, peer, services, stop)).await,
            },
            Ok(Err(reason)) => reason,
            Err(_) => "TLS handshake took too long".into(),
        },
    };
    services.journal.record(None, Event::Dropped { reason });
}

/// Serves the client behind TLS, if quotas and faults let it through.
async fn greeted<S: Stream>(
    stream: Box<ServerStream<S>>,
    peer: Peer,
    port: Arc<Port>,
    services: Arc<Services>,
    stop: CancellationToken,
) {
    let name = peer.chain.first().and_then(|leaf| leaf.common_name.as_deref());
    let Some(stream) = services.handshake(stream, name).await else {
        return;
    };
    match port.carrier {
        Carrier::Tls => greeting::serve(stream, peer, services, stop).await,
        Carrier::WebSocket => web_socket(stream, peer, services, stop).await,
    }
}

/// Performs the TLS handshake; an error is the reason for the journal. The stream is on the heap, too: it is handed on
/// from one owner to the next, and a future has room for each of them.
async fn handshake<S: Stream>(
    tcp: S,
    port: &Port,
    services: &Services,
) -> Result<(Box<ServerStream<S>>, Peer), String> {
    let (accepted, server_is_named) = naming(unbuffered_tls::accept(Arc::clone(&port.tls), tcp)).await;
    let mut stream = Box::new(accepted.map_err(|error| format!("TLS handshake failed: {error}"))?);
    if !server_is_named {
        services.journal.record(None, Event::NoServerName);
        if port.require_sni {
            if let Err(error) = stream.shutdown().await {
                tracing::debug!(%error, "client was gone before the connection was closed");
            }
            return Err("the client names no server in its handshake (SNI)".into());
        }
    }
    let chain = shown(stream.peer_certificates());
    let gateway = port.gateway.clone();
    Ok((stream, Peer { chain, gateway }))
}

async fn web_socket<S: Stream>(
    stream: Box<ServerStream<S>>,
    peer: Peer,
    services: Arc<Services>,
    stop: CancellationToken,
) {
    let upgraded = tokio::select! {
        () = stop.cancelled() => return,
        upgraded = timeout(HANDSHAKE_LIMIT, upgrade(stream)) => upgraded,
    };
    let reason = match upgraded {
        Ok(Ok(Spoken::WebSocket(stream))) => return greeting::serve(*stream, peer, services, stop).await,
        Ok(Ok(Spoken::Http(stream, read))) => {
            return https::converse(stream, read, peer.chain, services, &stop).await;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no request for a WebSocket in time".into(),
    };
    services.journal.record(None, Event::Dropped { reason });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::Tenant;

    fn future_size<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_connection_is_small() {
        // A value that is live across an await anywhere below counts here, for each of some thousand devices.
        let size = future_size(task);
        assert!(size <= 1024, "{size} bytes");
    }

    #[tokio::test]
    async fn a_panic_of_a_connection_is_counted_and_logged() {
        let services = Tenant::new().services;
        guarded(async {}, Arc::clone(&services)).await;
        assert_eq!(services.counters.read().panics, 0);
        guarded(async { panic!("as a bug would") }, Arc::clone(&services)).await;
        assert_eq!(services.counters.read().panics, 1);
        assert!(matches!(&services.journal.since(0)[0].event, Event::Dropped { reason } if reason.contains("bug")));
    }
}
