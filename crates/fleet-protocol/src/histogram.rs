//! Histograms as lines and records hold them: base64 of HDR's V2 encoding, uncompressed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

/// Encodes histograms, one after the other in the same memory.
#[derive(Default)]
pub struct Encoder {
    serializer: V2Serializer,
    bytes: Vec<u8>,
}

impl Encoder {
    /// The text of a histogram.
    #[must_use]
    pub fn encode(&mut self, histogram: &Histogram<u64>) -> String {
        self.bytes.clear();
        self.serializer
            .serialize(histogram, &mut self.bytes)
            .expect("counts of 64 bits fit into a vector");
        STANDARD.encode(&self.bytes)
    }
}

/// The histogram of a text; nothing where it is none.
#[must_use]
pub fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Phase;

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_else_is() {
        let mut encoder = Encoder::default();
        for values in [&[][..], &[1], &[1, 5_000, 5_000, Phase::LONGEST_US]] {
            let mut histogram = Phase::histogram();
            values.iter().for_each(|value| histogram.record(*value).unwrap());
            assert_eq!(decode(&encoder.encode(&histogram)), Some(histogram));
        }
        for text in ["", "not base64", "AAAA"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
