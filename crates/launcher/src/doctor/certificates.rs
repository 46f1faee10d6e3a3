//! The certificates of a manifest's devices and their CAs that are on disk, and when they end.

use std::path::{Path, PathBuf};

use fleet_protocol::plan::{CredentialSource, Devices, Group};
use fleet_report::words::{self, counted};
use iot_protocol::shown;
use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::inspect::{self, CertificateFacts};
use provisioning::identities::{GroupFolder, Issuer};

use super::finding::{Area, Finding, Verdict};
use crate::metrics::expiry::certificate_of;

/// What ends within this time is worth a warning.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Looks at each group. Reads a small file for each device, so it is for a thread that may block.
pub(super) fn findings(groups: &[Group], now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in groups {
        if let CredentialSource::Group(folder) = &group.credentials {
            findings.extend(authorities(&group.name, folder, now));
        }
        let whose = match group.expect {
            None => Whose::Devices,
            Some(_) => Whose::NegativeDevices,
        };
        findings.push(devices(&group.name, (&group.devices, whose), &group.credentials, now));
    }
    findings
}

pub(super) fn authorities(name: &str, folder: &Path, now: Timestamp) -> Option<Finding> {
    let folder = GroupFolder::at(folder);
    let subject = format!("CAs of {name}");
    let current = match folder.current_ca() {
        Ok(current) => current,
        Err(error) => return Some(Finding::of_error(Area::Certificates, subject, Verdict::Broken, &error)),
    };
    let files: Vec<_> = [Issuer::Root, Issuer::Intermediate]
        .map(|issuer| folder.ca_cert(current, issuer))
        .into_iter()
        .filter(|file| file.exists())
        .collect();
    (!files.is_empty()).then(|| judged(&subject, Ends::of(files.into_iter().map(Some), now), now))
}

/// Whether the dates of certificates matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Devices,
    /// Such a device has to be refused, often by its dates.
    NegativeDevices,
}

pub(super) fn devices(
    name: &str,
    (devices, whose): (&Devices, Whose),
    credentials: &CredentialSource,
    now: Timestamp,
) -> Finding {
    let file = |id: &str| certificate_of(credentials, id).filter(|file| file.exists());
    let files: Vec<Option<PathBuf>> = match devices {
        Devices::Range(range) => (0..range.count).map(|index| file(&range.id(index))).collect(),
        Devices::Ids(ids) => ids.iter().map(|id| file(id.as_str())).collect(),
    };
    let ends = Ends::of(files.into_iter(), now);
    let subject = format!("leaves of {name}");
    if whose == Whose::NegativeDevices && ends.unreadable.is_none() && ends.there > 0 {
        let words = format!("{}, of devices that must be refused", certificates(ends.there));
        return Finding::good(Area::Certificates, subject, words);
    }
    let finding = judged(&subject, ends, now);
    let are_ours = matches!(
        credentials,
        CredentialSource::Group(_) | CredentialSource::Individual(_)
    );
    match finding.verdict {
        // `fleet run` makes its own, and reads others.
        Verdict::Unknown if !are_ours => Finding {
            verdict: Verdict::Broken,
            remedy: Some("put the files where `certificates` of the group names them".to_owned()),
            ..finding
        },
        _ => finding,
    }
}

/// What the certificates of a group come to.
#[derive(Debug, Default)]
pub(super) struct Ends {
    there: usize,
    missing: usize,
    expired: usize,
    early: usize,
    first: Option<Timestamp>,
    /// The first that can't be read.
    unreadable: Option<String>,
}

impl Ends {
    pub(super) fn of(files: impl Iterator<Item = Option<PathBuf>>, now: Timestamp) -> Self {
        let mut ends = Self::default();
        for file in files {
            let Some(file) = file else {
                ends.missing += 1;
                continue;
            };
            match CertificateFacts::load(&file) {
                Ok(facts) => {
                    ends.there += 1;
                    ends.expired += usize::from(facts.not_after < now);
                    ends.early += usize::from(facts.not_before > now);
                    ends.first = Some(ends.first.map_or(facts.not_after, |first| first.min(facts.not_after)));
                }
                Err(error) => {
                    let words = format!("{}: {error}", shown::path(&file));
                    ends.unreadable.get_or_insert(words);
                }
            }
        }
        ends
    }

    /// Whether one is not valid yet, and none has expired.
    pub(super) fn is_early(&self) -> bool {
        self.early > 0 && self.expired == 0
    }
}

fn certificates(count: usize) -> String {
    counted(count, "certificate", "certificates")
}

pub(super) fn judged(subject: &str, ends: Ends, now: Timestamp) -> Finding {
    let finding = |verdict, words: String| Finding::new(Area::Certificates, subject, verdict, words);
    if let Some(error) = ends.unreadable {
        return finding(Verdict::Broken, error).remedy("`fleet cert inspect FILE` shows what is in it");
    }
    let Some(first) = ends.first else {
        return finding(Verdict::Unknown, "none on disk yet".to_owned());
    };
    let end = inspect::end(first);
    let mut text = format!("{}, the first until {end}", certificates(ends.there));
    if ends.missing > 0 {
        text += &format!(
            "; {} {} none yet",
            words::devices(ends.missing),
            words::agreeing(ends.missing, "has", "have")
        );
    }
    if ends.expired > 0 {
        return finding(Verdict::Broken, format!("{text}; {} expired", ends.expired))
            .remedy("`fleet cert renew` issues new ones, with new keys; `fleet cert status` lists them");
    }
    if ends.early > 0 {
        return finding(Verdict::Broken, format!("{text}; {} not valid yet", ends.early))
            .remedy("set the clock of this machine if it is wrong");
    }
    match first.duration_since(now) < SOON {
        true => finding(Verdict::Warning, text).remedy(
            "`fleet roll` replaces the certificates of a live fleet, `fleet cert renew` those of one that rests",
        ),
        false => finding(Verdict::Good, text),
    }
}

#[cfg(test)]
mod tests {
    use provisioning::certificate::make::{self, KeyType, Validity};

    use super::*;

    #[test]
    fn what_has_ended_or_ends_soon_is_found_by_its_date() {
        let folder = tempfile::tempdir().unwrap();
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let made = make::self_signed("thermo-1", KeyType::P256, Validity::days(begin, 90)).unwrap();
        let file = folder.path().join("thermo-1_cert.pem");
        std::fs::write(&file, made.cert_pem()).unwrap();
        let at = |time: &str| {
            let now = time.parse().unwrap();
            judged(
                "leaves of g",
                Ends::of([Some(file.clone()), None].into_iter(), now),
                now,
            )
        };
        assert_eq!(at("2026-01-02T00:00:00Z").verdict, Verdict::Good);
        assert_eq!(at("2026-03-15T00:00:00Z").verdict, Verdict::Warning);
        assert_eq!(at("2025-12-01T00:00:00Z").verdict, Verdict::Broken);
        let expired = at("2026-06-01T00:00:00Z");
        assert_eq!(expired.verdict, Verdict::Broken);
        assert!(
            expired.words.ends_with("1 device has none yet; 1 expired"),
            "{}",
            expired.words
        );
        std::fs::write(&file, "no certificate").unwrap();
        let unreadable = at("2026-01-02T00:00:00Z");
        assert_eq!(unreadable.verdict, Verdict::Broken);
        assert!(unreadable.words.contains("thermo-1_cert.pem"), "{}", unreadable.words);
    }
}
