//! The certificates that devices came in with, and those of devices that were refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::certificate::hex_upper;
use crate::journal::Service;
use crate::refusal_reason::RefusalReason;
use crate::{attestation, presented, refused_devices};

/// A certificate that a device has sent.
#[derive(Debug, Clone)]
pub struct Shown(presented::Shown);

/// What a device came in with last, since the emulator's start.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Its leaf.
    pub leaf: Shown,
    /// How many different leaves it has come in with since the start.
    pub leaves: usize,
    /// When.
    pub at: Timestamp,
    way: Arc<presented::Way>,
}

/// The enrollment that let a device in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Through<'a> {
    /// Its individual enrollment.
    Individual {
        /// Whether by the primary certificate.
        is_primary: bool,
    },
    /// An enrollment group.
    Group {
        /// The id of the group.
        id: &'a str,
        /// Whether by the CA that was the primary one then.
        is_primary: bool,
        /// The subject of that CA.
        ca: &'a str,
        /// SHA-1 of that CA in upper-case hex.
        thumbprint: String,
    },
}

/// How many devices came in through a CA of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameThrough {
    /// The id of the group.
    pub group: String,
    /// SHA-1 of the CA in upper-case hex.
    pub thumbprint: String,
    /// Its subject.
    pub ca: String,
    /// The devices.
    pub devices: usize,
}

/// A device that was refused.
#[derive(Debug, Clone)]
pub struct RefusedDevice(refused_devices::RefusedDevice);

impl Shown {
    /// The subject in words.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The issuer in words.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// SHA-1 over the DER in upper-case hex.
    #[must_use]
    pub fn sha1_thumbprint(&self) -> String {
        hex_upper(&self.0.sha1)
    }

    /// SHA-256 over the DER in upper-case hex.
    #[must_use]
    pub fn sha256_thumbprint(&self) -> String {
        hex_upper(&self.0.sha256)
    }

    /// The first moment of its validity.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.0.not_before
    }

    /// The last moment of its validity.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.0.not_after
    }
}

impl Presented {
    pub(super) fn of(presented: &presented::Presented) -> Self {
        Self {
            leaf: Shown(presented.leaf()),
            leaves: presented.leaves(),
            at: presented.at(),
            way: Arc::clone(presented.way()),
        }
    }

    /// The certificates that it sent after its leaf, in the order of the handshake.
    pub fn sent(&self) -> impl Iterator<Item = Shown> {
        self.way.sent.iter().cloned().map(Shown)
    }

    /// The enrollment that let it in. None if it has not registered since the start, and no enrollment would let it in: a
    /// hub does not ask for one.
    #[must_use]
    pub fn through(&self) -> Option<Through<'_>> {
        self.way.through.as_ref().map(through)
    }
}

fn through(through: &presented::Through) -> Through<'_> {
    let is_primary = |entry| entry == attestation::Entry::Primary;
    match through {
        presented::Through::Individual(entry) => Through::Individual {
            is_primary: is_primary(*entry),
        },
        presented::Through::Group {
            id,
            entry,
            ca,
            thumbprint,
        } => Through::Group {
            id,
            is_primary: is_primary(*entry),
            ca,
            thumbprint: hex_upper(thumbprint),
        },
    }
}

/// Adds up the devices of all ways that lead to the same CA of a group.
pub(super) fn by_ca(ways: impl Iterator<Item = (Arc<presented::Way>, usize)>) -> Vec<CameThrough> {
    let mut sums = BTreeMap::new();
    for (way, devices) in ways {
        if let Some(presented::Through::Group { id, ca, thumbprint, .. }) = &way.through {
            let sum = sums.entry((id.clone(), *thumbprint)).or_insert_with(|| CameThrough {
                group: id.to_string(),
                thumbprint: hex_upper(thumbprint),
                ca: ca.to_string(),
                devices: 0,
            });
            sum.devices += devices;
        }
    }
    sums.into_values().collect()
}

impl RefusedDevice {
    pub(super) fn new(device: refused_devices::RefusedDevice) -> Self {
        Self(device)
    }

    /// As it called itself.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Who refused it.
    #[must_use]
    pub fn service(&self) -> Service {
        self.0.service
    }

    /// When it was refused last.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.0.at
    }

    /// How often it was refused since it is remembered.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count
    }

    /// Why, in a word.
    #[must_use]
    pub fn why(&self) -> RefusalReason {
        self.0.why
    }

    /// Why, in a sentence.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.words
    }

    /// The certificates that it sent last, leaf first.
    pub fn sent(&self) -> impl Iterator<Item = Shown> {
        self.0.sent.iter().cloned().map(Shown)
    }

    /// When it was let in afterwards, if it was.
    #[must_use]
    pub fn admitted(&self) -> Option<Timestamp> {
        self.0.admitted
    }
}
