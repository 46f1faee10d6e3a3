//! What a binary file is, by its outermost elements.

use rustls_pki_types::CertificateDer;
use x509_parser::asn1_rs::{Any, FromDer, Oid, Tag, oid};
use x509_parser::prelude::X509Certificate;

use super::error::Binary;
use super::pfx;

/// `signedData` of PKCS#7 (RFC 2315).
const SIGNED_DATA: Oid<'static> = oid!(1.2.840.113549.1.7.2);

/// The certificate that a file in DER is, without what may follow it, such as a line's end.
pub(super) fn certificate(bytes: &[u8]) -> Option<CertificateDer<'static>> {
    let (rest, _) = X509Certificate::from_der(bytes).ok()?;
    let length = bytes.len() - rest.len();
    Some(CertificateDer::from(bytes[..length].to_vec()))
}

/// What else it is.
pub(super) fn kind(bytes: &[u8]) -> Binary {
    if pfx::is_authenticated(bytes).is_some() {
        return Binary::Pfx;
    }
    let Some((first, second)) = outermost(bytes) else {
        return Binary::Unknown;
    };
    let is_signed_data = || first.clone().oid().is_ok_and(|oid| oid == SIGNED_DATA);
    match (first.tag(), second.tag()) {
        // PKCS#8, PKCS#1 and SEC1 begin with a version; PKCS#8 under a password with how it was encrypted.
        (Tag::Integer, Tag::Sequence | Tag::Integer | Tag::OctetString) | (Tag::Sequence, Tag::OctetString) => {
            Binary::Key
        }
        (Tag::Oid, _) if is_signed_data() => Binary::Pkcs7,
        _ => Binary::Unknown,
    }
}

fn outermost(bytes: &[u8]) -> Option<(Any<'_>, Any<'_>)> {
    let (_, whole) = Any::from_der(bytes).ok()?;
    whole.tag().eq(&Tag::Sequence).then_some(())?;
    let (rest, first) = Any::from_der(whole.data).ok()?;
    let (_, second) = Any::from_der(rest).ok()?;
    Some((first, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SEQUENCE of these.
    fn sequence(elements: &[&[u8]]) -> Vec<u8> {
        let content = elements.concat();
        let length = u8::try_from(content.len()).unwrap();
        [&[0x30, 0x81, length], content.as_slice()].concat()
    }

    #[test]
    fn the_kinds_of_files_that_people_have_are_distinguished() {
        let (version, number) = ([2, 1, 0], [2, 1, 1]);
        let (octets, inner) = ([4, 1, 7], [0x30, 0]);
        let oid = [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2];
        for (bytes, kind) in [
            (sequence(&[&version, &inner, &octets]), Binary::Key),
            (sequence(&[&version, &number, &number]), Binary::Key),
            (sequence(&[&number, &octets]), Binary::Key),
            (sequence(&[&inner, &octets]), Binary::Key),
            (sequence(&[&oid, &[0xA0, 0]]), Binary::Pkcs7),
            (sequence(&[&[2, 1, 3], &inner]), Binary::Pfx),
            (sequence(&[&inner, &inner]), Binary::Unknown),
            (vec![0x30, 0x82, 1], Binary::Unknown),
        ] {
            assert_eq!(super::kind(&bytes), kind, "{bytes:?}");
        }
    }
}
