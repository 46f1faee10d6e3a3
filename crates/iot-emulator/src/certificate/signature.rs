//! Signatures of certificates.

use rustls::crypto::aws_lc_rs;
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::unconfirmed::RSA_SHA1_IS_A_SIGNATURE;

const RSA_SHA1: [&str; 2] = ["1.2.840.113549.1.1.5", "1.3.14.3.2.29"];
/// Signatures that can be forged, and ECDSA over SHA-1, for which there is no library.
const UNRELIABLE: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.2", "md2WithRSAEncryption"),
    ("1.2.840.113549.1.1.3", "md4WithRSAEncryption"),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
];

/// Whether the key has signed the certificate.
pub(crate) fn is_by(certificate: &X509Certificate<'_>, key: &SubjectPublicKeyInfo<'_>) -> bool {
    let oid = certificate.signature_algorithm.algorithm.to_id_string();
    if !RSA_SHA1_IS_A_SIGNATURE && RSA_SHA1.contains(&oid.as_str()) {
        return false;
    }
    certificate.verify_signature(Some(key)).is_ok() || is_by_ecdsa(certificate, key)
}

/// The pairs of a curve and a hash that x509-parser does not have, P-521 among them.
fn is_by_ecdsa(certificate: &X509Certificate<'_>, key: &SubjectPublicKeyInfo<'_>) -> bool {
    let Some(Ok(curve)) = key.algorithm.parameters.as_ref().map(|curve| curve.as_oid()) else {
        return false;
    };
    let signed_with = certificate.signature_algorithm.algorithm.as_bytes();
    // DER without the SEQUENCE around it: two OIDs for a key on a curve, and one for a signature.
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let mut fitting = algorithms.iter().filter(|algorithm| {
        algorithm.public_key_alg_id().as_ref().ends_with(curve.as_bytes())
            && algorithm.signature_alg_id().as_ref().get(2..) == Some(signed_with)
    });
    fitting.any(|algorithm| {
        let bits = &key.subject_public_key.data;
        let signed = certificate.tbs_certificate.as_ref();
        algorithm
            .verify_signature(bits, signed, &certificate.signature_value.data)
            .is_ok()
    })
}

/// The name of the certificate's signature, if that proves nothing.
pub(crate) fn unreliable(certificate: &X509Certificate<'_>) -> Option<String> {
    let oid = certificate.signature_algorithm.algorithm.to_id_string();
    let found = UNRELIABLE.iter().find(|(unreliable, _)| *unreliable == oid);
    found.map(|(_, name)| (*name).to_owned())
}
