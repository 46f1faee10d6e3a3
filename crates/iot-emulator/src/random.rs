//! What must not be guessed, or must not repeat between two starts: tokens, codes, operation ids. It comes from the
//! system and from no seed; what a seed decides is in `faults/draw.rs`.

/// `N` random bytes in lower-case hexadecimal.
pub(crate) fn random_hex<const N: usize>() -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: u8| [byte >> 4, byte & 0xF].map(|digit| char::from(DIGITS[usize::from(digit)]));
    rand::random::<[u8; N]>().into_iter().flat_map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_becomes_two_lower_case_digits_and_no_two_texts_are_alike() {
        let [one, other] = [(); 2].map(|()| random_hex::<16>());
        assert_eq!(one.len(), 32);
        assert!(
            one.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')),
            "{one}"
        );
        assert_ne!(one, other);
    }
}
