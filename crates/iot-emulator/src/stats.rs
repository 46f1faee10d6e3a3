//! Totals since the start. They are atomics, since every message of every device counts up here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// Totals since the start, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// TCP connections accepted on the ports for devices.
    pub accepted: u64,
    /// Devices that connected to the hub.
    pub connects: u64,
    /// Devices that are connected to the hub now.
    pub connected: u64,
    /// CONNECTs refused, by either service.
    pub refused: u64,
    /// Registrations that ended assigned.
    pub registrations: u64,
    /// Registrations that ended otherwise.
    pub registrations_refused: u64,
    /// Telemetry messages.
    pub telemetry_received: u64,
    /// Telemetry messages that were not sent before: their message id `<run>-<sequence number>` was new. A message with
    /// another id, or with none, always counts as new.
    pub telemetry_received_unique: u64,
    /// Bytes of telemetry bodies.
    pub telemetry_bytes: u64,
    /// What was delayed or refused, since it was more than the quota allows.
    pub throttled: u64,
    /// What rules did.
    pub faults: u64,
    /// Connections and requests that ended in a panic: mistakes of the emulator, so any number but 0 is a bug.
    pub panics: u64,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) connects: AtomicU64,
    pub(crate) connected: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) registrations: AtomicU64,
    pub(crate) registrations_refused: AtomicU64,
    pub(crate) telemetry_received: AtomicU64,
    pub(crate) telemetry_received_unique: AtomicU64,
    pub(crate) telemetry_bytes: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) panics: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(crate) fn read(&self) -> Stats {
        Stats {
            accepted: self.accepted.load(Relaxed),
            connects: self.connects.load(Relaxed),
            connected: self.connected.load(Relaxed),
            refused: self.refused.load(Relaxed),
            registrations: self.registrations.load(Relaxed),
            registrations_refused: self.registrations_refused.load(Relaxed),
            telemetry_received: self.telemetry_received.load(Relaxed),
            telemetry_received_unique: self.telemetry_received_unique.load(Relaxed),
            telemetry_bytes: self.telemetry_bytes.load(Relaxed),
            throttled: self.throttled.load(Relaxed),
            faults: self.faults.load(Relaxed),
            panics: self.panics.load(Relaxed),
        }
    }
}
