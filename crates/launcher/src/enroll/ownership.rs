//! What of an application is ours: found under our ids, and recognised by our certificates.

use std::collections::BTreeSet;

use fleet_report::words;
use provisioning::central::Central;
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::enroll::{Claim, claim_device, claim_group};
use provisioning::identities::{GroupFolder, Issuer, Slot};

use crate::manifest::Manifest;
use crate::manifest::types::Group;
use crate::prepare::enrollment::{Enrollments, IndividualEnrollment};

/// What would be removed, and what would not.
#[derive(Debug, Default)]
pub(super) struct Removals {
    /// Enrollment groups.
    pub(super) groups: Vec<String>,
    /// Devices with an enrollment of their own.
    pub(super) individuals: Vec<String>,
    /// Devices that groups have let in.
    pub(super) of_groups: Vec<String>,
    /// What stands under our ids and is not ours, in words.
    pub(super) kept: Vec<String>,
}

impl Removals {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.individuals.is_empty() && self.of_groups.is_empty()
    }

    pub(super) fn devices(&self) -> impl Iterator<Item = &String> {
        self.individuals.iter().chain(&self.of_groups)
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let groups = self.groups.iter().map(|group| format!("enrollment group {group}"));
        groups.chain(self.devices().map(|device| format!("device {device}")))
    }

    pub(super) fn words(&self) -> String {
        let (groups, devices) = (self.groups.len(), self.devices().count());
        let groups = match self.groups.as_slice() {
            [] => None,
            [one] => Some(format!("enrollment group {one}")),
            _ => Some(format!("{groups} enrollment groups")),
        };
        let devices = match devices {
            0 => None,
            count => Some(words::devices(count)),
        };
        let parts: Vec<_> = groups.into_iter().chain(devices).collect();
        parts.join(" and ")
    }
}

/// Looks. Changes nothing.
pub(super) async fn find(central: &Central, manifest: &Manifest, with_devices: bool) -> anyhow::Result<Removals> {
    let enrollments = Enrollments::on_disk(manifest)?;
    let mut removals = Removals::default();
    let mut ranges = Vec::new();
    let enrolled = manifest.group.iter().filter(|group| group.is_enrolled());
    for (group, enrollments) in enrolled.zip(&enrollments.groups) {
        let mut ours = thumbprints(&GroupFolder::new(&manifest.fleet.certs, &group.id))?;
        for ca in enrollments.primary.iter().chain(&enrollments.secondary) {
            ours.push(ca.facts()?.sha1);
        }
        match claim_group(central, &group.id, &enrollments.display_name, &ours).await? {
            Claim::Absent => ranges.push(group),
            Claim::Ours => {
                removals.groups.push(group.id.clone());
                ranges.push(group);
            }
            Claim::NotOurs { reason } => removals.kept.push(format!("enrollment group {}: {reason}", group.id)),
        }
    }
    for device in &enrollments.individuals {
        match claim_device(central, &device.id, &own_thumbprints(device)?).await? {
            Claim::Absent => {}
            Claim::Ours => removals.individuals.push(device.id.clone()),
            Claim::NotOurs { reason } => removals.kept.push(format!("device {}: {reason}", device.id)),
        }
    }
    if with_devices && !ranges.is_empty() {
        let ids = ids(&ranges);
        let there = central.devices().await?;
        removals.of_groups = there
            .into_iter()
            .map(|device| device.id)
            .filter(|id| ids.contains(id))
            .collect();
        removals.of_groups.sort();
    }
    Ok(removals)
}

/// The ids of all devices of these groups.
fn ids(groups: &[&Group]) -> BTreeSet<String> {
    let of = |group: &&Group| {
        let devices = group.devices.clone();
        (0..devices.count).map(move |index| devices.id(index))
    };
    groups.iter().flat_map(of).collect()
}

/// The SHA-1 thumbprints of every CA of the group, of each generation.
fn thumbprints(folder: &GroupFolder) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for generation in folder.ca_generations()? {
        for which in [Issuer::Root, Issuer::Intermediate] {
            let path = folder.ca_cert(generation, which);
            if path.exists() {
                found.push(CertificateFacts::load(&path)?.sha1);
            }
        }
    }
    Ok(found)
}

/// The SHA-1 thumbprints of the device's own certificates, also of one in its folder that the manifest asks for no more.
fn own_thumbprints(device: &IndividualEnrollment) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for pem in device.primary.iter().chain(&device.secondary) {
        let name = format!("the certificate of device {}", device.id);
        found.push(CertificateFacts::from_pem(pem.as_bytes(), &name)?.sha1);
    }
    let forgotten = device.folder.path().join(format!("{}_cert.pem", Slot::Secondary));
    if forgotten.exists() {
        found.push(CertificateFacts::load(&forgotten)?.sha1);
    }
    Ok(found)
}
