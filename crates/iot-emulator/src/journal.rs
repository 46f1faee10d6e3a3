//! What happened, in order: the last events, for tests and for people who ask why a device is not online.

use std::collections::VecDeque;
use std::mem::{Discriminant, discriminant};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::phase::Phase;
use crate::refusal_reason::RefusalReason;
use crate::store::NotStored;

/// How many events are kept. With what is kept of each text, that is some 8 MB, whatever clients send.
const CAPACITY: usize = 10_000;
/// How many characters are kept of a text, part of which a client may have written: longer than any device id and most of
/// our own reasons.
const LONGEST: usize = 200;
/// The same for the reason of a refusal, which may name certificates, their thumbprints and a group.
const LONGEST_REASON: usize = 400;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Counts up from 1.
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

impl From<NotStored> for DisconnectReason {
    fn from(_: NotStored) -> Self {
        Self::NotStored
    }
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "where a field has no comment, its name is what it holds")]
pub enum Event {
    /// A connection ended before the client had identified itself.
    Dropped { reason: String },
    /// A client named no server in its TLS handshake (SNI).
    NoServerName,
    /// A CONNECT was refused.
    Refused {
        /// By which service, where the user name names one.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<Service>,
        /// The return code of CONNACK.
        code: u8,
        /// The reason in a word.
        why: RefusalReason,
        reason: String,
    },
    /// A device comes through a gateway.
    ThroughGateway {
        /// The Edge device that the gateway stands for.
        gateway: String,
    },
    /// A client is connected.
    Connected { service: Service },
    /// A connection ended.
    Disconnected {
        service: Service,
        #[serde(flatten)]
        reason: DisconnectReason,
    },
    /// DPS assigned a device.
    Registered {
        /// The enrollment group, or none for an individual enrollment.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        device_id: String,
        hub: String,
    },
    /// A device was taken out of its hub; its next registration gives it to another.
    Reassigned {
        /// The other hub.
        hub: String,
    },
    /// DPS did not assign a device.
    RegistrationRefused {
        /// The reason in a word.
        why: RefusalReason,
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
        rule: String,
        phase: Phase,
        verdict: &'static str,
    },
    /// A certificate was uploaded for a device whose id is not its common name: DPS will refuse the device that shows it.
    CertificateOfAnotherName {
        /// Whether as `primary` or as `secondary`.
        slot: &'static str,
        common_name: Option<String>,
    },
    /// A cloud-to-device message was put into the queue.
    MessageQueued,
    /// An operator dropped all cloud-to-device messages of a device.
    MessagesPurged { purged: usize },
    /// A cloud-to-device message is done with.
    MessageCompleted,
    /// A cloud-to-device message waited too long. The hub calls this "dead lettered".
    MessageExpired {
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", content = "detail", rename_all = "snake_case")]
pub enum DisconnectReason {
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

/// The last events. Older ones are dropped, first those of the kind of which there are most: a flood of refusals does
/// not push out what else has happened.
#[derive(Debug)]
pub struct Journal {
    kinds: Mutex<Vec<Kind>>,
    last: watch::Sender<u64>,
}

/// The last events of one kind, oldest first.
#[derive(Debug)]
struct Kind {
    of: Discriminant<Event>,
    entries: VecDeque<Entry>,
}

impl Event {
    /// Cuts every text that a client may have written.
    fn cut(&mut self) {
        let texts: [Option<&mut String>; 2] = match self {
            Self::Refused { reason, .. } | Self::RegistrationRefused { reason, .. } => {
                return cut(reason, LONGEST_REASON);
            }
            Self::Dropped { reason } => [Some(reason), None],
            Self::ThroughGateway { gateway } => [Some(gateway), None],
            Self::Disconnected { reason, .. } => match reason {
                DisconnectReason::Violation(detail) | DisconnectReason::Fault(detail) => [Some(detail), None],
                _ => [None, None],
            },
            Self::Registered { device_id, hub, .. } => [Some(device_id), Some(hub)],
            Self::Reassigned { hub } => [Some(hub), None],
            Self::MethodInvoked { name, .. } => [Some(name), None],
            Self::Fault { rule, .. } => [Some(rule), None],
            Self::MessageExpired { message_id } => [message_id.as_mut(), None],
            Self::CertificateOfAnotherName { common_name, .. } => [common_name.as_mut(), None],
            Self::NoServerName
            | Self::Connected { .. }
            | Self::Will
            | Self::Reported { .. }
            | Self::DesiredChanged { .. }
            | Self::Throttled { .. }
            | Self::MessageQueued
            | Self::MessagesPurged { .. }
            | Self::MessageCompleted => [None, None],
        };
        texts.into_iter().flatten().for_each(|text| cut(text, LONGEST));
    }
}

/// Keeps the beginning of a text that is too long.
fn cut(text: &mut String, longest: usize) {
    if let Some((end, _)) = text.char_indices().nth(longest) {
        text.truncate(end);
        text.push('…');
        text.shrink_to_fit();
    }
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            kinds: Mutex::default(),
            last: watch::Sender::new(0),
        }
    }

    pub(crate) fn record(&self, device: Option<&str>, mut event: Event) {
        event.cut();
        let device = device.map(|device| {
            let mut device = device.to_owned();
            cut(&mut device, LONGEST);
            device
        });
        tracing::info!(device_id = device, ?event);
        let mut kinds = self.kinds();
        let seq = *self.last.borrow() + 1;
        if kinds.iter().map(|kind| kind.entries.len()).sum::<usize>() >= CAPACITY {
            let largest = kinds.iter_mut().max_by_key(|kind| kind.entries.len());
            largest.map(|kind| kind.entries.pop_front());
        }
        let of = discriminant(&event);
        let entry = Entry {
            seq,
            at: crate::clock::now(),
            device,
            event,
        };
        match kinds.iter_mut().find(|kind| kind.of == of) {
            Some(kind) => kind.entries.push_back(entry),
            None => kinds.push(Kind {
                of,
                entries: [entry].into(),
            }),
        }
        self.last.send_replace(seq);
    }

    /// The events after number `seq` that are still kept, oldest first.
    #[must_use]
    pub fn since(&self, seq: u64) -> Vec<Entry> {
        let kinds = self.kinds();
        let mut later: Vec<Entry> = kinds
            .iter()
            .flat_map(|kind| {
                let known = kind.entries.partition_point(|entry| entry.seq <= seq);
                kind.entries.iter().skip(known).cloned()
            })
            .collect();
        later.sort_unstable_by_key(|entry| entry.seq);
        later
    }

    /// The last events that `keep` lets through, newest first, at most `count`.
    #[must_use]
    pub fn tail(&self, count: usize, keep: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let kinds = self.kinds();
        let newest = |kind: &Kind| -> Vec<Entry> {
            let newest_first = kind.entries.iter().rev();
            newest_first.filter(|entry| keep(entry)).take(count).cloned().collect()
        };
        let mut newest: Vec<Entry> = kinds.iter().flat_map(newest).collect();
        newest.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.seq));
        newest.truncate(count);
        newest
    }

    fn kinds(&self) -> MutexGuard<'_, Vec<Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_flood_of_one_kind_leaves_the_others_where_they_are() {
        let journal = Journal::new();
        for version in 0..100 {
            journal.record(Some("t-1"), Event::Reported { version });
        }
        let throttled = || Event::Throttled {
            limit: "registrations",
            outcome: "refused",
        };
        for _ in 0..3 * CAPACITY {
            journal.record(Some("t-2"), throttled());
        }
        let all = journal.since(0);
        assert_eq!(all.len(), CAPACITY);
        let others = all.iter().filter(|entry| entry.event != throttled()).count();
        assert_eq!((others, all[0].seq, journal.last()), (100, 1, 30_100));
        assert!(all.is_sorted_by_key(|entry| entry.seq));
        assert_eq!(journal.since(30_099).len(), 1);
        let tail = journal.tail(5, |_| true);
        assert_eq!(
            tail.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
            [30_100, 30_099, 30_098, 30_097, 30_096]
        );
    }

    #[test]
    fn what_a_client_wrote_is_cut_before_it_is_kept() {
        let journal = Journal::new();
        let long = "ü\u{1b}".repeat(30_000);
        let events = [
            Event::Dropped { reason: long.clone() },
            Event::Refused {
                service: None,
                code: 4,
                why: RefusalReason::UserName,
                reason: long.clone(),
            },
            Event::Disconnected {
                service: Service::Hub,
                reason: DisconnectReason::Violation(long.clone()),
            },
            Event::MessageExpired {
                message_id: Some(long.clone()),
            },
        ];
        for event in events {
            journal.record(Some(&long), event);
        }
        for entry in journal.since(0) {
            let json = serde_json::to_string(&entry).unwrap();
            assert!(json.len() < 6_000, "{}", json.len());
            assert!(json.contains("ü\\u001b…"), "{json}");
        }
    }

    #[test]
    fn an_entry_is_one_flat_object() {
        let event = Event::Disconnected {
            service: Service::Hub,
            reason: DisconnectReason::Violation("topic".into()),
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
