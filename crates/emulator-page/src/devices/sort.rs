//! The order of the list.

use iot_emulator::view::Device;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Id,
    Newest,
    Oldest,
    Warmest,
    Coldest,
    Most,
}

impl Sort {
    pub(super) const ALL: [Self; 6] = [
        Self::Id,
        Self::Newest,
        Self::Oldest,
        Self::Warmest,
        Self::Coldest,
        Self::Most,
    ];

    pub(super) fn of(key: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|sort| sort.key() == key).unwrap_or(Self::Id)
    }

    /// As it stands in an address.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Id => "",
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Warmest => "warmest",
            Self::Coldest => "coldest",
            Self::Most => "most",
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Id => "By id",
            Self::Newest => "Telemetry, newest first",
            Self::Oldest => "Telemetry, oldest first",
            Self::Warmest => "Warmest first",
            Self::Coldest => "Coldest first",
            Self::Most => "Most messages first",
        }
    }

    /// Orders devices, which are in the order of their ids.
    pub(super) fn apply(self, devices: &mut [Device<'_>]) {
        if self != Self::Id {
            devices.sort_by_cached_key(|device| Rank(self.rank(device)));
        }
    }

    /// What comes first is small. A device without the figure comes last.
    fn rank(self, device: &Device<'_>) -> f64 {
        let Some(in_hub) = device.in_hub() else {
            return f64::INFINITY;
        };
        let state = in_hub.read();
        let last = || state.last().map(|at| at.as_millisecond() as f64);
        let temperature = || state.numbers("temperature").next().map(|(.., degrees)| degrees);
        let rank = match self {
            Self::Id => None,
            Self::Newest => last().map(|at| -at),
            Self::Oldest => last(),
            Self::Warmest => temperature().map(|degrees| -degrees),
            Self::Coldest => temperature(),
            Self::Most => Some(-(state.received() as f64)),
        };
        rank.unwrap_or(f64::INFINITY)
    }
}

/// A number with a total order.
#[derive(Debug, PartialEq)]
struct Rank(f64);

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
