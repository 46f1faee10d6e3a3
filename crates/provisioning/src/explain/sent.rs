//! What can be found of a refusal where only the device's own certificates are at hand, and not what is enrolled.

use rustls_pki_types::CertificateDer;

use crate::certificate::CertificateError;
use crate::certificate::inspect::CertificateFacts;

/// Which enrollment lets in a device that sends `chain`, its leaf first.
///
/// # Errors
///
/// A certificate can't be read.
pub fn sent(chain: &[CertificateDer<'_>]) -> Result<String, CertificateError> {
    let facts = |der: &CertificateDer<'_>| CertificateFacts::from_der(der, "what the device sends");
    let (Some(leaf), Some(last)) = (chain.first(), chain.last()) else {
        return Ok("it sends no certificate".to_owned());
    };
    let (leaf, last) = (facts(leaf)?, facts(last)?);
    let signed_by_itself = |facts: &CertificateFacts| facts.common_name == facts.issuer_common_name;
    if chain.len() == 1 && signed_by_itself(&leaf) {
        return Ok(format!(
            "it sends a certificate that signs itself, so an individual enrollment has to hold this very certificate \
             (SHA-1 {}), and no group can",
            leaf.sha1
        ));
    }
    let what = match chain.len() - 1 {
        0 => "its leaf only".to_owned(),
        1 => "its leaf and 1 more certificate".to_owned(),
        more => format!("its leaf and {more} more certificates"),
    };
    let unnamed = "a CA without a common name";
    let top = if signed_by_itself(&last) {
        last.common_name.as_deref().unwrap_or(unnamed)
    } else {
        last.issuer_common_name.as_deref().unwrap_or(unnamed)
    };
    Ok(format!(
        "it sends {what}, which leads to `{top}`: an enrollment group has to hold that CA or one that is sent, and it has to \
         be verified; a CA further up counts only if the device sends the certificate of `{top}` as well. An individual \
         enrollment holds the leaf (SHA-1 {}), never a CA",
        leaf.sha1
    ))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::certificate::make::{CertificateAuthority, KeyType, Validity, self_signed};
    use crate::certificate::pem::certificates;

    #[test]
    fn what_is_sent_shows_which_enrollment_it_is_for() {
        let now: Timestamp = "2026-11-23T15:00:00Z".parse().unwrap();
        let root = CertificateAuthority::root("root", KeyType::P256, Validity::root(now)).unwrap();
        let between = root
            .intermediate("between", KeyType::P256, Validity::intermediate(now))
            .unwrap();
        let leaf = between.leaf("thermo-1", KeyType::P256, Validity::leaf(now)).unwrap();
        let alone = self_signed("lab-1", KeyType::P256, Validity::leaf(now)).unwrap();
        let text_of = |pem: &str| sent(&certificates(pem.as_bytes(), "x").unwrap()).unwrap();
        let begins = |pem: &str, words: &str| {
            let text = text_of(pem);
            assert!(text.starts_with(words), "{text}");
        };
        begins(leaf.cert_pem(), "it sends its leaf only, which leads to `between`:");
        begins(
            &leaf.fullchain_pem(),
            "it sends its leaf and 1 more certificate, which leads to `root`:",
        );
        begins(
            &format!("{}{}", leaf.fullchain_pem(), root.cert_pem()),
            "it sends its leaf and 2 more certificates, which leads to `root`:",
        );
        begins(alone.cert_pem(), "it sends a certificate that signs itself");
        assert!(text_of(alone.cert_pem()).contains(&alone.facts().sha1));
    }
}
