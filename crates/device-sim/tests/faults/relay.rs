//! A TCP relay between devices and a server. Bytes pass untouched, TLS and all, until the relay is made a bad network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A relay on a free port of this machine.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

/// What happens to a connection that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Bytes pass in both directions.
    Open,
    /// Both sides may write and nothing arrives, not even the end of the other side: half-open.
    Swallowed,
    /// Nothing that the device writes is read, so that its window closes; the other direction is open.
    Unread,
    /// The connection ends.
    Cut,
    /// The connection ends with a reset, as when a server closes its socket while something unread lies in it.
    Reset,
}

/// What happens to a connection that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// It is relayed.
    Open,
    /// It is reset at once: no server is behind it, but connections are counted.
    Refusing,
}

/// Some reads take longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slow {
    /// Of ten reads, how many.
    pub(crate) of_ten: u64,
    pub(crate) by: Duration,
}

#[derive(Debug)]
struct Shared {
    to: Mutex<SocketAddr>,
    door: Mutex<Door>,
    slow: Mutex<Option<Slow>>,
    arrivals: Mutex<Vec<Instant>>,
    live: Mutex<BTreeMap<u64, watch::Sender<Flow>>>,
    reads: AtomicU64,
}

impl Relay {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        // Room for a whole fleet that comes at once: the kernel would make it wait for a second, and hide a herd.
        let listener = socket.listen(4096).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            to: Mutex::new(server),
            door: Mutex::new(Door::Open),
            slow: Mutex::default(),
            arrivals: Mutex::default(),
            live: Mutex::default(),
            reads: AtomicU64::new(0),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on, connections are relayed to another server.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        *self.shared.to.lock().unwrap() = server;
    }

    pub(crate) fn door(&self, door: Door) {
        *self.shared.door.lock().unwrap() = door;
    }

    pub(crate) fn slow(&self, slow: Option<Slow>) {
        *self.shared.slow.lock().unwrap() = slow;
    }

    /// Changes all connections that stand, and returns how many they are.
    pub(crate) fn all(&self, flow: Flow) -> usize {
        let live = self.shared.live.lock().unwrap();
        for control in live.values() {
            control.send_replace(flow);
        }
        live.len()
    }

    /// When connections came, refused ones included.
    pub(crate) fn arrivals(&self) -> Vec<Instant> {
        self.shared.arrivals.lock().unwrap().clone()
    }

    /// When connections came after `instant`.
    pub(crate) fn arrivals_after(&self, instant: Instant) -> Vec<Instant> {
        self.arrivals()
            .into_iter()
            .filter(|arrival| *arrival > instant)
            .collect()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    for number in 0.. {
        let (device, _) = listener.accept().await.unwrap();
        shared.arrivals.lock().unwrap().push(Instant::now());
        if *shared.door.lock().unwrap() == Door::Refusing {
            reset(device);
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let flow = watch::Sender::new(Flow::Open);
            let seen = flow.subscribe();
            shared.live.lock().unwrap().insert(number, flow);
            relay(device, seen, &shared).await;
            shared.live.lock().unwrap().remove(&number);
        });
    }
}

/// Until one side closes, or the connection is cut.
async fn relay(mut device: TcpStream, mut flow: watch::Receiver<Flow>, shared: &Shared) {
    let to = *shared.to.lock().unwrap();
    let Ok(mut server) = TcpStream::connect(to).await else {
        return reset(device);
    };
    device.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut up, mut down) = (flow.clone(), flow.clone());
    let (from_device, to_device) = device.split();
    let (from_server, to_server) = server.split();
    let carrying = async {
        tokio::join!(
            carry(from_device, to_server, &mut up, &[Flow::Unread], shared),
            carry(from_server, to_device, &mut down, &[], shared),
        )
    };
    tokio::select! {
        _ = carrying => {}
        _ = flow.wait_for(|flow| matches!(flow, Flow::Cut | Flow::Reset)) => {}
    }
    if *flow.borrow() == Flow::Reset {
        reset(device);
    }
}

/// One direction. It is not read from while the flow is one of `unread`.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    flow: &mut watch::Receiver<Flow>,
    unread: &[Flow],
    shared: &Shared,
) {
    let mut buffer = [0; 4096];
    loop {
        if flow.wait_for(|flow| !unread.contains(flow)).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            // A read that has not begun to bring anything is only put off.
            changed = flow.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let swallowed = *flow.borrow() == Flow::Swallowed;
        match read {
            0 if swallowed => return,
            // The other side may be gone already, and then needs no notice.
            0 => return drop(to.shutdown().await),
            _ if swallowed => continue,
            _ => {}
        }
        let slow = *shared.slow.lock().unwrap();
        if let Some(slow) = slow
            && shared.reads.fetch_add(1, Ordering::Relaxed) % 10 < slow.of_ten
        {
            sleep(slow.by).await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Without a lingering end, closing a socket resets the connection.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}
