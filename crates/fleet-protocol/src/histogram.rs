//! Histograms as lines, records and reports hold them: base64 of HDR's V2 encoding, deflated in reports.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer, V2Serializer};

/// Encodes histograms, one after the other in the same memory.
#[derive(Default)]
pub struct Encoder {
    form: Form,
    bytes: Vec<u8>,
}

enum Form {
    Plain(V2Serializer),
    Deflated(V2DeflateSerializer),
}

impl Default for Form {
    fn default() -> Self {
        Self::Plain(V2Serializer::new())
    }
}

impl Encoder {
    /// One whose texts are deflated: for files, where size counts for more than time.
    #[must_use]
    pub fn deflating() -> Self {
        Self {
            form: Form::Deflated(V2DeflateSerializer::new()),
            bytes: Vec::new(),
        }
    }

    /// The text of a histogram.
    #[must_use]
    pub fn encode(&mut self, histogram: &Histogram<u64>) -> String {
        self.bytes.clear();
        let bytes = &mut self.bytes;
        // Memory takes all that is written.
        match &mut self.form {
            Form::Plain(serializer) => serializer.serialize(histogram, bytes).map_err(drop),
            Form::Deflated(serializer) => serializer.serialize(histogram, bytes).map_err(drop),
        }
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
        for values in [&[][..], &[1], &[1, 5_000, 5_000, Phase::LONGEST_US]] {
            let mut histogram = Phase::histogram();
            values.iter().for_each(|value| histogram.record(*value).unwrap());
            for mut encoder in [Encoder::default(), Encoder::deflating()] {
                let text = encoder.encode(&histogram);
                assert_eq!(decode(&text).as_ref(), Some(&histogram), "{text}");
            }
        }
        for text in ["", "not base64", "AAAA"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
