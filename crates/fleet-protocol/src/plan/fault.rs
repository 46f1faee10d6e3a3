//! Faults of the devices themselves, on purpose: bad networks, programs that hang, wrong clocks.

use serde::{Deserialize, Serialize};

/// A fault, and how many of a group's devices have it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceFault {
    /// The share of the group's devices, above 0 and up to 1.
    pub share: f64,
    /// What is wrong with them.
    pub fault: Fault,
}

/// What is wrong with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Its network is slow.
    Slow {
        /// How long what is sent is on its way, in each direction.
        latency_ms: u64,
        /// How many bytes pass in a second, in each direction; as many as there are when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes_per_s: Option<u64>,
    },
    /// Now and then it stops reading from its connection, which stays open.
    Stalled {
        /// Once in so long.
        every_ms: u64,
        /// For so long.
        for_ms: u64,
    },
    /// Its connection is cut, without a DISCONNECT, at random times.
    Cut {
        /// The mean time between two cuts.
        every_ms: u64,
    },
    /// Its clock is wrong.
    Clock {
        /// How many seconds it is ahead of the machine's; behind when below 0.
        ahead_s: i64,
    },
}

impl Fault {
    /// How many kinds there are.
    pub const KINDS: usize = 4;

    /// The kind, as a number below [`Self::KINDS`]. A device has at most one fault of each kind.
    #[must_use]
    pub fn kind(&self) -> usize {
        match self {
            Self::Slow { .. } => 0,
            Self::Stalled { .. } => 1,
            Self::Cut { .. } => 2,
            Self::Clock { .. } => 3,
        }
    }

    /// The word for the kind, in manifests, counters and reports.
    #[must_use]
    pub fn word(&self) -> &'static str {
        ["slow", "stalled", "cut", "clock"][self.kind()]
    }
}

/// For each fault of a group of `count` devices, which places have it in the order that is drawn for its kind: faults of
/// one kind share no device. Each has its share of the devices to within one.
#[must_use]
pub fn places(faults: &[DeviceFault], count: u32) -> Vec<std::ops::Range<u32>> {
    let mut taken = [0.0; Fault::KINDS];
    let place = |share: f64| (share.min(1.0) * f64::from(count)).round() as u32;
    let ranges = faults.iter().map(|DeviceFault { share, fault }| {
        let begin = taken[fault.kind()];
        taken[fault.kind()] = begin + share;
        place(begin)..place(begin + share)
    });
    ranges.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(share: f64, fault: Fault) -> DeviceFault {
        DeviceFault { share, fault }
    }

    #[test]
    fn faults_of_one_kind_share_no_device_and_each_has_its_share() {
        let slow = |latency_ms| Fault::Slow {
            latency_ms,
            bytes_per_s: None,
        };
        let cut = Fault::Cut { every_ms: 1000 };
        let faults = [fault(0.1, slow(1)), fault(0.5, cut), fault(0.25, slow(2))];
        assert_eq!(places(&faults, 200), [0..20, 0..100, 20..70]);
        // Rounding never gives a device to two of them, nor more than there are.
        let thirds = [fault(1.0 / 3.0, cut); 3];
        for count in [0, 1, 2, 3, 10, 1_000_000] {
            let places = places(&thirds, count);
            assert!(places.windows(2).all(|pair| pair[0].end == pair[1].start), "{places:?}");
            assert_eq!(places[2].end, count);
        }
    }

    #[test]
    fn a_fault_is_written_with_its_units() {
        let text = r#"{"share":0.5,"fault":{"slow":{"latency_ms":300}}}"#;
        let slow: DeviceFault = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&slow).unwrap(), text);
        assert_eq!(slow.fault.word(), "slow");
    }
}
