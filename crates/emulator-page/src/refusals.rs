//! Which devices are refused, and why: those of which the last thing that the journal has is a refusal. Looked up once a
//! second at most, however many people look.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iot_emulator::view::Device;
use iot_emulator::{Entry, Event, Service};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::Page;

const EVERY: Duration = Duration::from_millis(900);

/// The last refusal of a device, which need not be one that the application knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    seq: u64,
    /// The id as the device wrote it.
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
}

/// The last refusals, by folded id.
#[derive(Debug, Default)]
pub(crate) struct Refusals(BTreeMap<String, Refusal>);

#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Option<(Instant, Arc<Refusals>)>>);

impl Refusals {
    /// Takes a refusal in.
    fn refuse(&mut self, entry: &Entry) {
        let (Event::Refused { reason, .. } | Event::RegistrationRefused { reason, .. }) = &entry.event else {
            return;
        };
        let Some(id) = &entry.device else { return };
        let folded = id.to_ascii_lowercase();
        if self.0.get(&folded).is_none_or(|known| known.seq < entry.seq) {
            let refusal = Refusal {
                seq: entry.seq,
                id: id.clone(),
                at: entry.at,
                reason: reason.clone(),
            };
            self.0.insert(folded, refusal);
        }
    }

    /// Drops the refusal of a device that was admitted after it.
    fn admit(&mut self, entry: &Entry) {
        let is_admitted = matches!(
            entry.event,
            Event::Registered { .. } | Event::Connected { service: Service::Hub }
        );
        let Some(id) = entry.device.as_deref().filter(|_| is_admitted && !self.0.is_empty()) else {
            return;
        };
        let folded = id.to_ascii_lowercase();
        if self.0.get(&folded).is_some_and(|known| known.seq < entry.seq) {
            self.0.remove(&folded);
        }
    }

    /// The refusal of a device. One that is online is not refused: another client has tried to be it.
    pub(crate) fn of(&self, device: &Device<'_>) -> Option<&Refusal> {
        if self.0.is_empty() || device.is_online() {
            return None;
        }
        self.by_id(device.id().as_str())
    }

    /// The last refusal of a client that called itself so, whatever its case.
    pub(crate) fn by_id(&self, id: &str) -> Option<&Refusal> {
        self.0.get(&id.to_ascii_lowercase())
    }

    /// All of them, each with its folded id.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Refusal)> {
        self.0.iter().map(|(folded, refusal)| (folded.as_str(), refusal))
    }
}

impl Page {
    pub(crate) fn refusals(&self) -> Arc<Refusals> {
        let now = Instant::now();
        let mut latest = self.shared.refusals.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, refusals)) = latest.as_ref()
            && now.duration_since(*at) < EVERY
        {
            return Arc::clone(refusals);
        }
        let mut refusals = Refusals::default();
        let journal = self.view.journal();
        journal.visit(|entry| refusals.refuse(entry));
        journal.visit(|entry| refusals.admit(entry));
        let refusals = Arc::new(refusals);
        *latest = Some((now, Arc::clone(&refusals)));
        refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_decides_and_ids_are_compared_without_case() {
        let entry = |seq, device: &str, event| Entry {
            seq,
            at: Timestamp::UNIX_EPOCH,
            device: Some(device.into()),
            event,
        };
        let refused = |reason: &str| Event::RegistrationRefused { reason: reason.into() };
        let online = || Event::Connected { service: Service::Hub };
        let entries = [
            entry(2, "T-1", refused("second")),
            entry(1, "t-1", refused("first")),
            entry(3, "t-2", refused("only")),
            entry(4, "T-2", online()),
            entry(5, "t-3", online()),
            entry(6, "t-3", refused("after")),
            entry(7, "t-1", Event::Connected { service: Service::Dps }),
        ];
        let mut refusals = Refusals::default();
        entries.iter().for_each(|entry| refusals.refuse(entry));
        entries.iter().for_each(|entry| refusals.admit(entry));
        let left: Vec<_> = refusals.all().map(|(id, refusal)| (id, &*refusal.reason)).collect();
        assert_eq!(left, [("t-1", "second"), ("t-3", "after")]);
    }
}
