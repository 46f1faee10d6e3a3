//! What one device-sim process reports to the collector of its fleet, over a connection that may end at any moment.
//!
//! [`machine`] decides, [`connection`] is the socket, and here is the task that moves bytes between them. The sim hands in
//! lines and never waits for the collector.

mod connection;
mod cumulative;
mod machine;
mod numbered;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use fleet_protocol::collect::Hello;
use fleet_protocol::lines::Line;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::timer::at;
pub(super) use connection::Collector;
use connection::{Reader, Stream, Writer};
use machine::Machine;
pub(super) use machine::{LinkNews, News};

/// Orders are carried out as they come; a collector that sends more has to wait.
const NEWS: usize = 64;
/// How long the end of a connection may take that is of no use any more.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// The reports of one process. The connection ends when this is dropped.
#[derive(Debug)]
pub(super) struct Uplink {
    shared: Arc<Shared>,
    news: mpsc::Receiver<News>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    machine: Mutex<Machine>,
    /// There is something to send.
    changed: Notify,
}

impl Uplink {
    /// Begins to connect, for a process that has not started.
    pub(super) fn begin(collector: Collector, hello: Hello) -> Self {
        let shared = Arc::new(Shared {
            machine: Mutex::new(Machine::new(hello, Instant::now())),
            changed: Notify::new(),
        });
        let (send, news) = mpsc::channel(NEWS);
        let driver = Driver {
            shared: Arc::clone(&shared),
            collector,
            news: send,
        };
        let task = tokio::spawn(driver.drive());
        Self { shared, news, task }
    }

    /// Reports a line.
    pub(super) fn line(&self, line: Line) {
        self.shared.machine().line(line);
        self.shared.changed.notify_one();
    }

    /// Reports the end of the process; `died` is how, unless well.
    pub(super) fn ended(&self, died: Option<String>) {
        self.shared.machine().ended(died);
        self.shared.changed.notify_one();
    }

    /// What the collector wants, or what has become of it; nothing once no more will come. May be dropped and asked again.
    pub(super) async fn news(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// Whether the collector has taken everything, the end too.
    pub(super) fn is_delivered(&self) -> bool {
        self.shared.machine().is_delivered()
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().expect("no holder of this lock panics")
    }
}

struct Driver {
    shared: Arc<Shared>,
    collector: Collector,
    news: mpsc::Sender<News>,
}

/// Nothing more is to be reported, or the sim has gone.
struct Over;

impl Driver {
    async fn drive(self) {
        while let Some(retry) = self.retry() {
            sleep_until(retry).await;
            self.shared.machine().connecting();
            let why = match self.collector.connect().await {
                Ok(stream) => match self.converse(stream).await {
                    Ok(why) => why,
                    Err(Over) => return,
                },
                Err(why) => why,
            };
            let news = self.shared.machine().lost(Instant::now(), why);
            if let Some(news) = news
                && self.send(News::Link(news)).await.is_err()
            {
                return;
            }
        }
    }

    fn retry(&self) -> Option<Instant> {
        self.shared.machine().retry()
    }

    /// Until the connection ends; returns why it has.
    async fn converse(&self, stream: Stream) -> Result<String, Over> {
        let (mut reader, mut writer) = connection::halves(stream);
        let why = self.exchange(&mut reader, &mut writer).await?;
        // A collector that is gone does not take it, which is the same to it.
        let _ = timeout(CLOSED_WITHIN, writer.shutdown()).await;
        Ok(why)
    }

    async fn exchange(&self, reader: &mut Reader, writer: &mut Writer) -> Result<String, Over> {
        let mut out = BytesMut::new();
        put(&mut out, &self.shared.machine().connected(Instant::now()));
        let mut is_flushed = false;
        loop {
            let (deadline, next) = {
                let mut machine = self.shared.machine();
                let next = out.is_empty().then(|| machine.next(Instant::now())).flatten();
                (machine.deadline(), next)
            };
            if let Some(next) = next {
                put(&mut out, &next);
            }
            tokio::select! {
                line = reader.next() => match self.read(line).await? {
                    None => {}
                    Some(why) => return Ok(why),
                },
                pushed = push(writer, &out), if !out.is_empty() || !is_flushed => match pushed {
                    Ok(Some(0)) => return Ok("it takes nothing more".to_owned()),
                    Ok(Some(count)) => {
                        out.advance(count);
                        is_flushed = false;
                    }
                    Ok(None) => is_flushed = true,
                    Err(error) => return Ok(connection::why_broken(&error)),
                },
                () = self.shared.changed.notified() => {}
                () = at(deadline) => {
                    let overdue = self.shared.machine().overdue(Instant::now());
                    if let Some(why) = overdue {
                        return Ok(why);
                    }
                }
            }
        }
    }

    /// Takes what was read; returns why the connection is of no use, if so.
    async fn read(&self, line: Option<Result<String, connection::ReadError>>) -> Result<Option<String>, Over> {
        let received = match line {
            None => return Ok(Some("it has closed the connection".to_owned())),
            Some(Err(error)) => return Ok(Some(connection::why_unread(&error))),
            Some(Ok(line)) => match connection::parse(&line) {
                Err(why) => return Ok(Some(why)),
                Ok(message) => self.shared.machine().receive(Instant::now(), message),
            },
        };
        match received {
            Err(why) => return Ok(Some(why)),
            Ok(None) => {}
            Ok(Some(news)) => self.send(news).await?,
        }
        let is_connected = self.shared.machine().is_connected();
        // The machine has its reason.
        Ok((!is_connected).then(String::new))
    }

    async fn send(&self, news: News) -> Result<(), Over> {
        self.news.send(news).await.map_err(|_| Over)
    }
}

/// Writes a part of `out` and returns how much; where it is empty, has what was written leave. May be dropped and asked
/// again.
async fn push(writer: &mut Writer, out: &[u8]) -> std::io::Result<Option<usize>> {
    match out.is_empty() {
        false => writer.write(out).await.map(Some),
        true => writer.flush().await.map(|()| None),
    }
}

fn put(out: &mut BytesMut, message: &str) {
    out.extend_from_slice(message.as_bytes());
    out.extend_from_slice(b"\n");
}
