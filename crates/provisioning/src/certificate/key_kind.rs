//! What a key is called, and its public half, also where it is of a kind that can't be used.

use pkcs8::PrivateKeyInfoRef;
use rustls_pki_types::PrivateKeyDer;
use x509_parser::asn1_rs::{Any, FromDer, Header, Oid, Tag, ToDer};
use x509_parser::prelude::X509Certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
/// An EC key without the name of its curve.
const EXPLICIT: &str = "EC with explicit parameters";

/// What a private key shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    /// Such as `EC P-256` or `RSA 2048`.
    pub(super) kind: String,
    /// The bits of the public key as a certificate over it has them, where the private key holds them.
    pub(super) public_bits: Option<Vec<u8>>,
}

impl Described {
    /// Whether such a key can be used here, as long as it is whole.
    pub(super) fn is_supported(&self) -> bool {
        match self.kind.strip_prefix("RSA ").map(str::parse::<usize>) {
            Some(Ok(bits)) => bits >= 2048,
            _ => matches!(self.kind.as_str(), "EC P-256" | "EC P-384" | "EC P-521" | "Ed25519"),
        }
    }
}

/// The kind of a certificate's key.
pub(super) fn of_public(info: &SubjectPublicKeyInfo<'_>) -> String {
    let oid = info.algorithm.algorithm.to_id_string();
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", bits(key.modulus)),
        Ok(PublicKey::EC(_)) => match info.algorithm.parameters.as_ref() {
            Some(curve) if curve.tag() == Tag::Oid => of_curve(&Oid::new(curve.data.into()).to_id_string()),
            _ => EXPLICIT.to_owned(),
        },
        _ => of_algorithm(&oid),
    }
}

/// Whether a certificate's key is over a curve that it describes instead of naming it.
pub(super) fn is_explicit(certificate: &X509Certificate<'_>) -> bool {
    of_public(certificate.public_key()) == EXPLICIT
}

/// The kind of a private key; `None` if it is none.
pub(super) fn of_private(key: &PrivateKeyDer<'_>) -> Option<Described> {
    match key {
        PrivateKeyDer::Pkcs1(der) => rsa(der.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(der) => ec(der.secret_sec1_der(), None),
        PrivateKeyDer::Pkcs8(der) => {
            let info = PrivateKeyInfoRef::try_from(der.secret_pkcs8_der()).ok()?;
            let inner = info.private_key.as_bytes();
            match info.algorithm.oid.to_string().as_str() {
                RSA => rsa(inner),
                EC => {
                    let named = info.algorithm.parameters.map(|parameters| parameters.decode_as());
                    let curve = match named {
                        Some(Ok(curve)) => {
                            let curve: pkcs8::ObjectIdentifier = curve;
                            of_curve(&curve.to_string())
                        }
                        _ => EXPLICIT.to_owned(),
                    };
                    ec(inner, Some(curve))
                }
                other => Some(Described {
                    kind: of_algorithm(other),
                    public_bits: info.public_key.and_then(|bits| bits.as_bytes().map(<[u8]>::to_vec)),
                }),
            }
        }
        _ => None,
    }
}

/// `RSAPrivateKey` (RFC 8017): version, modulus, public exponent, and what is secret. A certificate holds the two in a
/// SEQUENCE of their own.
fn rsa(der: &[u8]) -> Option<Described> {
    let content = sequence(der)?;
    let (rest, _version) = integer(content)?;
    let (behind_modulus, modulus) = integer(rest)?;
    let (behind, _exponent) = integer(behind_modulus)?;
    let both = &rest[..rest.len() - behind.len()];
    let header = Header::new_simple(Tag::Sequence).with_length(both.len().into());
    let mut public_bits = header.to_der_vec().ok()?;
    public_bits.extend_from_slice(both);
    Some(Described {
        kind: format!("RSA {}", bits(modulus)),
        public_bits: Some(public_bits),
    })
}

/// `ECPrivateKey` (RFC 5915): version, the secret, `[0]` the curve and `[1]` the public key, both optional.
fn ec(der: &[u8], curve: Option<String>) -> Option<Described> {
    let content = sequence(der)?;
    let (rest, _version) = integer(content)?;
    let (mut rest, _secret) = Any::from_der(rest).ok()?;
    let (mut curve, mut public_bits) = (curve, None);
    while let Ok((behind, element)) = Any::from_der(rest) {
        match element.tag().0 {
            0 if curve.is_none() => {
                let named = Oid::from_der(element.data);
                curve = Some(named.map_or_else(|_| EXPLICIT.to_owned(), |(_, oid)| of_curve(&oid.to_id_string())));
            }
            // A BIT STRING, whose first byte counts the unused bits.
            1 => {
                public_bits = Any::from_der(element.data)
                    .ok()
                    .and_then(|(_, bits)| Some(bits.data.get(1..)?.to_vec()))
            }
            _ => {}
        }
        rest = behind;
    }
    Some(Described {
        kind: curve.unwrap_or_else(|| EXPLICIT.to_owned()),
        public_bits,
    })
}

fn sequence(der: &[u8]) -> Option<&[u8]> {
    let (_, any) = Any::from_der(der).ok()?;
    (any.tag() == Tag::Sequence).then_some(any.data)
}

fn integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, any) = Any::from_der(der).ok()?;
    (any.tag() == Tag::Integer).then_some((rest, any.data))
}

/// How long a number is, without the zeros before it.
fn bits(number: &[u8]) -> usize {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let leading = number.get(first).map_or(0, |byte| byte.leading_zeros() as usize);
    (number.len() - first) * 8 - leading
}

fn of_curve(oid: &str) -> String {
    let name = match oid {
        "1.2.840.10045.3.1.1" => "P-192",
        "1.3.132.0.33" => "P-224",
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1",
        "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1",
        other => other,
    };
    format!("EC {name}")
}

fn of_algorithm(oid: &str) -> String {
    match oid {
        RSA => "RSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.10040.4.1" => "DSA",
        "1.3.101.110" => "X25519",
        "1.3.101.111" => "X448",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_as_long_as_its_first_digit_says() {
        for (number, expected) in [(&[0x80, 0][..], 16), (&[0, 0xFF], 8), (&[1], 1), (&[0, 0], 0), (&[], 0)] {
            assert_eq!(bits(number), expected, "{number:?}");
        }
    }
}
