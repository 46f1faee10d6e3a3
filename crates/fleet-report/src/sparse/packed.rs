//! A histogram that is kept for long and seldom read: about three bytes for each different value, where a
//! [`SparseHistogram`] takes sixteen.

use super::SparseHistogram;

/// Buckets in order: of each the distance from the one before and the count, seven bits to a byte, the lowest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PackedHistogram {
    bytes: Box<[u8]>,
}

impl From<&SparseHistogram> for PackedHistogram {
    fn from(values: &SparseHistogram) -> Self {
        let mut bytes = Vec::new();
        let mut before = 0;
        for (bucket, count) in values.iter() {
            push(&mut bytes, bucket - before);
            push(&mut bytes, count);
            before = bucket;
        }
        Self {
            bytes: bytes.into_boxed_slice(),
        }
    }
}

impl From<&PackedHistogram> for SparseHistogram {
    fn from(packed: &PackedHistogram) -> Self {
        let mut rest = &packed.bytes[..];
        let mut bucket = 0;
        let mut counts = Vec::new();
        while !rest.is_empty() {
            bucket += pull(&mut rest);
            counts.push((bucket, pull(&mut rest)));
        }
        Self { counts }
    }
}

impl PackedHistogram {
    /// What is in both.
    pub(crate) fn and(&self, more: &SparseHistogram) -> SparseHistogram {
        let mut both = SparseHistogram::from(self);
        both.add(more);
        both
    }
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(low_seven(number) | 0x80);
        number >>= 7;
    }
    bytes.push(low_seven(number));
}

fn low_seven(number: u64) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or_default()
}

/// The bytes are those that [`push`] wrote, so a number ends where it did there.
fn pull(rest: &mut &[u8]) -> u64 {
    let mut number = 0;
    let mut shift = 0;
    while let Some((byte, after)) = rest.split_first() {
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(counts in prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..50)) {
            let values = SparseHistogram { counts: counts.into_iter().collect() };
            prop_assert_eq!(SparseHistogram::from(&PackedHistogram::from(&values)), values);
        }
    }

    #[test]
    fn a_value_takes_three_bytes() {
        // Values from 1 to 2 ms, 2 µs apart, each a hundred times: two bytes.
        let counts: Vec<_> = (500..1_000).map(|value| (value * 2, 100)).collect();
        let dense = PackedHistogram::from(&SparseHistogram { counts });
        // The first one's distance takes two bytes.
        assert_eq!(dense.bytes.len(), 500 * 2 + 1);
        let counts: Vec<_> = (500..1_000).map(|value| (value * 2, 1_000)).collect();
        let many = PackedHistogram::from(&SparseHistogram { counts });
        assert_eq!(many.bytes.len(), 500 * 3 + 1);
    }
}
