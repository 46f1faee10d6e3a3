//! What happened, in order: the last events, for tests and for people who ask why a device is not online.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::weather::Phase;

/// How many events are kept.
const CAPACITY: usize = 10_000;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Counts up from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The device, as it calls itself, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Which of the two services on the MQTT port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Device Provisioning Service.
    Dps,
    /// IoT Hub.
    Hub,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A connection ended before it had said who it is.
    Dropped {
        /// Why.
        reason: String,
    },
    /// A client named no server in its TLS handshake (SNI).
    NoServerName,
    /// A CONNECT was refused.
    Refused {
        /// By which service, where the user name told.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<Service>,
        /// The return code of CONNACK.
        code: u8,
        /// Why.
        reason: String,
    },
    /// A device comes through a gateway.
    ThroughGateway {
        /// The Edge device that the gateway stands for.
        gateway: String,
    },
    /// A client is connected.
    Connected {
        /// To which service.
        service: Service,
    },
    /// A connection ended.
    Disconnected {
        /// From which service.
        service: Service,
        /// Why.
        #[serde(flatten)]
        why: Why,
    },
    /// DPS assigned a device.
    Registered {
        /// The enrollment group, or none for an individual enrollment.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// The device id in the hub.
        device_id: String,
        /// The hub.
        hub: String,
    },
    /// A device was taken out of its hub; its next registration gives it to another.
    Reassigned {
        /// The other hub.
        hub: String,
    },
    /// DPS did not assign a device.
    RegistrationRefused {
        /// Why.
        reason: String,
    },
    /// The will of a device that went without a word.
    Will,
    /// A device reported properties.
    Reported {
        /// The new version of its reported properties.
        version: u64,
    },
    /// The solution changed desired properties.
    DesiredChanged {
        /// The new version of the desired properties.
        version: u64,
    },
    /// A direct method was answered, or not.
    MethodInvoked {
        /// The method.
        name: String,
        /// The device's status; none if it did not answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// Something was more than the quota allows.
    Throttled {
        /// Which limit, as the quota names it.
        limit: &'static str,
        /// `delayed`, `refused` or `closed`.
        outcome: &'static str,
    },
    /// A rule kept the emulator from what it was about to do.
    Fault {
        /// The rule's id.
        rule: String,
        /// At which moment.
        phase: Phase,
        /// What the rule did.
        verdict: &'static str,
    },
    /// A cloud-to-device message was put into the queue.
    MessageQueued,
    /// A cloud-to-device message is done with.
    MessageCompleted,
    /// A cloud-to-device message waited too long. The hub calls this "dead lettered".
    MessageExpired {
        /// Its id.
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", content = "detail", rename_all = "snake_case")]
pub enum Why {
    /// The client sent DISCONNECT.
    Disconnect,
    /// The client vanished.
    ConnectionLost,
    /// Nothing came for 1.5 times the keepalive.
    KeepAliveExpired,
    /// Another connection of the same device came.
    Replaced,
    /// The client did what it must not.
    Violation(String),
    /// The device was disabled.
    Disabled,
    /// The device was deleted.
    Deleted,
    /// The device was given to another hub, or starts anew in its own.
    Moved,
    /// The device is no longer a child of the gateway that it came through.
    NoChild,
    /// The hub takes the device's certificate for expired.
    Expired,
    /// The device sent more than the quota allows, for too long.
    Throttled,
    /// A rule ended it; here is the rule's id.
    Fault(String),
    /// The client did not read what was sent to it.
    TooSlow,
    /// The emulator stops.
    ShuttingDown,
    /// The emulator can't store what the client did, so it must not acknowledge it.
    NotStored,
}

/// The last events. Older ones are forgotten.
#[derive(Debug)]
pub struct Journal {
    entries: Mutex<VecDeque<Entry>>,
    last: watch::Sender<u64>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            // All the room at once, of which memory is taken only as it fills. One that grows by itself takes two thirds
            // more in the end.
            entries: Mutex::new(VecDeque::with_capacity(CAPACITY)),
            last: watch::Sender::new(0),
        }
    }

    pub(crate) fn record(&self, device: Option<&str>, event: Event) {
        tracing::info!(device_id = device, ?event);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = *self.last.borrow() + 1;
        if entries.len() == CAPACITY {
            entries.pop_front();
        }
        entries.push_back(Entry {
            seq,
            at: crate::clock::now(),
            device: device.map(Into::into),
            event,
        });
        self.last.send_replace(seq);
    }

    /// The events after number `seq`, oldest first.
    #[must_use]
    pub fn since(&self, seq: u64) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = entries.front().map_or(0, |oldest| oldest.seq - 1);
        // Numbers have no gaps, so the place of an event follows from its number.
        let known = usize::try_from(seq.saturating_sub(forgotten)).unwrap_or(usize::MAX);
        entries.iter().skip(known).cloned().collect()
    }

    /// The last events that `keep` lets through, newest first, at most `count`.
    pub(crate) fn tail(&self, count: usize, keep: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let newest_first = entries.iter().rev();
        newest_first.filter(|entry| keep(entry)).take(count).cloned().collect()
    }

    /// The number of the last event.
    #[must_use]
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Waits until an event after number `seq` is the one looked for, which may have happened already.
    pub async fn wait_for(&self, mut seq: u64, mut is_it: impl FnMut(&Entry) -> bool) -> Entry {
        let mut last = self.last.subscribe();
        loop {
            last.borrow_and_update();
            for entry in self.since(seq) {
                seq = entry.seq;
                if is_it(&entry) {
                    return entry;
                }
            }
            if last.changed().await.is_err() {
                // The sender lives as long as this journal, so this can't be reached; waiting on is harmless.
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_forgets_the_oldest_and_counts_on() {
        let journal = Journal::new();
        for _ in 0..CAPACITY + 5 {
            journal.record(Some("t-1"), Event::Will);
        }
        assert_eq!(journal.since(0).len(), CAPACITY);
        assert_eq!(journal.since(0)[0].seq, 6);
        let last = u64::try_from(CAPACITY).unwrap() + 5;
        assert_eq!((journal.last(), journal.since(last - 1).len()), (last, 1));
    }

    #[test]
    fn an_entry_is_one_flat_object() {
        let event = Event::Disconnected {
            service: Service::Hub,
            why: Why::Violation("topic".into()),
        };
        let entry = Entry {
            seq: 1,
            at: "2026-11-23T15:00:00Z".parse().unwrap(),
            device: Some("t".into()),
            event,
        };
        let expected = serde_json::json!({"seq": 1, "at": "2026-11-23T15:00:00Z", "device": "t",
            "event": "disconnected", "service": "hub", "why": "violation", "detail": "topic"});
        assert_eq!(serde_json::to_value(entry).unwrap(), expected);
    }
}
