//! What happened, in order: the last events, for tests and for people who ask why a device is not online.

use std::collections::VecDeque;
use std::mem::{Discriminant, discriminant};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

mod event;

pub use event::{DisconnectReason, Event, Service};
use event::{LONGEST, cut};

/// How many events are kept. With what is kept of each text, that is some 8 MB, whatever clients send.
const CAPACITY: usize = 10_000;

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
    use crate::refusal_reason::RefusalReason;

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
