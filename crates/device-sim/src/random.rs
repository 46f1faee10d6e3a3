//! Randomness that belongs to one device and one purpose.
//!
//! A device's stream depends only on the fleet's seed, its id and the purpose, so that no other device, shard or
//! order of events changes it. Physics and decisions have separate streams: how often a connection breaks must not
//! change the temperatures. The generator has a name, xoshiro256++: `StdRng` may change between versions of `rand`.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use sha2::{Digest, Sha256};

/// The generator of every stream.
pub type DeviceRng = Xoshiro256PlusPlus;

/// What a stream of random numbers is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The room and its sensor.
    Physics,
    /// Backoff, jitter and other decisions.
    Decisions,
    /// Whether a device belongs to a share of the fleet.
    Selection,
    /// When a device leaves in a churn.
    Churn,
    /// Which device an operator turns to, and what is asked of it.
    Operator,
    /// Which profile a device has.
    Profile,
    /// When in a day a device is online.
    Day,
    /// Whether a device has a fault of this kind.
    Fault(usize),
    /// When a device's faults show.
    FaultTimes,
}

/// The stream of a device for a purpose.
#[must_use]
pub fn stream(seed: u64, device_id: &str, purpose: Purpose) -> DeviceRng {
    let label = match purpose {
        Purpose::Physics => b"physics".as_slice(),
        Purpose::Decisions => b"decisions",
        Purpose::Selection => b"selection",
        Purpose::Churn => b"churn",
        Purpose::Operator => b"operator",
        Purpose::Profile => b"profile",
        Purpose::Day => b"day",
        Purpose::Fault(_) => b"fault",
        Purpose::FaultTimes => b"fault times",
    };
    let digest = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(label)
        .chain_update([0])
        .chain_update(device_id);
    let digest = match purpose {
        Purpose::Fault(kind) => digest.chain_update([0]).chain_update(kind.to_le_bytes()),
        _ => digest,
    };
    let digest = digest.finalize();
    DeviceRng::from_seed(digest.into())
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn seed_device_and_purpose_decide_the_stream_and_nothing_else_does() {
        let first = |seed, id, purpose| stream(seed, id, purpose).next_u64();
        // A literal, so that an upgrade which changes the stream of every fleet does not go unnoticed.
        assert_eq!(first(7, "thermo-0001", Purpose::Physics), 17_766_914_749_166_994_565);
        assert_ne!(
            first(7, "thermo-0001", Purpose::Physics),
            first(8, "thermo-0001", Purpose::Physics)
        );
        assert_ne!(
            first(7, "thermo-0001", Purpose::Physics),
            first(7, "thermo-0002", Purpose::Physics)
        );
        assert_ne!(
            first(7, "thermo-0001", Purpose::Physics),
            first(7, "thermo-0001", Purpose::Decisions)
        );
    }
}
