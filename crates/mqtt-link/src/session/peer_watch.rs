//! Whether the server is still there while it owes something.

use std::time::Duration;

use tokio::time::Instant;

/// A half-open connection looks like a quiet one. So while something is outstanding, a silent server gets a PINGREQ
/// after half of `within`, and is given up after all of it. One that sends anything is alive, however late its
/// acknowledgements are.
#[derive(Debug)]
pub(super) struct PeerWatch {
    /// Zero: off.
    within: Duration,
    /// The last sign of life: a packet, or bytes that could leave after they could not.
    last_sign: Instant,
    stalled: Option<Stall>,
}

/// Bytes are waiting that the network does not accept.
#[derive(Debug)]
struct Stall {
    since: Instant,
    /// How many bytes had left by then.
    written: u64,
}

/// What is due when a deadline has passed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Alive,
    Ask,
    Silent { waited: Duration },
    NotReading { waited: Duration },
}

impl PeerWatch {
    pub(super) fn new(within: Duration, now: Instant) -> Self {
        Self {
            within,
            last_sign: now,
            stalled: None,
        }
    }

    pub(super) fn received(&mut self, now: Instant) {
        self.last_sign = now;
    }

    /// Bytes are waiting, and `written` have been sent so far.
    pub(super) fn write_stalled(&mut self, written: u64, now: Instant) {
        match &self.stalled {
            Some(stall) if stall.written == written => {}
            before => {
                // On a slow network a large message takes time; as long as it moves, the server is there.
                if before.is_some() {
                    self.last_sign = now;
                }
                self.stalled = Some(Stall { since: now, written });
            }
        }
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    pub(super) fn write_finished(&mut self, now: Instant) {
        if self.stalled.take().is_some() {
            self.last_sign = now;
        }
    }

    pub(super) fn stall_deadline(&self) -> Option<Instant> {
        self.stalled
            .as_ref()
            .filter(|_| !self.within.is_zero())
            .map(|stall| stall.since + self.within)
    }

    /// `outstanding` is the time since which an answer is outstanding; `asked` is whether a PINGREQ is.
    pub(super) fn deadline(&self, outstanding: Option<Instant>, asked: bool) -> Option<Instant> {
        if self.within.is_zero() {
            return None;
        }
        let patience = if asked { self.within } else { self.within / 2 };
        let silence = outstanding.map(|since| since.max(self.last_sign) + patience);
        [silence, self.stall_deadline()].into_iter().flatten().min()
    }

    pub(super) fn verdict(&self, outstanding: Option<Instant>, asked: bool, now: Instant) -> Verdict {
        if self.within.is_zero() {
            return Verdict::Alive;
        }
        let stalled = self
            .stalled
            .as_ref()
            .map(|stall| now.saturating_duration_since(stall.since));
        // First, because a server that does not read can't answer.
        if let Some(waited) = stalled.filter(|waited| *waited >= self.within) {
            return Verdict::NotReading { waited };
        }
        let Some(outstanding) = outstanding else {
            return Verdict::Alive;
        };
        let waited = now.saturating_duration_since(outstanding.max(self.last_sign));
        if waited >= self.within {
            // Then the PINGREQ could not be sent either, and the reason is not silence.
            match stalled.filter(|stalled| *stalled >= self.within / 2) {
                Some(waited) => Verdict::NotReading { waited },
                None => Verdict::Silent { waited },
            }
        } else if !asked && waited >= self.within / 2 {
            Verdict::Ask
        } else {
            Verdict::Alive
        }
    }
}
