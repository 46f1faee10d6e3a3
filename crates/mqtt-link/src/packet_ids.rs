//! Packet identifiers: 1 to 65,535, each in use at most once at any time.

use std::fmt;
use std::num::NonZeroU16;

/// The number that ties a PUBLISH to its PUBACK on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The number on the wire.
    pub fn get(self) -> u16 {
        self.0.get()
    }

    pub(crate) fn new(id: u16) -> Option<Self> {
        NonZeroU16::new(id).map(Self)
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Hands out ids in a circle, so that a freed one is not reused for as long as possible: a late acknowledgement is then
/// not taken for that of another message.
#[derive(Debug)]
pub(crate) struct PacketIds {
    last: u16,
}

impl PacketIds {
    pub(crate) fn new() -> Self {
        Self { last: 0 }
    }

    /// The next id that is not `taken`, or none if all are.
    pub(crate) fn allocate(&mut self, taken: impl Fn(PacketId) -> bool) -> Option<PacketId> {
        for _ in 0..u16::MAX {
            self.last = self.last.checked_add(1).unwrap_or(1);
            match PacketId::new(self.last) {
                Some(id) if !taken(id) => return Some(id),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// From any place in the circle, with any ids taken: never zero, never one in use.
        #[test]
        fn allocated_ids_are_never_zero_nor_in_use(
            last in prop_oneof![0..10u16, u16::MAX - 10..=u16::MAX],
            releases in prop::collection::vec(any::<Option<prop::sample::Index>>(), 1..200),
        ) {
            let mut ids = PacketIds { last };
            let mut used: BTreeSet<PacketId> = BTreeSet::new();
            for release in releases {
                if let (Some(index), false) = (release, used.is_empty()) {
                    let id = *used.iter().nth(index.index(used.len())).unwrap();
                    used.remove(&id);
                }
                let id = ids.allocate(|id| used.contains(&id)).unwrap();
                prop_assert!(id.get() != 0);
                prop_assert!(used.insert(id), "id {id} was given out twice");
            }
        }
    }

    #[test]
    fn ids_go_round_from_the_last_to_one() {
        let mut ids = PacketIds { last: u16::MAX - 1 };
        let given: Vec<_> = (0..3).map(|_| ids.allocate(|_| false).unwrap().get()).collect();
        assert_eq!(given, [u16::MAX, 1, 2]);
    }

    #[test]
    fn a_taken_id_is_passed_over_and_none_is_given_when_all_are_taken() {
        let mut ids = PacketIds::new();
        assert_eq!(ids.allocate(|id| id.get() < 5).unwrap().get(), 5);
        assert_eq!(ids.allocate(|id| id.get() != 5).unwrap().get(), 5);
        assert_eq!(ids.allocate(|_| true), None);
    }
}
