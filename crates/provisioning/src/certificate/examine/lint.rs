//! What Azure would object to
//! (<https://learn.microsoft.com/azure/iot-dps/concepts-x509-attestation>,
//! <https://learn.microsoft.com/azure/iot-dps/concepts-service>,
//! <https://learn.microsoft.com/azure/iot-central/core/concepts-device-authentication>).

use jiff::SignedDuration;
use rustls_pki_types::CertificateDer;

use super::path::{Link, Path};
use super::{Detail, Enrolled, ExamineRequest, Finding, Level, name};
use crate::certificate::CertificateError;

pub(super) fn chain(
    certificates: &[CertificateDer<'_>],
    request: &ExamineRequest<'_>,
    in_order: bool,
    file: &str,
) -> Result<Vec<Finding>, CertificateError> {
    let links = certificates
        .iter()
        .map(|der| Link::of(der, file))
        .collect::<Result<Vec<_>, _>>()?;
    let anchors = match request.enrolled {
        Enrolled::Below(authorities) => authorities,
        Enrolled::Unknown | Enrolled::Individually => &[],
    };
    let anchors = anchors
        .iter()
        .map(|der| Link::of(der, "the enrolled CA"))
        .collect::<Result<Vec<_>, _>>()?;

    let mut findings = Findings(Vec::new());
    // A CA that stands alone is judged as a CA, unless the caller names it a device.
    let is_device = request.registration_id.is_some()
        || matches!(request.enrolled, Enrolled::Individually)
        || !links.iter().all(|link| link.detail.is_ca);
    // What has signed another one is no leaf, whatever it claims of itself.
    let is_leaf = |link: &Link<'_>| !link.detail.is_ca && !links.iter().any(|other| other.is_below(link));
    let leaf = links.iter().position(is_leaf).unwrap_or(0);
    // Of an individual enrollment, the first is the one that counts, whatever it is.
    let is_individual = matches!(request.enrolled, Enrolled::Individually);
    let start = if !is_individual && links.first().is_some_and(|first| first.detail.is_ca) {
        leaf
    } else {
        0
    };
    if is_device && start > 0 && in_order {
        findings.leaf_not_first(&links, start);
    }
    let is_valid = |detail: &Detail| detail.not_before <= request.now && request.now <= detail.not_after;
    let Some(path) = Path::climb(&links, start, &anchors, is_valid) else {
        return Ok(findings.0);
    };
    let judged = match request.enrolled {
        // Above the certificate of an individual, nothing counts.
        Enrolled::Individually => path.links.get(..1).unwrap_or_default(),
        _ => &path.links,
    };
    for (place, link) in judged.iter().chain(&path.anchor).enumerate() {
        findings.dates(&link.detail, request);
        findings.form(link);
        findings.strength(&link.detail);
        if !link.detail.self_signed || place == 0 && is_device {
            findings.signature(&link.detail);
        }
        if place > 0 || !is_device {
            findings.authority(link, path.links.get(..place).unwrap_or_default());
        }
    }
    if is_device && let Some(leaf) = judged.first() {
        findings.leaf(&leaf.detail, request);
    }
    if !matches!(request.enrolled, Enrolled::Individually) {
        findings.reach(&path, &anchors, request);
        if in_order {
            findings.order(&links, start, &path);
        }
    }
    Ok(findings.0)
}

struct Findings(Vec<Finding>);

impl Findings {
    fn report(&mut self, level: Level, code: &'static str, text: String) {
        self.0.push(Finding { level, code, text });
    }

    fn dates(&mut self, detail: &Detail, request: &ExamineRequest<'_>) {
        let (name, now) = (detail.name(), request.now);
        if now > detail.not_after {
            self.report(
                Level::Error,
                "expired",
                format!("`{name}` expired on {}", detail.not_after),
            );
        } else if now < detail.not_before {
            self.report(
                Level::Error,
                "not-yet-valid",
                format!("`{name}` is not valid before {}", detail.not_before),
            );
        } else if detail.not_after.duration_since(now) < request.soon {
            let left = detail.not_after.duration_since(now);
            self.report(
                Level::Warning,
                "expires-soon",
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
            self.report(
                Level::Error,
                "key",
                format!("the RSA key of `{name}` has {bits} bits, at least 2048 are safe"),
            );
        }
        let curves = ["EC P-256", "EC P-384", "EC P-521"];
        if !detail.key.starts_with("RSA ") && !curves.contains(&detail.key.as_str()) {
            self.report(
                Level::Error,
                "key",
                format!(
                    "`{name}` has a key of type {}; Azure takes RSA keys, and EC keys on P-256, P-384 and P-521",
                    detail.key
                ),
            );
        }
    }

    fn signature(&mut self, detail: &Detail) {
        let (name, signature) = (detail.name(), &detail.signature);
        match signature.as_str() {
            "sha1WithRSAEncryption" => self.report(
                Level::Warning,
                "sha-1",
                format!(
                    "`{name}` is signed with {signature}, which has been broken; whether DPS takes it, no source says"
                ),
            ),
            "ecdsa-with-SHA1" | "md5WithRSAEncryption" | "md4WithRSAEncryption" | "md2WithRSAEncryption" => self
                .report(
                    Level::Error,
                    "signature",
                    format!("`{name}` is signed with {signature}, which can't be relied on"),
                ),
            _ => {}
        }
    }

    /// What a certificate must be to be used at all.
    fn form(&mut self, link: &Link<'_>) {
        let (name, version) = (link.detail.name(), link.detail.version);
        if !link.has_extensions() {
            self.report(
                Level::Error,
                "version",
                format!(
                    "`{name}` is of X.509 version {version}, which can't say what it may be used for, so it is no CA, and DPS does \
                     not take it from a device; `openssl x509 -req` makes version 3 with `-extfile`"
                ),
            );
        }
        if let Some(oid) = link.doubled_extension() {
            self.report(
                Level::Error,
                "doubled-extension",
                format!("`{name}` has the extension {oid} more than once, and no certificate may (RFC 5280, 4.2)"),
            );
        }
        if let Some(oid) = link.unknown_extension() {
            self.report(
                Level::Error,
                "critical-extension",
                format!("`{name}` has the extension {oid}, which is critical and not known, or can't be read"),
            );
        }
    }

    /// Whether `link` may have signed the last of `below`, which begins with the leaf.
    fn authority(&mut self, link: &Link<'_>, below: &[&Link<'_>]) {
        let name = link.detail.name();
        if !link.detail.is_ca {
            if link.has_extensions() {
                self.report(
                    Level::Error,
                    "not-an-authority",
                    format!("`{name}` has signed another certificate and is not a CA"),
                );
            }
            return;
        }
        if link.may_not_sign() {
            self.report(
                Level::Error,
                "no-cert-sign",
                format!("`{name}` is a CA whose key usage does not allow to sign certificates (no keyCertSign)"),
            );
        } else if extension(&link.detail, "keyUsage").is_none() {
            self.report(
                Level::Note,
                "no-key-usage",
                format!("`{name}` is a CA without key usage, as create_test_cert.js makes it; Azure takes it"),
            );
        }
        if let Some(limit) = link.exceeded_path_length(below) {
            self.report(
                Level::Error,
                "path-length",
                format!("`{name}` allows {limit} CAs between itself and a leaf (path length), and there are more"),
            );
        }
        if let Some(excluded) = link.excluded(below) {
            self.report(
                Level::Error,
                "name-constraints",
                format!(
                    "`{name}` does not allow the name `{}` below it (name constraints)",
                    excluded.detail.subject
                ),
            );
        }
    }

    fn leaf(&mut self, leaf: &Detail, request: &ExamineRequest<'_>) {
        let name = leaf.name();
        if leaf.is_ca {
            let (level, text) = match request.enrolled {
                Enrolled::Below(_) => (
                    Level::Error,
                    "a device of a group needs a leaf, since it could sign others",
                ),
                _ => (
                    Level::Warning,
                    "right only where this very certificate is enrolled for one device",
                ),
            };
            self.report(
                level,
                "authority-as-leaf",
                format!("`{name}` is a CA certificate: {text}"),
            );
        }
        match extension(leaf, "extKeyUsage") {
            Some(usage) if usage.contains("clientAuth") => {}
            Some(usage) if usage.contains("anyExtendedKeyUsage") => self.report(
                Level::Warning,
                "any-purpose",
                format!(
                    "`{name}` names no purpose but anyExtendedKeyUsage, which not every service takes for clientAuth"
                ),
            ),
            Some(usage) => self.report(
                Level::Error,
                "not-for-clients",
                format!("`{name}` may not be used by a client (extended key usage has no clientAuth, but {usage})"),
            ),
            // A certificate of version 1 can't have one, which is reported already.
            None if leaf.version < 3 => {}
            None => self.report(
                Level::Warning,
                "no-purpose",
                format!(
                    "`{name}` has no extended key usage: RFC 5280 takes that for any purpose, Microsoft's samples call \
                     clientAuth mandatory"
                ),
            ),
        }
        self.registration_id(leaf, request);
    }

    /// The common name is the registration id.
    fn registration_id(&mut self, leaf: &Detail, request: &ExamineRequest<'_>) {
        let Some(common_name) = leaf.common_name.as_deref().filter(|name| !name.is_empty()) else {
            let text = match leaf.common_names {
                0 | 1 => "the certificate has no common name, which has to be the registration id".into(),
                several => format!(
                    "`{}` has {several} common names in its subject, and the registration id can be only one",
                    leaf.subject
                ),
            };
            return self.report(Level::Error, "common-name", text);
        };
        if let Some(wanted) = request.registration_id.filter(|wanted| *wanted != common_name) {
            let but = if wanted.eq_ignore_ascii_case(common_name) {
                "; DPS ignores case, but the hub's device ids don't"
            } else {
                ""
            };
            self.report(
                Level::Error,
                "registration-id",
                format!("the common name is `{common_name}`, the registration id is `{wanted}`{but}"),
            );
        }
        self.0.extend(name::of_device(common_name));
    }

    fn leaf_not_first(&mut self, links: &[Link<'_>], start: usize) {
        let name = |place: usize| links.get(place).map_or("", |link| link.detail.name());
        let text = format!(
            "`{}` comes before `{}`: a device shows the first certificate as its own, so the leaf has to come first",
            name(0),
            name(start)
        );
        self.report(Level::Error, "leaf-not-first", text);
    }

    /// Whether each certificate is followed by its issuer, as TLS wants it.
    fn order(&mut self, links: &[Link<'_>], start: usize, path: &Path<'_>) {
        let sent = links.get(start..).unwrap_or_default();
        // With nothing enrolled to compare with, a gap is reported already.
        let ends_early = path.anchor.is_none() && path.links.len() == 1;
        let broken = sent
            .windows(2)
            .find(|pair| !pair[0].is_below(&pair[1]) && !pair[0].detail.self_signed);
        if let Some([child, above]) = broken
            && !ends_early
        {
            let text = format!(
                "unusual order: `{}` was issued by `{}`, but `{}` follows it; not every service looks further",
                child.detail.name(),
                child.detail.issuer,
                above.detail.name()
            );
            self.report(Level::Warning, "order", text);
        }
    }

    /// Where the chain leads.
    fn reach(&mut self, path: &Path<'_>, anchors: &[Link<'_>], request: &ExamineRequest<'_>) {
        let Some(top) = path.links.last().filter(|_| path.anchor.is_none()) else {
            return;
        };
        let namesake = anchors
            .iter()
            .chain(path.beside.iter().copied())
            .find(|it| top.names(it));
        let (code, gap) = match namesake {
            // What such a key has signed can't be checked.
            Some(namesake) if !is_usable(&namesake.detail.key) => {
                self.strength(&namesake.detail);
                return;
            }
            Some(_) => ("another-of-the-name", gap(top.detail.name(), &top.detail.issuer, true)),
            None => ("issuer-missing", gap(top.detail.name(), &top.detail.issuer, false)),
        };
        let text = match (request.enrolled, anchors, path.beside.first()) {
            (Enrolled::Below(_), [first, ..], _) => {
                format!(
                    "the chain does not lead to the enrolled CA `{}`: {gap}",
                    first.detail.name()
                )
            }
            _ if top.detail.self_signed => return,
            (_, _, Some(_)) if namesake.is_some() => format!("the chain is broken: {gap}"),
            (_, _, Some(stranger)) => format!(
                "the chain is broken: `{}` was issued by `{}`, but `{}` follows it",
                top.detail.name(),
                top.detail.issuer,
                stranger.detail.name()
            ),
            _ => {
                let text = format!(
                    "the chain ends below `{}`: right if that certificate is the enrolled one",
                    top.detail.issuer
                );
                return self.report(Level::Note, "ends-below", text);
            }
        };
        self.report(Level::Error, code, text);
    }
}

/// What stands between the last certificate that leads on and the CA: there is `another` one of its issuer's name, or none.
fn gap(below: &str, issuer: &str, another: bool) -> String {
    if another {
        format!(
            "`{below}` is signed by another one of the name `{issuer}`; a CA that is made again has another key, and what was \
             below it has to be issued again"
        )
    } else {
        format!("after `{below}` the certificate of `{issuer}` is missing")
    }
}

/// Whether a key is of a kind that Azure takes.
fn is_usable(key: &str) -> bool {
    match key.strip_prefix("RSA ").map(str::parse::<usize>) {
        Some(bits) => bits.is_ok_and(|bits| bits >= 2048),
        None => matches!(key, "EC P-256" | "EC P-384" | "EC P-521"),
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
