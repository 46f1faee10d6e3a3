//! When to ping, and when to give up on the answer.

use std::time::Duration;

use tokio::time::Instant;

/// A PINGREQ is due after `interval` without a packet in either direction.
///
/// MQTT only asks that the client sends something in each interval. Looking at both directions also detects a server
/// that accepts what a busy client sends but has stopped answering.
#[derive(Debug)]
pub(super) struct KeepAlive {
    /// Zero: off.
    interval: Duration,
    last_sent: Instant,
    last_received: Instant,
    ping_sent: Option<Instant>,
}

/// What is due when a deadline has passed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    /// The answer to a ping is missing.
    Silence {
        waited: Duration,
    },
}

impl KeepAlive {
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            last_sent: now,
            last_received: now,
            ping_sent: None,
        }
    }

    pub(super) fn sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    pub(super) fn received(&mut self, now: Instant) {
        self.last_received = now;
    }

    pub(super) fn answered(&mut self) {
        self.ping_sent = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.interval.is_zero() {
            return None;
        }
        Some(match self.ping_sent {
            Some(sent) => sent + self.patience(),
            None => self.last_sent.min(self.last_received) + self.interval,
        })
    }

    pub(super) fn due(&self, now: Instant) -> Due {
        match self.deadline() {
            Some(deadline) if deadline <= now => {}
            _ => return Due::Nothing,
        }
        if let Some(sent) = self.ping_sent {
            return Due::Silence {
                waited: now.saturating_duration_since(sent),
            };
        }
        Due::Ping
    }

    /// A PINGREQ is sent, for whatever reason.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.last_sent = now;
        self.ping_sent = Some(now);
    }

    /// When the PINGREQ was sent that is not answered yet.
    pub(super) fn ping_sent(&self) -> Option<Instant> {
        self.ping_sent
    }

    /// A server closes after one and a half intervals, so after half of one both sides agree; a very short or
    /// long interval still gets a sensible time.
    fn patience(&self) -> Duration {
        (self.interval / 2).clamp(Duration::from_secs(1), Duration::from_secs(30))
    }
}
