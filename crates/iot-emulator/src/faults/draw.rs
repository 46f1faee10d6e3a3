//! Chance that is the same every time: a number from the seed and from what it is about.

use sha2::{Digest, Sha256};

/// A number from 0 to below 1 that depends on nothing but its arguments.
pub(crate) fn draw(seed: u64, rule: &str, about: &str, number: u64) -> f64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    for text in [rule, about] {
        hash.update(text.as_bytes());
        // No id contains it, so that no two pairs of texts are the same bytes.
        hash.update([0xff]);
    }
    hash.update(number.to_be_bytes());
    let hash = hash.finalize();
    let mut bits = 0_u32;
    for byte in hash.iter().take(4) {
        bits = bits << 8 | u32::from(*byte);
    }
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_differ_by_each_of_their_arguments() {
        let (mut below, count) = (0, 4000);
        for number in 0..count {
            let drawn = draw(7, "r", &format!("t-{number}"), 0);
            assert!((0.0..1.0).contains(&drawn));
            below += u32::from(drawn < 0.25);
        }
        assert!((850..1150).contains(&below), "{below} of {count} are below 0.25");
        let all = [
            draw(7, "r", "t", 0),
            draw(8, "r", "t", 0),
            draw(7, "s", "t", 0),
            draw(7, "r", "u", 0),
            draw(7, "r", "t", 1),
            draw(7, "rt", "", 0),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|other| other != one));
        }
    }

    #[test]
    fn a_draw_is_the_same_on_every_machine() {
        let drawn = draw(7, "lost-acks", "thermo-0001", 3);
        assert!((drawn - 0.805021).abs() < 1e-6, "{drawn}");
    }
}
