//! The fleet's certificates: what is on disk is checked, what is missing is made.

use std::path::Path;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use provisioning::identities::{
    GroupAuthorities, GroupIdentities, IndividualIdentities, Issuer, Problems, WantedGroup, WantedIndividual,
};

use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::types::{Authority, Group, Individual};
use crate::story::Story;

/// More problems than this are counted, not told: one wrong CA makes every leaf below it wrong.
const PROBLEMS_TOLD: usize = 10;

/// The certificates of a whole fleet, checked.
#[derive(Debug)]
pub struct Identities {
    /// In the order of the manifest.
    pub groups: Vec<GroupIdentities>,
    /// Device id and certificates, in the order of the manifest.
    pub individuals: Vec<(String, IndividualIdentities)>,
}

/// Opens or makes all of them. Blocks: ten thousand leaves take seconds, on every core.
///
/// # Errors
///
/// Something on disk can't be used, or can't be written; then all that is wrong is told.
pub fn open_or_create(manifest: &Manifest, now: Timestamp, story: Story) -> Result<Identities, Failure> {
    let certs = &manifest.fleet.certs;
    let mut problems = Vec::new();
    let mut groups = Vec::new();
    for group in &manifest.group {
        match open_group(certs, group, now, story) {
            Ok(identities) => groups.push(identities),
            Err(Problems(more)) => problems.extend(more),
        }
    }
    let mut individuals = Vec::new();
    let (mut made, mut all) = (0, 0);
    for individual in &manifest.individual {
        let ids = individual.ids().map_err(|error| Failure::refused(anyhow!(error)))?;
        for id in ids {
            match wanted_individual(certs, individual, id.as_str()).open_or_create(now) {
                Ok(identities) => {
                    made += identities.made;
                    all += 1 + usize::from(identities.secondary.is_some());
                    individuals.push((id.to_string(), identities));
                }
                Err(Problems(more)) => problems.extend(more),
            }
        }
    }
    if !problems.is_empty() {
        return Err(refusal(&problems));
    }
    if !individuals.is_empty() {
        story.tell(format!("{made} self-signed certificates made, {} reused", all - made));
    }
    Ok(Identities { groups, individuals })
}

fn open_group(certs: &Path, group: &Group, now: Timestamp, story: Story) -> Result<GroupIdentities, Problems> {
    let ids = (0..group.devices.count).map(|index| group.devices.id(index));
    // On a terminal only; elsewhere the line at the end says enough.
    let bar = ProgressBar::new(u64::from(group.devices.count)).with_style(bar_style());
    bar.set_message(format!("leaves of {}", group.id));
    let progress = |done: usize, _of: usize| bar.set_position(done as u64);
    let identities = wanted_group(certs, group).open_or_create(ids, now, &progress);
    bar.finish_and_clear();
    let identities = identities?;
    for ca in [Some(&identities.ca), identities.secondary.as_ref()]
        .into_iter()
        .flatten()
    {
        tell_if_made(ca, story);
    }
    story.tell(format!(
        "{} leaves of {} made, {} reused",
        identities.leaves.made, group.id, identities.leaves.reused
    ));
    Ok(identities)
}

fn tell_if_made(ca: &GroupAuthorities, story: Story) {
    if ca.made {
        let names = [&ca.root, &ca.intermediate].map(|ca| ca.as_ref().map(|ca| format!("`{}`", ca.name())));
        let names: Vec<_> = names.into_iter().flatten().collect();
        story.tell(format!("test CA made: {}", names.join(" and below it ")));
    }
}

/// What the manifest wants of a group's certificates.
#[must_use]
pub fn wanted_group(certs: &Path, group: &Group) -> WantedGroup {
    WantedGroup {
        secondary: group.secondary,
        ..WantedGroup::new(certs, &group.id, issuer(group.issuer))
    }
}

/// What the manifest wants of the certificates of an individually enrolled device.
#[must_use]
pub fn wanted_individual(certs: &Path, individual: &Individual, device_id: &str) -> WantedIndividual {
    WantedIndividual {
        secondary: individual.secondary,
        ..WantedIndividual::new(certs, device_id)
    }
}

/// How the making of many certificates is shown.
pub(crate) fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The manifest's word in the words of the certificates' crate.
#[must_use]
pub fn issuer(authority: Authority) -> Issuer {
    match authority {
        Authority::Root => Issuer::Root,
        Authority::Intermediate => Issuer::Intermediate,
    }
}

fn refusal(problems: &[provisioning::identities::IdentityError]) -> Failure {
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
    lines.push(
        "hint: nothing that exists is overwritten; move away what is wrong, and the next run makes it anew".to_owned(),
    );
    Failure::refused(anyhow!(lines.join("\n")))
}
