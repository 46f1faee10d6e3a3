//! Which devices are refused now, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use iot_emulator::view::{Device, RefusedDevice};

use crate::Page;

/// The devices that were refused and not admitted since, by folded id. The application need not have them.
#[derive(Debug, Default)]
pub(crate) struct Refusals(BTreeMap<String, RefusedDevice>);

impl Refusals {
    /// The refusal of a device. One that is online is not refused: another client has tried to be it.
    pub(crate) fn of(&self, device: &Device<'_>) -> Option<&RefusedDevice> {
        if self.0.is_empty() || device.is_online() {
            return None;
        }
        self.by_id(device.id().as_str())
    }

    /// The last refusal of a client that called itself so, whatever its case.
    pub(crate) fn by_id(&self, id: &str) -> Option<&RefusedDevice> {
        self.0.get(&id.to_ascii_lowercase())
    }

    /// All of them, each with its folded id.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &RefusedDevice)> {
        self.0.iter().map(|(folded, refusal)| (folded.as_str(), refusal))
    }
}

impl Page {
    pub(crate) fn refusals(&self) -> Arc<Refusals> {
        self.shared.refusals.get(|_| {
            let refused = self.view.refused().into_iter();
            let refused = refused.filter(|device| device.admitted().is_none());
            let by_id = refused.map(|device| (device.id().to_ascii_lowercase(), device));
            Refusals(by_id.collect())
        })
    }
}
