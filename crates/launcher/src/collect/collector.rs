//! The collector of a fleet: it listens to sims, and is to a run's supervisor what processes of this machine would be. What
//! it decides stands in [`super::roster`].

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::collect::ToSim;
use iot_protocol::shown;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::connection::{Incoming, What, serve};
use super::roster::{Action, Connection, Roster, Terms};
use crate::process::shards::{Event, Order, Shards};
use crate::progress::ProgressLog;
use crate::timer::at;

/// As many as a fleet can have shards, and as many again that try.
const CONNECTIONS: usize = 512;
/// So many messages wait to be taken; then connections are not read from.
const WAITING: usize = 1_024;
/// How often the missing shards are reported.
const MISSING_EVERY: Duration = Duration::from_secs(10);
/// A sim that has no answer for half a minute gives up its connection.
const ANSWER_EVERY: Duration = Duration::from_secs(5);
/// So many strangers are named; a scanner of ports could fill a disk.
const STRANGERS: u32 = 20;
/// When the program leaves at once, sims still read that.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);
/// Where no connection can be accepted, such as for want of file handles, that does not pass at once.
const BREATH: Duration = Duration::from_millis(200);

/// Sims that are waited for.
pub(crate) struct Gathering {
    pub(crate) shards: Shards,
    /// What happens to them, from the moment when all are there.
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) gathered: oneshot::Receiver<Gathered>,
}

/// How the waiting ended.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// All are there.
    Go {
        /// When the stages begin.
        begin: Instant,
        /// They have begun under an earlier collector.
        restarted: bool,
    },
    /// Shards are missing, which are named.
    NotReady(String),
}

/// Listens to sims from now on.
pub(crate) fn gather(listener: TcpListener, tls: Arc<ServerConfig>, terms: Terms, progress: ProgressLog) -> Gathering {
    let (order, orders) = mpsc::unbounded_channel();
    let (event, events) = mpsc::unbounded_channel();
    let (sender, incoming) = mpsc::channel(WAITING);
    let (gathered, waiting) = oneshot::channel();
    let collector = Collector {
        roster: Roster::new(terms),
        acceptor: TlsAcceptor::from(tls),
        peers: BTreeMap::new(),
        next: 0,
        sender,
        places: Arc::new(Semaphore::new(CONNECTIONS)),
        tasks: TaskTracker::new(),
        events: Some(event),
        gathered: Some(gathered),
        strangers: 0,
        progress,
    };
    let task = tokio::spawn(collector.run(listener, incoming, orders));
    Gathering {
        shards: Shards::new(vec![order], vec![task]),
        events,
        gathered: waiting,
    }
}

struct Collector {
    roster: Roster,
    acceptor: TlsAcceptor,
    /// Those that have introduced themselves.
    peers: BTreeMap<Connection, Peer>,
    next: Connection,
    sender: mpsc::Sender<Incoming>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Until every shard has ended.
    events: Option<mpsc::UnboundedSender<Event>>,
    /// Until it has been decided.
    gathered: Option<oneshot::Sender<Gathered>>,
    strangers: u32,
    progress: ProgressLog,
}

struct Peer {
    address: SocketAddr,
    outgoing: mpsc::Sender<ToSim>,
}

impl Collector {
    /// Until the program ends: sims that have missed that their last figures were taken may still ask. A kill ends it.
    async fn run(
        mut self,
        listener: TcpListener,
        mut incoming: mpsc::Receiver<Incoming>,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) {
        let mut missing = interval_at(Instant::now(), MISSING_EVERY);
        missing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answers = interval_at(Instant::now(), ANSWER_EVERY);
        answers.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut obeying = true;
        let mut accepts_at = Instant::now();
        loop {
            tokio::select! {
                accepted = accept(&listener, accepts_at) => match accepted {
                    Ok((tcp, peer)) => self.accept(tcp, peer),
                    Err(error) => {
                        self.stranger(format!("no connection can be accepted: {error}"));
                        accepts_at = Instant::now() + BREATH;
                    }
                },
                Some(Incoming { connection, what }) = incoming.recv() => self.handle(connection, what),
                order = orders.recv(), if obeying => match order {
                    Some(Order::Control(control)) => self.roster.control(&control),
                    Some(Order::Stop) => self.roster.stop(),
                    Some(Order::Kill) => {
                        self.roster.kill();
                        self.act();
                        break;
                    }
                    None => obeying = false,
                },
                () = at(self.roster.deadline()) => self.roster.tick(Instant::now()),
                _ = missing.tick() => self.report_missing(),
                _ = answers.tick() => self.roster.answer_all(),
            }
            self.act();
        }
        self.peers.clear();
        self.tasks.close();
        // Those that don't read by then are dropped with the program.
        let _ = timeout(CLOSED_WITHIN, self.tasks.wait()).await;
    }

    fn accept(&mut self, tcp: TcpStream, peer: SocketAddr) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.stranger(format!("{peer} is turned away: there are {CONNECTIONS} connections"));
        };
        self.next += 1;
        let serving = serve(tcp, peer, self.acceptor.clone(), self.next, self.sender.clone());
        self.tasks.spawn(async move {
            serving.await;
            drop(place);
        });
    }

    fn handle(&mut self, connection: Connection, what: What) {
        let now = Instant::now();
        match what {
            What::Hello {
                hello,
                certificate,
                peer: address,
                outgoing,
            } => {
                self.peers.insert(connection, Peer { address, outgoing });
                self.roster.hello(connection, &hello, certificate, now);
            }
            What::Message(message) => {
                if let Err(breach) = self.roster.message(connection, message, now) {
                    self.close(connection, &breach);
                }
            }
            What::Closed(why) => self.close(connection, &why),
            What::Stranger(peer, why) => self.stranger(format!("{peer} is turned away: {}", shown::text(&why))),
        }
    }

    /// A connection is over.
    fn close(&mut self, connection: Connection, why: &str) {
        if let Some(peer) = self.peers.remove(&connection) {
            self.roster
                .closed(connection, &format!("{} at {}", why, peer.address), Instant::now());
        }
    }

    /// Does what has followed.
    fn act(&mut self) {
        // What can't be sent closes a connection, from which more follows.
        loop {
            let actions = self.roster.actions();
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.perform(action));
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send(connection, message) => self.send(connection, message),
            // What was sent before is written, and then the connection ends.
            Action::Close(connection) => drop(self.peers.remove(&connection)),
            Action::Event(event) => {
                if let Some(events) = &self.events {
                    // There is no listener any more when the program leaves at once.
                    let _ = events.send(event);
                }
            }
            Action::Report(words) => {
                self.progress.report(words);
                self.report_missing();
            }
            Action::Go { begin, restarted } => self.decided(Gathered::Go { begin, restarted }),
            Action::NotReady(missing) => self.decided(Gathered::NotReady(missing)),
            Action::Over => self.events = None,
        }
    }

    fn send(&mut self, connection: Connection, message: ToSim) {
        let Some(Peer { address, outgoing }) = self.peers.get(&connection) else {
            return;
        };
        let refused = match &message {
            ToSim::Refused { message, .. } => Some(format!("{address} is refused: {message}")),
            _ => None,
        };
        let is_unread = outgoing.try_send(message).is_err();
        refused.into_iter().for_each(|words| self.stranger(words));
        if is_unread {
            self.close(connection, "the sim does not read what it is sent");
        }
    }

    fn decided(&mut self, gathered: Gathered) {
        if let Some(waiting) = self.gathered.take() {
            // It may have been interrupted.
            let _ = waiting.send(gathered);
        }
    }

    fn report_missing(&self) {
        if let Some(missing) = self.roster.missing() {
            self.progress.report(missing);
        }
    }

    fn stranger(&mut self, words: String) {
        self.strangers = self.strangers.saturating_add(1);
        match self.strangers {
            ..=STRANGERS => self.progress.report(words),
            _ if self.strangers == STRANGERS + 1 => {
                self.progress.report("further peers are turned away without a word")
            }
            _ => {}
        }
    }
}

/// Accepts a connection, not before an instant: the sims that are there are served meanwhile.
async fn accept(listener: &TcpListener, from: Instant) -> io::Result<(TcpStream, SocketAddr)> {
    sleep_until(from).await;
    listener.accept().await
}
