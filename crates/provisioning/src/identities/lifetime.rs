//! How long certificates are valid.

use jiff::{SignedDuration, Timestamp};

use crate::certificate::make::Validity;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How long leaves are valid, and with them the CAs above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    leaf: SignedDuration,
}

impl Lifetime {
    /// Leaves that are valid for so long.
    pub fn of_leaves(leaf: SignedDuration) -> Self {
        Self { leaf }
    }

    /// A device's certificate.
    pub fn leaf(self, now: Timestamp) -> Validity {
        Validity::lasting(now, self.leaf)
    }

    /// Five years, or twice as long as a leaf where that is longer: leaves that are issued later want their whole time
    /// too, and no certificate outlives its issuer.
    pub fn intermediate(self, now: Timestamp) -> Validity {
        Validity::lasting(now, self.of_intermediate())
    }

    /// Ten years, or twice as long as an intermediate.
    pub fn root(self, now: Timestamp) -> Validity {
        Validity::lasting(now, twice(self.of_intermediate()))
    }

    fn of_intermediate(self) -> SignedDuration {
        twice(self.leaf).max(DAY * 1825)
    }
}

impl Default for Lifetime {
    /// A year.
    fn default() -> Self {
        Self::of_leaves(DAY * 365)
    }
}

fn twice(duration: SignedDuration) -> SignedDuration {
    duration.saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_lasts_longer_than_what_it_signs() {
        let now: Timestamp = "2026-11-23T15:00:00Z".parse().unwrap();
        let usual = Lifetime::default();
        assert_eq!(usual.leaf(now), Validity::leaf(now));
        assert_eq!(usual.intermediate(now), Validity::intermediate(now));
        assert_eq!(usual.root(now), Validity::root(now));
        for leaf in [SignedDuration::from_mins(1), DAY * 1000, DAY * 36_500] {
            let lifetime = Lifetime::of_leaves(leaf);
            let [leaf, intermediate, root] =
                [lifetime.leaf(now), lifetime.intermediate(now), lifetime.root(now)].map(|one| one.not_after);
            assert!(
                leaf < intermediate && intermediate < root,
                "{leaf} {intermediate} {root}"
            );
        }
    }
}
