//! The last devices that were refused: what each sent, and why that was not enough. They are as many as fit, whatever
//! clients send, and of this process only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::certificate::Certificate;
use crate::clock;
use crate::journal::Service;
use crate::presented::Shown;
use crate::refusal_reason::RefusalReason;

/// How many devices are kept. A device may have sent ten certificates, of which some 400 bytes each are kept: that is 4 MB
/// at worst.
const CAPACITY: usize = 1_000;
/// How many characters of a sentence are kept.
const LONGEST: usize = 400;

/// A device that was refused.
#[derive(Debug, Clone)]
pub(crate) struct RefusedDevice {
    /// As it called itself last.
    pub(crate) id: String,
    pub(crate) service: Service,
    /// When it was refused last.
    pub(crate) at: Timestamp,
    /// How often it was refused.
    pub(crate) count: u64,
    pub(crate) why: RefusalReason,
    pub(crate) words: String,
    /// The certificates that it sent last, leaf first.
    pub(crate) sent: Arc<[Shown]>,
    /// When it registered or connected after that.
    pub(crate) admitted: Option<Timestamp>,
}

/// The last devices that were refused.
#[derive(Debug, Default)]
pub(crate) struct RefusedDevices(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By folded id, each with its number.
    devices: BTreeMap<String, (u64, RefusedDevice)>,
    /// The folded ids by number; the first was refused the longest ago.
    order: BTreeMap<u64, String>,
    last: u64,
}

impl RefusedDevices {
    /// Keeps a refusal. The device that was refused the longest ago goes if there is no room.
    pub(crate) fn record(&self, id: &str, service: Service, why: RefusalReason, words: &str, chain: &[Certificate]) {
        // Before the lock, which all refusals share.
        let sent = chain.iter().map(Shown::from).collect();
        let folded = id.to_ascii_lowercase();
        let mut kept = self.lock();
        let known = kept.take(&folded);
        if kept.devices.len() >= CAPACITY
            && let Some((_, oldest)) = kept.order.pop_first()
        {
            kept.devices.remove(&oldest);
        }
        kept.last += 1;
        let number = kept.last;
        let device = RefusedDevice {
            id: id.to_owned(),
            service,
            at: clock::now(),
            count: known.map_or(0, |known| known.count) + 1,
            why,
            words: words.chars().take(LONGEST).collect(),
            sent,
            admitted: None,
        };
        kept.order.insert(number, folded.clone());
        kept.devices.insert(folded, (number, device));
    }

    /// The device was let in.
    pub(crate) fn admitted(&self, id: &str) {
        let mut kept = self.lock();
        if kept.devices.is_empty() {
            return;
        }
        if let Some((_, device)) = kept.devices.get_mut(&id.to_ascii_lowercase()) {
            device.admitted.get_or_insert_with(clock::now);
        }
    }

    /// All of them, the last one first.
    pub(crate) fn all(&self) -> Vec<RefusedDevice> {
        let kept = self.lock();
        let newest_first = kept.order.values().rev();
        newest_first
            .filter_map(|id| kept.devices.get(id).map(|(_, device)| device.clone()))
            .collect()
    }

    /// One of them, whatever the case of its id.
    pub(crate) fn device(&self, id: &str) -> Option<RefusedDevice> {
        let kept = self.lock();
        kept.devices
            .get(&id.to_ascii_lowercase())
            .map(|(_, device)| device.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, folded: &str) -> Option<RefusedDevice> {
        let (number, device) = self.devices.remove(folded)?;
        self.order.remove(&number);
        Some(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl RefusedDevices {
        fn len(&self) -> usize {
            self.lock().devices.len()
        }
    }

    fn refuse(refused: &RefusedDevices, id: &str) {
        refused.record(
            id,
            Service::Dps,
            RefusalReason::NoCertificate,
            &"w".repeat(3 * LONGEST),
            &[],
        );
    }

    #[test]
    fn the_last_thousand_are_kept_each_once_and_the_last_refused_comes_first() {
        let refused = RefusedDevices::default();
        for number in 0..CAPACITY + 10 {
            refuse(&refused, &format!("t-{number}"));
            refuse(&refused, "Always");
        }
        let all = refused.all();
        assert_eq!((all.len(), refused.len()), (CAPACITY, CAPACITY));
        assert_eq!((all[0].id.as_str(), all[0].count), ("Always", 1_010));
        assert_eq!((all[1].id.as_str(), all[0].words.len()), ("t-1009", LONGEST));
        assert!(refused.device("t-10").is_none() && refused.device("T-11").is_some());
    }

    #[test]
    fn a_device_that_was_let_in_afterwards_is_marked_until_it_is_refused_again() {
        let refused = RefusedDevices::default();
        refuse(&refused, "t-1");
        refused.admitted("T-1");
        refused.admitted("t-2");
        assert!(refused.device("t-1").unwrap().admitted.is_some());
        refuse(&refused, "t-1");
        assert!(refused.device("t-1").unwrap().admitted.is_none());
        assert_eq!(refused.len(), 1);
    }
}
