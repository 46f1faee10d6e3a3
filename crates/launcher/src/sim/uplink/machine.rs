//! What a sim does about its collector: when it connects, what it sends, what it makes of messages and of losses. Pure: the
//! time is handed in, and [`super::drive`] owns the socket.

use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::collect::{Hello, Refusal, ToCollector, ToSim};
use fleet_protocol::lines::{Control, Line};
use provisioning::backoff::Backoff;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use tokio::time::Instant;

use super::numbered::Numbered;

/// Between two tries. A collector that is started again finds its sims within the longest of them.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
/// A collector that welcomes takes no longer for it.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
/// A collector takes what it was sent within a second or two. One that takes nothing for so long is gone, or hangs.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// A connection that has lasted for so long was a good one.
const STEADY: Duration = Duration::from_secs(10);
/// A collector that stays away is mentioned so often.
const MENTIONED_EVERY: Duration = Duration::from_secs(60);

/// What the sim of a shard has to know or to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    /// The devices may start; their stages begin so many milliseconds from now, or have begun.
    Go {
        /// Negative when they have begun.
        stages_in_ms: i64,
    },
    /// An order to the process.
    Control(Control),
    /// The process drains and stops.
    Stop,
    /// The collector takes nothing of this process, for good.
    Refused {
        /// In one word.
        why: Refusal,
        /// In a sentence.
        message: String,
    },
    /// For a person.
    Link(LinkNews),
}

/// What becomes of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkNews {
    /// The collector is not reached, and the devices have not started; why.
    Waiting(String),
    /// Another process has the shard, in the collector's words. It may end.
    Claimed(String),
    /// The collector takes what the process writes.
    LetIn,
    /// The connection has ended, while the devices run; why.
    Gone(String),
    /// It has been so for so long.
    StillGone(Duration),
    /// There is a connection again, after so long.
    Back(Duration),
}

/// Where the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// There is none until then.
    Away { retry: Instant },
    /// It is being made.
    Connecting,
    /// The collector was greeted, and has until then to answer.
    Greeting { until: Instant },
    /// It takes messages.
    Open {
        since: Instant,
        /// The number up to which everything was sent.
        sent: u64,
        /// The number up to which everything was taken.
        taken: u64,
        /// Since when it has had something to take.
        owing: Option<Instant>,
    },
    /// There will be no other.
    Closed,
}

/// One process and its collector.
#[derive(Debug)]
pub(super) struct Machine {
    hello: Hello,
    numbered: Numbered,
    link: Link,
    /// When the stages begin, and when that was known.
    stages: Option<(i64, Instant)>,
    /// How many tries in a row came to nothing.
    failures: u32,
    /// Since when there is no connection, and when that was mentioned last.
    gone: Option<(Instant, Instant)>,
    /// Why it was not let in, as mentioned last.
    mentioned: Option<String>,
    is_delivered: bool,
    chance: Xoshiro256PlusPlus,
}

impl Machine {
    /// A process that has not started.
    pub(super) fn new(hello: Hello, now: Instant) -> Self {
        Self {
            // Sims that lose their collector together do not come back together, and a number of its own is all that it takes.
            chance: Xoshiro256PlusPlus::seed_from_u64(hello.incarnation.get().into()),
            hello,
            numbered: Numbered::default(),
            link: Link::Away { retry: now },
            stages: None,
            failures: 0,
            gone: None,
            mentioned: None,
            is_delivered: false,
        }
    }

    /// The process has written a line.
    pub(super) fn line(&mut self, line: Line) {
        self.numbered.line(line);
    }

    /// The process has ended; `died` is how, unless well.
    pub(super) fn ended(&mut self, died: Option<String>) {
        self.numbered.ended(died);
    }

    /// When to connect; nothing while there is a connection, or where there is to be none.
    pub(super) fn retry(&self) -> Option<Instant> {
        match self.link {
            Link::Away { retry } => Some(retry),
            _ => None,
        }
    }

    /// Whether the collector is there, and something is to be read and written.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.link, Link::Greeting { .. } | Link::Open { .. })
    }

    /// Whether everything was taken, the end too.
    pub(super) fn is_delivered(&self) -> bool {
        self.is_delivered
    }

    /// A connection is being made.
    pub(super) fn connecting(&mut self) {
        self.link = Link::Connecting;
    }

    /// There is a connection: returns what is to be sent on it first.
    pub(super) fn connected(&mut self, now: Instant) -> String {
        self.link = Link::Greeting {
            until: now + WELCOME_WITHIN,
        };
        let hello = Hello {
            stages_in_ms: self.stages.map(|(ms, at)| ms.saturating_sub(millis(now - at))),
            ..self.hello.clone()
        };
        serde_json::to_string(&ToCollector::Hello(hello)).expect("a message can be written")
    }

    /// The connection has ended, or was not made.
    pub(super) fn lost(&mut self, now: Instant, why: String) -> Option<LinkNews> {
        if matches!(self.link, Link::Away { .. } | Link::Closed) {
            return None;
        }
        self.away(now);
        if self.stages.is_none() {
            return self.mention(why).map(LinkNews::Waiting);
        }
        match &mut self.gone {
            None => {
                self.gone = Some((now, now));
                Some(LinkNews::Gone(why))
            }
            Some((since, mentioned)) if now - *mentioned >= MENTIONED_EVERY => {
                *mentioned = now;
                Some(LinkNews::StillGone(now - *since))
            }
            Some(_) => None,
        }
    }

    /// The next message to send.
    pub(super) fn next(&mut self, now: Instant) -> Option<Arc<str>> {
        let Link::Open { sent, owing, .. } = &mut self.link else {
            return None;
        };
        let (n, text) = self.numbered.after(*sent)?;
        *sent = n;
        owing.get_or_insert(now);
        Some(text)
    }

    /// When [`Self::overdue`] has to be asked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.link {
            Link::Greeting { until } => Some(until),
            Link::Open { owing, .. } => owing.map(|owing| owing + TAKEN_WITHIN),
            Link::Away { .. } | Link::Connecting | Link::Closed => None,
        }
    }

    /// Why the connection is to be given up, if it is.
    pub(super) fn overdue(&self, now: Instant) -> Option<String> {
        let is_over = self.deadline().is_some_and(|deadline| now >= deadline);
        is_over.then(|| match self.link {
            Link::Greeting { .. } => format!("it has not answered within {WELCOME_WITHIN:?}"),
            _ => format!("it has taken nothing for {TAKEN_WITHIN:?}"),
        })
    }

    /// A message of the collector. An error is a breach of the protocol, after which the connection is of no use.
    pub(super) fn receive(&mut self, now: Instant, message: ToSim) -> Result<Option<News>, String> {
        match (self.link, message) {
            (Link::Greeting { .. }, ToSim::Welcome { taken }) => self.welcome(now, taken),
            (Link::Greeting { .. } | Link::Open { .. }, ToSim::Refused { why, message }) => {
                Ok(self.refused(now, why, message))
            }
            (Link::Open { sent, .. }, ToSim::Taken { n }) if n <= sent => {
                self.taken(now, n);
                Ok(None)
            }
            (Link::Open { .. }, ToSim::Taken { n }) => Err(format!("it has taken number {n}, which it was never sent")),
            (Link::Open { .. }, ToSim::Go { stages_in_ms }) => {
                // A collector that was started again may say it once more.
                let is_first = self.stages.is_none();
                self.stages.get_or_insert((stages_in_ms, now));
                Ok(is_first.then_some(News::Go { stages_in_ms }))
            }
            (Link::Open { .. }, ToSim::Control(_)) if self.stages.is_none() => {
                Err("it has given an order before go".to_owned())
            }
            (Link::Open { .. }, ToSim::Control(control)) => Ok(Some(News::Control(control))),
            (Link::Open { .. }, ToSim::Stop) => Ok(Some(News::Stop)),
            (_, message) => Err(format!("its message came at the wrong time: {}", name(&message))),
        }
    }

    fn welcome(&mut self, now: Instant, taken: u64) -> Result<Option<News>, String> {
        let last = self.numbered.last();
        if taken > last {
            return Err(format!(
                "it has number {taken} of this process, which has written {last}"
            ));
        }
        self.link = Link::Open {
            since: now,
            sent: taken,
            taken,
            owing: None,
        };
        self.taken(now, taken);
        self.mentioned = None;
        let was_gone = self.gone.take();
        let news = match self.stages {
            None => Some(LinkNews::LetIn),
            Some(_) => was_gone.map(|(since, _)| LinkNews::Back(now - since)),
        };
        Ok(news.map(News::Link))
    }

    fn taken(&mut self, now: Instant, n: u64) {
        if let Link::Open { sent, taken, owing, .. } = &mut self.link {
            *taken = n.max(*taken);
            *owing = (*taken < *sent).then_some(now);
            self.numbered.taken(*taken);
            if self.numbered.is_all(*taken) {
                self.is_delivered = true;
                self.link = Link::Closed;
            }
        }
    }

    fn refused(&mut self, now: Instant, why: Refusal, message: String) -> Option<News> {
        let is_final = match why {
            Refusal::Superseded | Refusal::Over => true,
            // Devices that run go on: the collector that they began with may come back in its place.
            Refusal::Version | Refusal::OtherRun | Refusal::OtherShards | Refusal::NotItsShard => self.stages.is_none(),
            Refusal::Claimed => false,
        };
        if is_final {
            self.link = Link::Closed;
            return Some(News::Refused { why, message });
        }
        let news = match why == Refusal::Claimed && self.stages.is_none() {
            true => {
                self.away(now);
                self.mention(message).map(LinkNews::Claimed)
            }
            false => self.lost(now, format!("it has refused: {message}")),
        };
        news.map(News::Link)
    }

    /// There is no connection for a while.
    fn away(&mut self, now: Instant) {
        // To welcome and to go away again at once is no progress.
        if matches!(self.link, Link::Open { since, .. } if now - since >= STEADY) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let retry = now + self.spread(PAUSES.after(self.failures));
        self.link = Link::Away { retry };
    }

    /// The reason, unless it is the same as the one before.
    fn mention(&mut self, why: String) -> Option<String> {
        let is_new = self.mentioned.as_ref() != Some(&why);
        self.mentioned = Some(why.clone());
        is_new.then_some(why)
    }

    /// A pause of which a part is left to chance.
    fn spread(&mut self, pause: Duration) -> Duration {
        let half = pause / 2;
        let part = self.chance.next_u64() % (millis(half).unsigned_abs() + 1);
        half + Duration::from_millis(part)
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn name(message: &ToSim) -> &'static str {
    match message {
        ToSim::Welcome { .. } => "welcome",
        ToSim::Refused { .. } => "refused",
        ToSim::Go { .. } => "go",
        ToSim::Taken { .. } => "taken",
        ToSim::Control(_) => "control",
        ToSim::Stop => "stop",
    }
}

#[cfg(test)]
mod tests;
