//! What Azure would object to
//! (<https://learn.microsoft.com/azure/iot-dps/concepts-x509-attestation>,
//! <https://learn.microsoft.com/azure/iot-dps/concepts-service>,
//! <https://learn.microsoft.com/azure/iot-central/core/concepts-device-authentication>).

use jiff::SignedDuration;
use rustls_pki_types::CertificateDer;

use super::{Detail, Finding, Level, Question, name};
use crate::certificate::CertificateError;
use crate::certificate::inspect;

pub(super) fn chain(
    certificates: &[CertificateDer<'_>],
    details: &[Detail],
    question: &Question<'_>,
    file: &str,
) -> Result<Vec<Finding>, CertificateError> {
    let mut findings = Findings(Vec::new());
    for detail in details {
        findings.dates(detail, question);
        findings.strength(detail);
        if detail.is_ca {
            findings.authority(detail);
        }
    }
    if let Some(leaf) = details.first() {
        // A CA that stands alone is looked at as a CA, unless somebody says that it is a device.
        if !leaf.is_ca
            || details.len() > 1 && !details.iter().all(|detail| detail.is_ca)
            || question.registration_id.is_some()
        {
            findings.leaf(leaf, question);
        }
        findings.order(certificates, details, question, file)?;
    }
    Ok(findings.0)
}

struct Findings(Vec<Finding>);

impl Findings {
    fn say(&mut self, level: Level, text: String) {
        self.0.push(Finding { level, text });
    }

    fn dates(&mut self, detail: &Detail, question: &Question<'_>) {
        let (name, now) = (detail.name(), question.now);
        if now > detail.not_after {
            self.say(Level::Error, format!("`{name}` expired on {}", detail.not_after));
        } else if now < detail.not_before {
            self.say(
                Level::Error,
                format!("`{name}` is not valid before {}", detail.not_before),
            );
        } else if detail.not_after.duration_since(now) < question.soon {
            let left = detail.not_after.duration_since(now);
            self.say(
                Level::Warning,
                format!("`{name}` expires on {}, in {}", detail.not_after, days(left)),
            );
        }
    }

    fn strength(&mut self, detail: &Detail) {
        let name = detail.name();
        if let Some(bits) = detail
            .key
            .strip_prefix("RSA ")
            .and_then(|bits| bits.parse::<usize>().ok())
            && bits < 2048
        {
            self.say(
                Level::Error,
                format!("the RSA key of `{name}` has {bits} bits, at least 2048 are safe"),
            );
        }
        if !detail.key.starts_with("RSA ") && !detail.key.starts_with("EC P-") {
            self.say(
                Level::Error,
                format!(
                    "`{name}` has a key of type {}; Azure takes RSA keys, and EC keys on P-256, P-384 and P-521",
                    detail.key
                ),
            );
        }
        let signature = detail.signature.to_ascii_lowercase();
        if signature.contains("sha1") || signature.contains("md5") {
            self.say(
                Level::Error,
                format!(
                    "`{name}` is signed with {}, which nobody trusts any more",
                    detail.signature
                ),
            );
        }
    }

    fn authority(&mut self, detail: &Detail) {
        let name = detail.name();
        match extension(detail, "keyUsage") {
            Some(usage) if !usage.contains("keyCertSign") => self.say(
                Level::Error,
                format!("`{name}` is a CA whose key usage does not allow to sign certificates (no keyCertSign)"),
            ),
            Some(_) => {}
            None => self.say(
                Level::Note,
                format!("`{name}` is a CA without key usage, as create_test_cert.js makes it; Azure takes it"),
            ),
        }
    }

    fn leaf(&mut self, leaf: &Detail, question: &Question<'_>) {
        let name = leaf.name();
        if leaf.is_ca {
            self.say(
                Level::Error,
                format!("`{name}` is a CA certificate; a device that holds it could sign others"),
            );
        }
        if let Some(usage) = extension(leaf, "extKeyUsage")
            && !usage.contains("clientAuth")
            && !usage.contains("anyExtendedKeyUsage")
        {
            self.say(
                Level::Error,
                format!("`{name}` may not be used by a client (extended key usage has no clientAuth, but {usage})"),
            );
        }
        self.registration_id(leaf, question);
    }

    /// The common name is the registration id.
    fn registration_id(&mut self, leaf: &Detail, question: &Question<'_>) {
        let Some(common_name) = leaf.common_name.as_deref().filter(|name| !name.is_empty()) else {
            let text = match leaf.common_names {
                0 | 1 => "the certificate has no common name, which has to be the registration id".into(),
                several => format!(
                    "the certificate has {several} common names in its subject, and the registration id can be only one"
                ),
            };
            return self.say(Level::Error, text);
        };
        if let Some(wanted) = question.registration_id.filter(|wanted| *wanted != common_name) {
            let but = if wanted.eq_ignore_ascii_case(common_name) {
                "; DPS ignores case, but the hub's device ids don't"
            } else {
                ""
            };
            self.say(
                Level::Error,
                format!("the common name is `{common_name}`, the registration id is `{wanted}`{but}"),
            );
        }
        self.0.extend(name::of_device(common_name));
    }

    /// Whether each certificate is signed by the next, and where the chain leads.
    fn order(
        &mut self,
        certificates: &[CertificateDer<'_>],
        details: &[Detail],
        question: &Question<'_>,
        file: &str,
    ) -> Result<(), CertificateError> {
        let mut last = 0;
        for (index, pair) in certificates.windows(2).enumerate() {
            let [child, above] = pair else { continue };
            if !inspect::issued_by(child, above, file)? {
                let (Some(child), Some(above)) = (details.get(index), details.get(index + 1)) else {
                    continue;
                };
                self.say(
                    Level::Error,
                    format!(
                        "the chain is broken: `{}` was issued by `{}`, but `{}` follows it",
                        child.name(),
                        child.issuer,
                        above.name()
                    ),
                );
                break;
            }
            last = index + 1;
        }
        let (Some(top), Some(top_der)) = (details.get(last), certificates.get(last)) else {
            return Ok(());
        };
        let Some(enrolled) = question.enrolled else {
            if !top.self_signed {
                self.say(
                    Level::Note,
                    format!(
                        "the chain ends below `{}`: right if that certificate is the enrolled one",
                        top.issuer
                    ),
                );
            }
            return Ok(());
        };
        let held = certificates.get(..=last).unwrap_or(certificates);
        if !held.iter().any(|der| **der == **enrolled) && !inspect::issued_by(top_der, enrolled, file)? {
            let enrolled = Detail::of(enrolled, "the enrolled CA")?;
            self.say(
                Level::Error,
                format!(
                    "the chain does not lead to the enrolled CA `{}`: after `{}` the certificate of `{}` is missing",
                    enrolled.name(),
                    top.name(),
                    top.issuer
                ),
            );
        }
        Ok(())
    }
}

fn extension<'a>(detail: &'a Detail, name: &str) -> Option<&'a str> {
    let found = detail.extensions.iter().find(|extension| extension.name == name);
    found.map(|extension| extension.value.as_str())
}

fn days(left: SignedDuration) -> String {
    match left.as_hours() / 24 {
        0 => "less than a day".into(),
        1 => "a day".into(),
        days => format!("{days} days"),
    }
}
