//! The certificates that a device came in with, as a person compares them, and the enrollment that let it in. All of it is
//! of this process only: a restart forgets it until the device connects again.
//!
//! A device keeps what is its own, some 150 bytes; the certificates above its leaf are shared with all devices that came
//! the same way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;

use crate::attestation::{Above, Attested, Entry};
use crate::certificate::Certificate;

/// The most bytes of a name that are kept.
const LONGEST_NAME: usize = 128;
/// How many ways are compared with a new one. A device that comes by one beyond them shares it with no other.
const MOST_WAYS: usize = 256;
/// How many earlier leaves of a device are remembered, to recognize one that comes back.
const MOST_LEAVES: usize = 64;

/// What is kept of a certificate that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) subject: Box<str>,
    pub(crate) issuer: Box<str>,
    pub(crate) sha1: [u8; 20],
    pub(crate) sha256: [u8; 32],
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) not_after: Option<Timestamp>,
}

/// How devices came in: what they sent after their leaf, and by which enrollment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// Who has issued the leaf.
    pub(crate) issuer: Box<str>,
    pub(crate) sent: Box<[Shown]>,
    /// None if no enrollment lets the device in now, which a hub does not ask for.
    pub(crate) through: Option<Through>,
}

/// The enrollment that let a device in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Through {
    Individual(Entry),
    Group {
        id: Box<str>,
        entry: Entry,
        ca: Box<str>,
        /// SHA-1 of the CA.
        thumbprint: [u8; 20],
    },
}

/// The ways that devices share.
#[derive(Debug, Default)]
pub(crate) struct Ways(Mutex<Vec<Weak<Way>>>);

/// What a device came in with last.
#[derive(Debug)]
pub(crate) struct Presented {
    /// The subject of its leaf.
    subject: Box<str>,
    sha1: [u8; 20],
    sha256: [u8; 32],
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    way: Arc<Way>,
    at: Timestamp,
    /// The beginnings of the thumbprints of its earlier leaves.
    earlier: Box<[u32]>,
}

impl From<&Certificate> for Shown {
    fn from(certificate: &Certificate) -> Self {
        Self {
            subject: short(certificate.subject()),
            issuer: short(certificate.issuer()),
            sha1: certificate.sha1(),
            sha256: certificate.thumbprint(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        }
    }
}

impl From<&Attested> for Through {
    fn from(attested: &Attested) -> Self {
        match attested {
            Attested::Individual { entry, .. } => Self::Individual(*entry),
            Attested::Group { id, entry, ca, .. } => Self::Group {
                id: id.as_str().into(),
                entry: *entry,
                ca: short(ca.subject()),
                thumbprint: ca.sha1(),
            },
        }
    }
}

impl Way {
    /// The way of a device that sent `chain`, leaf first.
    pub(crate) fn new(chain: &[Certificate], through: Option<Through>) -> Self {
        let issuer = chain.first().map(Certificate::issuer).unwrap_or_default();
        Self {
            issuer: short(issuer),
            sent: chain.iter().skip(1).map(Shown::from).collect(),
            through,
        }
    }
}

impl Ways {
    /// The same way, shared with the devices that came by it, if there are any.
    pub(crate) fn share(&self, way: Way) -> Arc<Way> {
        let is_shared = matches!(way.through, Some(Through::Group { .. }));
        if !is_shared {
            return Arc::new(way);
        }
        let mut ways = self.lock();
        if let Some(known) = ways.iter().filter_map(Weak::upgrade).find(|known| **known == way) {
            return known;
        }
        ways.retain(|known| known.strong_count() > 0);
        let way = Arc::new(way);
        if ways.len() < MOST_WAYS {
            ways.push(Arc::downgrade(&way));
        }
        way
    }

    /// The group whose devices have sent a certificate of this name.
    pub(crate) fn above(&self, name: &str) -> Option<Above> {
        let name = short(name.to_owned());
        let ways = self.lock();
        let known = ways.iter().filter_map(Weak::upgrade);
        let mut above = known.filter_map(|way| match &way.through {
            Some(Through::Group { id, ca, .. }) if way.sent.iter().any(|sent| sent.subject == name && ca != &name) => {
                Some(Above {
                    group: id.to_string(),
                    ca: (&**ca).into(),
                })
            }
            _ => None,
        });
        above.next()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Way>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Presented {
    /// Puts what a device came in with into the place of what it came in with before.
    pub(crate) fn follow(slot: &mut Option<Box<Self>>, leaf: Shown, way: Arc<Way>, at: Timestamp) {
        let earlier = slot
            .take()
            .map_or_else(Box::default, |last| last.earlier_than(&leaf.sha256));
        *slot = Some(Box::new(Self {
            subject: leaf.subject,
            sha1: leaf.sha1,
            sha256: leaf.sha256,
            not_before: leaf.not_before,
            not_after: leaf.not_after,
            way,
            at,
            earlier,
        }));
    }

    fn earlier_than(self, leaf: &[u8; 32]) -> Box<[u32]> {
        let (last, new) = (beginning(&self.sha256), beginning(leaf));
        if self.sha256 == *leaf {
            return self.earlier;
        }
        let mut earlier = self.earlier.into_vec();
        if !earlier.contains(&last) && earlier.len() < MOST_LEAVES {
            earlier.push(last);
        }
        earlier.retain(|known| *known != new);
        earlier.into()
    }

    /// The leaf.
    pub(crate) fn leaf(&self) -> Shown {
        Shown {
            subject: self.subject.clone(),
            issuer: self.way.issuer.clone(),
            sha1: self.sha1,
            sha256: self.sha256,
            not_before: self.not_before,
            not_after: self.not_after,
        }
    }

    pub(crate) fn is(&self, leaf: &Certificate) -> bool {
        self.sha256 == leaf.thumbprint()
    }

    pub(crate) fn way(&self) -> &Arc<Way> {
        &self.way
    }

    /// When it came.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// How many different leaves the device has come in with since the start.
    pub(crate) fn leaves(&self) -> usize {
        self.earlier.len() + 1
    }
}

fn beginning(thumbprint: &[u8; 32]) -> u32 {
    let [a, b, c, d, ..] = *thumbprint;
    u32::from_be_bytes([a, b, c, d])
}

fn short(mut name: String) -> Box<str> {
    if name.len() > LONGEST_NAME {
        let ends = name.char_indices().map(|(start, _)| start);
        let end = ends.take_while(|end| *end <= LONGEST_NAME).last().unwrap_or(0);
        name.truncate(end);
        name.push('…');
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> Certificate {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        Certificate::from_der(parameters.self_signed(&key).unwrap().der()).unwrap()
    }

    fn by_group(ca: &Certificate) -> Option<Through> {
        let attested = Attested::Group {
            id: "g".into(),
            entry: Entry::Primary,
            ca: Arc::new(ca.clone()),
            enabled: true,
        };
        Some(Through::from(&attested))
    }

    #[test]
    fn devices_that_came_the_same_way_share_it_and_a_leaf_is_counted_once() {
        let (ca, factory) = (certificate("root"), certificate("factory"));
        let leaves: Vec<_> = ["t-1", "t-1", "t-2"].into_iter().map(certificate).collect();
        let ways = Ways::default();
        let way = |leaf: &Certificate| {
            // The name of the issuer is a part of the way, and these have signed themselves.
            let chain = [certificate("t"), factory.clone()];
            assert_ne!(leaf.subject(), "CN=t");
            ways.share(Way::new(&chain, by_group(&ca)))
        };
        let now = "2026-11-23T15:00:00Z".parse().unwrap();
        let mut slots = [None, None];
        for (leaf, expected) in [(0, 1), (1, 2), (0, 2), (1, 2), (1, 2)] {
            Presented::follow(&mut slots[0], (&leaves[leaf]).into(), way(&leaves[leaf]), now);
            assert_eq!(slots[0].as_ref().unwrap().leaves(), expected);
        }
        Presented::follow(&mut slots[1], (&leaves[2]).into(), way(&leaves[2]), now);
        let [Some(one), Some(two)] = &slots else { panic!() };
        assert!(Arc::ptr_eq(one.way(), two.way()));
        let above = ways.above("CN=factory").unwrap();
        assert_eq!((above.group.as_str(), ways.above("CN=other")), ("g", None));

        // What no device has any more is not kept.
        slots = [None, None];
        assert_eq!(ways.above("CN=factory"), None);
        drop(slots);
    }

    #[test]
    fn what_a_device_keeps_of_its_own_is_small() {
        assert_eq!(short("ü".repeat(64)).len(), 128);
        assert_eq!(short(format!("a{}", "ü".repeat(500))).len(), 127 + "…".len());
        assert!(size_of::<Presented>() <= 160, "{}", size_of::<Presented>());
    }

    #[test]
    fn ways_without_end_are_not_kept() {
        let ways = Ways::default();
        let ca = certificate("root");
        let held: Vec<_> = (0..MOST_WAYS + 10)
            .map(|number| {
                let attested = Attested::Group {
                    id: format!("g-{number}"),
                    entry: Entry::Primary,
                    ca: Arc::new(ca.clone()),
                    enabled: true,
                };
                ways.share(Way::new(std::slice::from_ref(&ca), Some(Through::from(&attested))))
            })
            .collect();
        assert_eq!(ways.lock().len(), MOST_WAYS);
        drop(held);
        ways.share(Way::new(std::slice::from_ref(&ca), by_group(&ca)));
        assert_eq!(ways.lock().len(), 1);
    }
}
