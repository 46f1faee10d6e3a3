//! Histograms as lines, records and reports hold them: base64 of HDR's V2 encoding, deflated in reports.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer, V2Serializer};

use crate::lines::Phase;

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

/// The histogram of a text; nothing where it is none, or none of [`Phase::histogram`]'s range and precision.
#[must_use]
pub fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    let plain = match bytes.first_chunk().map(|cookie| u32::from_be_bytes(*cookie))? {
        DEFLATED => inflate(bytes.get(8..)?)?,
        _ => bytes,
    };
    // The decoder makes room for what a text claims, before it looks at the rest.
    if !is_of_a_phase(&plain) {
        return None;
    }
    Deserializer::new().deserialize(&mut plain.as_slice()).ok()
}

/// What the bytes of a deflated histogram begin with; its length follows, and then zlib's stream.
const DEFLATED: u32 = 0x1c84_9304 | 0x10;
/// More than a histogram with a value in every bucket takes.
const MOST: u64 = 1 << 20;

fn inflate(stream: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    ZlibDecoder::new(stream).take(MOST).read_to_end(&mut plain).ok()?;
    Some(plain)
}

/// Whether a histogram that isn't deflated is as long as it claims, and has the range and precision of all.
fn is_of_a_phase(bytes: &[u8]) -> bool {
    let Some((header, payload)) = bytes.split_first_chunk::<40>() else {
        return false;
    };
    let length = header[4..8].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let digits = u32::from(Phase::DIGITS).to_be_bytes();
    let range = [Phase::SHORTEST_US, Phase::LONGEST_US].map(u64::to_be_bytes).concat();
    length == payload.len() && header[12..16] == digits && header[16..32] == range
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::read::ZlibEncoder;

    use super::*;

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

    #[test]
    fn a_histogram_of_another_range_is_none_of_ours() {
        for (lowest, highest, digits) in [(1, u64::MAX, 3), (2, Phase::LONGEST_US, 3), (1, Phase::LONGEST_US, 5)] {
            let other = Histogram::new_with_bounds(lowest, highest, digits).unwrap();
            for mut encoder in [Encoder::default(), Encoder::deflating()] {
                assert_eq!(decode(&encoder.encode(&other)), None, "{lowest} {highest} {digits}");
            }
        }
    }

    #[test]
    fn what_a_text_claims_takes_no_memory() {
        let mut bytes = STANDARD.decode(Encoder::default().encode(&Phase::histogram())).unwrap();
        bytes[4..8].fill(0xff);
        assert_eq!(decode(&STANDARD.encode(&bytes)), None);
        let mut zeros = Vec::new();
        ZlibEncoder::new([0; 2 << 20].as_slice(), Compression::fast())
            .read_to_end(&mut zeros)
            .unwrap();
        let deflated = [&DEFLATED.to_be_bytes()[..], &[0; 4], &zeros].concat();
        assert_eq!(decode(&STANDARD.encode(&deflated)), None);
    }
}
