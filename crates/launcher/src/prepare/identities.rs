//! The fleet's certificates: what is on disk is checked, what is missing is made.

mod edge_cas;

use std::collections::{BTreeSet, HashMap};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::anyhow;
use device_sim::hint::Hint;
use indicatif::{ProgressBar, ProgressStyle};
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::CertificateError;
use provisioning::certificate::make::CertificateAuthority;
use provisioning::identities::{
    GroupAuthorities, GroupIdentities, GroupSpec, IdentityError, IndividualIdentities, IndividualSpec, Lifetime,
    Problems, Warnings,
};

pub(crate) use edge_cas::open_edge_cas;

use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::negative::WrongCertificate;
use crate::manifest::types::{Group, Individual};
use crate::prepare::own_certificates;
use crate::progress::ProgressLog;
use fleet_report::words::counted;

/// More problems than this are counted, not listed: one wrong CA makes every leaf below it wrong.
const PROBLEMS_TOLD: usize = 10;

/// The certificates of a whole fleet, checked.
#[derive(Debug)]
pub(crate) struct Identities {
    /// In the order of the manifest.
    pub groups: Vec<GroupIdentities>,
    /// Device id and certificates, in the order of the manifest.
    pub individuals: Vec<(String, IndividualIdentities)>,
}

/// Where the leaves of enrollment groups are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Here, for each device.
    Here,
    /// Where the devices are simulated, below the roots that are made here.
    Elsewhere,
}

/// Opens or makes all of them. Blocks: ten thousand leaves take seconds, on every core.
///
/// # Errors
///
/// Something on disk can't be used, or can't be written; then all that is wrong is reported.
pub(crate) fn open_or_create(
    manifest: &Manifest,
    leaves: Leaves,
    now: Timestamp,
    progress: ProgressLog,
) -> Result<Identities, Failure> {
    let certs = &manifest.fleet.certs;
    let mut problems = Vec::new();
    let mut groups: Vec<Option<GroupIdentities>> = manifest.group.iter().map(|_| None).collect();
    // Whose root is another group's comes after that group.
    for shares_root in [false, true] {
        for (slot, group) in groups.iter_mut().zip(&manifest.group) {
            if group.root.is_some() != shares_root {
                continue;
            }
            match open_group(certs, group, leaves, now, progress) {
                Ok(identities) => {
                    match open_edge_cas(group, &identities, now) {
                        Ok(0) => {}
                        Ok(made) => {
                            progress.report(format!("{} of {} made", counted(made, "Edge CA", "Edge CAs"), group.id))
                        }
                        Err(more) => problems.extend(more),
                    }
                    *slot = Some(identities);
                }
                Err(Problems(more)) => problems.extend(more),
            }
        }
    }
    let mut individuals = Vec::new();
    let mut self_signed = SelfSigned::default();
    for individual in &manifest.individual {
        let ids = individual.ids().map_err(|error| Failure::refused(anyhow!(error)))?;
        for id in ids {
            let opened = match &individual.certificates {
                Some(own) => own_certificates::open_individual(own, id.as_str(), now),
                None => individual_spec(certs, individual, id.as_str()).open_or_create(now),
            };
            match opened {
                Ok(identities) => {
                    self_signed.count(individual, &identities);
                    individuals.push((id.to_string(), identities));
                }
                Err(Problems(more)) => problems.extend(more),
            }
        }
    }
    if !problems.is_empty() {
        return Err(refusal(&problems, manifest));
    }
    self_signed.report(progress);
    let groups = groups.into_iter().flatten().collect();
    let identities = Identities { groups, individuals };
    one_enrollment_each(manifest, &identities)?;
    Ok(identities)
}

/// What there is to report of all self-signed certificates together.
#[derive(Default)]
struct SelfSigned {
    made: usize,
    reused: usize,
    other_key: usize,
    own: usize,
    warnings: Warnings,
}

impl SelfSigned {
    fn count(&mut self, individual: &Individual, identities: &IndividualIdentities) {
        let certificates = || std::iter::once(&identities.primary).chain(&identities.secondary);
        if individual.certificates.is_some() {
            self.own += certificates().count();
            self.warnings.merge(&identities.warnings);
            return;
        }
        let wanted = Some(individual.key);
        self.made += identities.made;
        self.reused += certificates().count() - identities.made;
        self.other_key += certificates().filter(|one| one.leaf.key_type != wanted).count();
    }

    fn report(&self, progress: ProgressLog) {
        let Self {
            made,
            reused,
            other_key,
            own,
            warnings,
        } = self;
        if made + reused > 0 {
            progress.report(format!(
                "{} made, {reused} reused",
                counted(*made, "self-signed certificate", "self-signed certificates")
            ));
        }
        if *other_key > 0 {
            progress.report(format!(
                "{other_key} of them have other keys than the manifest asks for, and stay as they are"
            ));
        }
        if *own > 0 {
            progress.report(format!(
                "{} of your own checked",
                counted(*own, "certificate", "certificates")
            ));
        }
        report_warnings(warnings, progress);
    }
}

/// What works, or may work, and is better put right.
fn report_warnings(warnings: &Warnings, progress: ProgressLog) {
    for (_, warning) in warnings.iter() {
        progress.report(format!("warning: {}", shown::text(&warning.to_string())));
    }
}

fn open_group(
    certs: &Path,
    group: &Group,
    leaves: Leaves,
    now: Timestamp,
    progress: ProgressLog,
) -> Result<GroupIdentities, Problems> {
    let count = match leaves {
        Leaves::Here => group.devices.count,
        Leaves::Elsewhere => 0,
    };
    let ids = (0..count).map(|index| group.devices.id(index));
    // On a terminal only; elsewhere the line at the end is enough.
    let bar = match progress.is_quiet() {
        true => ProgressBar::hidden(),
        false => ProgressBar::new(u64::from(group.devices.count)).with_style(bar_style()),
    };
    bar.set_message(format!("leaves of {}", group.id));
    let on_progress = |done: usize, _of: usize| bar.set_position(done as u64);
    let identities = match &group.certificates {
        Some(own) => own_certificates::open_group(certs, group, own, now, &on_progress),
        None => group_spec(certs, group).open_or_create(ids, now, &on_progress),
    };
    bar.finish_and_clear();
    let identities = identities?;
    if group.certificates.is_some() {
        let count = identities.leaves.reused;
        progress.report(format!(
            "{} of {}, your own, checked",
            counted(count, "leaf", "leaves"),
            group.id
        ));
        report_warnings(&identities.warnings, progress);
        return Ok(identities);
    }
    for ca in std::iter::once(&identities.ca).chain(&identities.secondary) {
        report_ca(ca, group, progress);
    }
    if leaves == Leaves::Elsewhere {
        return Ok(identities);
    }
    let leaves = identities.leaves;
    progress.report(format!(
        "{} of {} made, {} reused",
        counted(leaves.made, "leaf", "leaves"),
        group.id,
        leaves.reused
    ));
    if leaves.other_key > 0 {
        progress.report(format!(
            "{} of them have other keys than {}, and stay as they are",
            leaves.other_key, group.key
        ));
    }
    Ok(identities)
}

fn report_ca(ca: &GroupAuthorities, group: &Group, progress: ProgressLog) {
    let name = |ca: &CertificateAuthority| format!("`{}`", ca.name());
    if ca.made {
        let names = [&ca.root, &ca.intermediate].map(|ca| ca.as_ref().map(name));
        match (names, &group.root) {
            ([Some(root), Some(intermediate)], Some(_)) => {
                progress.report(format!("test CA made below {root}: {intermediate}"));
            }
            (names, _) => {
                let names: Vec<_> = names.into_iter().flatten().collect();
                progress.report(format!("test CA made: {}", names.join(" and below it ")));
            }
        }
    }
    let wanted = group.key;
    let own_root = ca.root.as_ref().filter(|_| group.root.is_none());
    for ca in own_root.into_iter().chain(&ca.intermediate) {
        if ca.facts().key_type != Some(wanted) {
            let name = name(ca);
            progress.report(format!("CA {name} has another key than {wanted}, and stays as it is"));
        }
    }
}

/// A certificate may belong to one enrollment only: DPS takes the first that it finds on the way up from a leaf.
/// <https://learn.microsoft.com/azure/iot-dps/concepts-x509-attestation>
fn one_enrollment_each(manifest: &Manifest, identities: &Identities) -> Result<(), Failure> {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    let all = manifest.group.iter().zip(&identities.groups);
    for (group, identities) in all.filter(|(group, _)| group.is_enrolled()) {
        for ca in std::iter::once(&identities.ca).chain(&identities.secondary) {
            let Some(ca) = ca.authority(group.enroll) else {
                continue;
            };
            if let Some(other) = owners.insert(&ca.facts().sha1, &group.id) {
                return Err(Failure::refused(
                    anyhow!(
                        "the groups `{other}` and `{}` would enroll the same CA `{}`, but a certificate may belong \
                         to only one enrollment",
                        group.id,
                        ca.name()
                    )
                    .hint(format!(
                        "enroll = \"intermediate\" with an intermediate of its own for one of them; root = \
                         \"{other}\" makes one"
                    )),
                ));
            }
        }
    }
    Ok(())
}

/// What the manifest wants of a group's certificates.
#[must_use]
pub(crate) fn group_spec(certs: &Path, group: &Group) -> GroupSpec {
    GroupSpec {
        key_type: group.key,
        lifetime: Lifetime::of_leaves(group.validity.0).dated(WrongCertificate::dates(group.certificate)),
        root_of: group.root.clone(),
        secondary: group.secondary,
        ..GroupSpec::new(certs, &group.id, group.issuer)
    }
}

/// What the manifest wants of the certificates of an individually enrolled device.
#[must_use]
pub(crate) fn individual_spec(certs: &Path, individual: &Individual, device_id: &str) -> IndividualSpec {
    IndividualSpec {
        key_type: individual.key,
        lifetime: Lifetime::of_leaves(individual.validity.0).dated(WrongCertificate::dates(individual.certificate)),
        secondary: individual.secondary,
        ..IndividualSpec::new(certs, device_id)
    }
}

/// Several problems have seldom more than two causes.
const HINTS_TOLD: usize = 2;

/// How the making of many certificates is shown.
pub(crate) fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn refusal(problems: &[IdentityError], manifest: &Manifest) -> Failure {
    let mut lines = vec!["the certificates on disk can't be used".to_owned()];
    lines.extend(
        problems
            .iter()
            .take(PROBLEMS_TOLD)
            .map(|problem| format!("  {problem}")),
    );
    if problems.len() > PROBLEMS_TOLD {
        lines.push(format!("  and {} more", problems.len() - PROBLEMS_TOLD));
    }
    let own = manifest.group.iter().any(|group| group.certificates.is_some())
        || manifest.individual.iter().any(|one| one.certificates.is_some());
    if own {
        if problems.iter().any(is_locked) {
            lines.push(
                "hint: what opens them is named beside them: password = { env = \"VARIABLE\" } or { file = \"PATH\" }"
                    .to_owned(),
            );
        }
        lines.push(
            "hint: certificates of your own are only read; `fleet cert inspect FILE…` shows what is in them".to_owned(),
        );
    } else {
        let hints: BTreeSet<String> = problems.iter().map(hint).collect();
        lines.extend(hints.into_iter().take(HINTS_TOLD).map(|hint| format!("hint: {hint}")));
    }
    Failure::refused(anyhow!(lines.join("\n")))
}

fn is_locked(problem: &IdentityError) -> bool {
    matches!(
        problem,
        IdentityError::Certificate(CertificateError::PasswordMissing { .. } | CertificateError::EncryptedKey { .. })
    )
}

/// What helps against a problem with certificates that are made here.
fn hint(problem: &IdentityError) -> String {
    match problem {
        IdentityError::Io { reason, path, .. }
            if matches!(
                reason.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            let owner = match reason.kind() {
                ErrorKind::PermissionDenied => "it may belong to another user; ",
                _ => "",
            };
            format!(
                "{owner}`{}` has to be readable and its folder writable for the user who runs fleet, or certificates get \
                 another folder: --set fleet.certs=PATH",
                shown::path(path)
            )
        }
        IdentityError::Io { reason, .. } if reason.kind() == ErrorKind::StorageFull => {
            "the disk is full: make room, and the next run goes on where this one stopped".to_owned()
        }
        IdentityError::WithoutKey { key, .. } if is_of_ca(key) => format!(
            "put the key back; without it, a CA can sign nothing, and a new one means new leaves: then move away all of `{}`, \
             and the next run makes and enrolls it anew",
            shown::path(group_of(key))
        ),
        _ => "nothing that exists is overwritten; move away what is wrong, of a leaf its `_key.pem`, `_cert.pem` and \
              `_fullchain.pem` together, and the next run makes it anew"
            .to_owned(),
    }
}

/// Whether a file is in one of the folders `ca`, `ca-0002`, … of a group.
fn is_of_ca(file: &Path) -> bool {
    let folder = file.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    folder.is_some_and(|name| name == "ca" || name.starts_with("ca-"))
}

/// The folder of the group to which a CA's file belongs.
fn group_of(file: &Path) -> &Path {
    file.ancestors().nth(2).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_fits_what_is_wrong() {
        let io = |kind: ErrorKind| IdentityError::Io {
            doing: "lock",
            path: "certs/demo/thermostats/.lock".into(),
            reason: kind.into(),
        };
        let without_key = |key: &str| IdentityError::WithoutKey {
            certificate: key.replace("key", "cert").into(),
            key: key.into(),
        };
        let hints = [
            hint(&io(ErrorKind::ReadOnlyFilesystem)),
            hint(&io(ErrorKind::PermissionDenied)),
            hint(&io(ErrorKind::StorageFull)),
            hint(&without_key("certs/demo/thermostats/ca/intermediate_key.pem")),
            hint(&without_key("certs/demo/thermostats/leaves/0001/thermo-0001_key.pem")),
        ];
        insta::assert_snapshot!("hints_about_certificates", hints.join("\n"));
    }
}
