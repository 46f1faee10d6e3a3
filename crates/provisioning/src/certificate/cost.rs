//! How much work a file asks for before it shows its key.
//!
//! A password is turned into a key by hashing it as often as the file asks for, so a file of a few bytes can ask for
//! hours. This looks at what stands in the clear and refuses before the first hash. Nothing here depends on the exact
//! format: in PKCS#5 and PKCS#12 (RFC 8018, 7292, 7914) the cost always follows the salt, an INTEGER after an OCTET
//! STRING, or three of them for scrypt.

use x509_parser::asn1_rs::{Any, FromDer, Tag};

use super::CertificateError;

/// What all derivations of one file may ask for together: about ten seconds, where honest files take milliseconds.
const LIMIT: u64 = 10_000_000;

/// Deeper than any PFX goes, certificates in the clear included.
const DEPTH: usize = 64;

/// Refuses `der` if any derivation asks for more than `single` iterations, or all of them for more than the limit.
pub(super) fn check(der: &[u8], single: Option<u64>, file: &str) -> Result<(), CertificateError> {
    let mut costs = Vec::new();
    if !collect(der, DEPTH, &mut costs) {
        return Err(CertificateError::Malformed {
            file: file.to_owned(),
            reason: "not DER".to_owned(),
        });
    }
    let single = single.unwrap_or(LIMIT).min(LIMIT);
    let sum = costs.iter().copied().fold(0, u64::saturating_add);
    let largest = costs.into_iter().max().unwrap_or(0);
    let (iterations, limit) = if largest > single {
        (largest, single)
    } else {
        (sum, LIMIT)
    };
    if iterations > limit {
        return Err(CertificateError::TooCostly {
            file: file.to_owned(),
            iterations,
            limit,
        });
    }
    Ok(())
}

/// Adds the costs found in the elements of `der`; `false` if these are not DER.
fn collect(mut der: &[u8], depth: usize, costs: &mut Vec<u64>) -> bool {
    if depth == 0 {
        return false;
    }
    let mut salted = false;
    let mut numbers = Vec::new();
    while !der.is_empty() {
        let Ok((rest, element)) = Any::from_der(der) else {
            return false;
        };
        der = rest;
        match element.tag() {
            Tag::Integer if salted => {
                numbers.push(unsigned(element.data));
                continue;
            }
            Tag::OctetString => {
                costs.extend(cost(&numbers));
                salted = true;
                // It may hold more DER, or a salt or a ciphertext, which may even look like DER for a while.
                collect(element.data, depth - 1, costs);
            }
            _ => {
                costs.extend(cost(&numbers));
                salted = false;
                if element.header.is_constructed() && !collect(element.data, depth - 1, costs) {
                    return false;
                }
            }
        }
        numbers.clear();
    }
    costs.extend(cost(&numbers));
    true
}

fn cost(numbers: &[u64]) -> Option<u64> {
    match *numbers {
        // scrypt's N, r and p. Four times, because it takes memory as well: the limit is at 320 MB.
        [n, r, p, ..] => Some(n.saturating_mul(r).saturating_mul(p).saturating_mul(4)),
        // PBKDF2 may add the length of the key.
        [iterations, ..] => Some(iterations),
        [] => None,
    }
}

fn unsigned(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().skip_while(|byte| **byte == 0);
    if digits.clone().count() > 8 {
        return u64::MAX;
    }
    digits.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// SEQUENCE { OCTET STRING salt, INTEGER… }.
    fn derivation(numbers: &[u32]) -> Vec<u8> {
        let mut content = vec![0x04, 2, 0xAA, 0xBB];
        for number in numbers {
            content.extend([0x02, 5, 0]);
            content.extend(number.to_be_bytes());
        }
        tagged(0x30, &content)
    }

    fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        assert!(length < 0x80);
        [&[tag, length], content].concat()
    }

    fn limit_of(der: &[u8], single: Option<u64>) -> Option<(u64, u64)> {
        match check(der, single, "x") {
            Ok(()) => None,
            Err(CertificateError::TooCostly { iterations, limit, .. }) => Some((iterations, limit)),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn one_derivation_and_the_sum_of_all_are_limited() {
        let cases = [
            (derivation(&[10_000_000]), None, None),
            (derivation(&[10_000_001]), None, Some((10_000_001, LIMIT))),
            (derivation(&[2_048, 32]), Some(2_047), Some((2_048, 2_047))),
            (derivation(&[2_048, 32]), Some(2_048), None),
            // scrypt as OpenSSL does it, and with N = 2^20.
            (derivation(&[16_384, 8, 1]), None, None),
            (derivation(&[1 << 20, 8, 1]), None, Some((1 << 25, LIMIT))),
            (
                [derivation(&[6_000_000]), derivation(&[6_000_000])].concat(),
                None,
                Some((12_000_000, LIMIT)),
            ),
        ];
        for (der, single, expected) in cases {
            assert_eq!(limit_of(&der, single), expected, "{der:02X?}");
        }
    }

    #[test]
    fn a_derivation_is_found_inside_of_sequences_tags_and_octet_strings() {
        let mut der = derivation(&[u32::MAX]);
        for tag in [0x04, 0xA0, 0x30, 0x31, 0x04] {
            der = tagged(tag, &der);
        }
        assert_eq!(limit_of(&der, None), Some((u64::from(u32::MAX), LIMIT)));
    }

    #[test]
    fn a_number_beyond_64_bits_is_the_largest() {
        let der = tagged(0x30, &[&[0x04, 1, 0xAA, 0x02, 9][..], &[0x7F; 9]].concat());
        assert_eq!(limit_of(&der, None), Some((u64::MAX, LIMIT)));
    }

    #[test]
    fn endless_nesting_is_refused() {
        let mut der = vec![0x30, 0];
        for _ in 0..60 {
            der = tagged(0x30, &der);
        }
        check(&der, None, "x").unwrap();
        for _ in 0..3 {
            der = [&[0x30, 0x81, u8::try_from(der.len()).unwrap()], der.as_slice()].concat();
        }
        assert!(matches!(
            check(&der, None, "x"),
            Err(CertificateError::Malformed { .. })
        ));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = check(&bytes, None, "x");
        }
    }
}
