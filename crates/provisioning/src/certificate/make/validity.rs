//! From when to when a certificate is valid.

use jiff::{SignedDuration, Timestamp};

use crate::certificate::inspect::CertificateFacts;

/// How far the begin lies before the making, so that a machine whose clock is a little behind takes the certificate too.
const BACKDATED: SignedDuration = SignedDuration::from_mins(5);

/// The first and the last moment a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// From a little before `now` for so many days; as far as the calendar goes, should that be beyond it.
    pub fn days(now: Timestamp, days: u32) -> Self {
        Self::lasting(now, SignedDuration::from_hours(i64::from(days) * 24))
    }

    /// The same for any time.
    pub fn lasting(now: Timestamp, lasting: SignedDuration) -> Self {
        Self {
            not_before: now.checked_sub(BACKDATED).unwrap_or(Timestamp::MIN),
            not_after: now.checked_add(lasting).unwrap_or(Timestamp::MAX),
        }
    }

    /// A root CA: ten years.
    pub fn root(now: Timestamp) -> Self {
        Self::days(now, 3650)
    }

    /// An intermediate CA: five years.
    pub fn intermediate(now: Timestamp) -> Self {
        Self::days(now, 1825)
    }

    /// A device's leaf: a year.
    pub fn leaf(now: Timestamp) -> Self {
        Self::days(now, 365)
    }

    /// A certificate that has expired on purpose: from a little before `now` until a minute ago. A CA that was made just now
    /// is backdated far enough to sign it.
    pub fn expired(now: Timestamp) -> Self {
        Self::lasting(now, SignedDuration::from_mins(-1))
    }

    /// A verification certificate: a day, since it is shown once.
    pub fn verification(now: Timestamp) -> Self {
        Self::days(now, 1)
    }

    /// The part of it in which the issuer is valid too: nothing outlives its issuer.
    pub(super) fn within(self, issuer: &CertificateFacts) -> Self {
        Self {
            not_before: self.not_before.max(issuer.not_before),
            not_after: self.not_after.min(issuer.not_after),
        }
    }
}
