//! How long certificates are valid.

use jiff::{SignedDuration, Timestamp};

use super::IdentityError;
use crate::certificate::CertificateError;
use crate::certificate::load::Identity;
use crate::certificate::make::Validity;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Where the validity of devices' certificates lies. Any but the first is wrong on purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dates {
    /// They are valid.
    #[default]
    Valid,
    /// They have expired.
    Expired,
    /// They become valid later.
    NotYetValid,
}

/// How long leaves are valid, and with them the CAs above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    leaf: SignedDuration,
    dates: Dates,
}

impl Lifetime {
    /// Leaves that are valid for so long.
    pub fn of_leaves(leaf: SignedDuration) -> Self {
        Self {
            leaf,
            dates: Dates::Valid,
        }
    }

    /// The same with leaves of these dates.
    #[must_use]
    pub fn dated(self, dates: Dates) -> Self {
        Self { dates, ..self }
    }

    /// A device's certificate.
    pub fn leaf(self, now: Timestamp) -> Validity {
        match self.dates {
            Dates::Valid => Validity::lasting(now, self.leaf),
            Dates::Expired => Validity::expired(now),
            Dates::NotYetValid => Validity {
                not_before: now.saturating_add(self.leaf).unwrap_or(Timestamp::MAX),
                not_after: now.saturating_add(twice(self.leaf)).unwrap_or(Timestamp::MAX),
            },
        }
    }

    /// Checks the certificate of a device: its common name, and that its dates are those that are wanted.
    pub(super) fn check(self, identity: &Identity, device_id: &str, now: Timestamp) -> Result<(), IdentityError> {
        let checked = identity.check(device_id, now);
        let found = match &checked {
            Ok(()) => Dates::Valid,
            Err(CertificateError::Expired { .. }) => Dates::Expired,
            Err(CertificateError::NotYetValid { .. }) => Dates::NotYetValid,
            Err(_) => return Ok(checked?),
        };
        match self.dates {
            wanted if wanted == found => Ok(()),
            Dates::Valid => Ok(checked?),
            wanted => Err(IdentityError::OtherDates {
                certificate: identity.certificate_name().to_owned(),
                wanted: match wanted {
                    Dates::Expired => "has not expired, which it was to have done on purpose",
                    Dates::NotYetValid | Dates::Valid => {
                        "is not one that becomes valid later, as it was to be on purpose"
                    }
                },
            }),
        }
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
        let later = usual.dated(Dates::NotYetValid).leaf(now);
        assert!(later.not_before > now && later.not_after < usual.intermediate(now).not_after);
        assert!(usual.dated(Dates::Expired).leaf(now).not_after < now);
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
