//! What a failure likely means, and what helps: `provisioning::explain` where a run or a command meets it.

use std::collections::BTreeSet;

use device_sim::lines::{DeviceLine, State};
use provisioning::central::CentralError;
use provisioning::enroll::EnrollError;
use provisioning::explain::{self, Advice};
use provisioning::identities::{GroupFolder, IdentityError};

use crate::identities::issuer;
use crate::manifest::Manifest;
use crate::manifest::types::Group;

/// Advice on an error, where a refusal of IoT Central's REST API is behind it.
#[must_use]
pub fn on_error(error: &anyhow::Error) -> Option<Advice> {
    let status = error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(EnrollError::Central(central)) => central.status(),
        _ => cause.downcast_ref::<CentralError>()?.status(),
    });
    explain::of_central(status?)
}

/// Explains what keeps the devices of a manifest away: each reason once, since one cause often holds for all.
#[derive(Debug)]
pub struct Advisor {
    manifest: Manifest,
    told: BTreeSet<String>,
}

impl Advisor {
    /// For the devices of this manifest.
    #[must_use]
    pub fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            told: BTreeSet::new(),
        }
    }

    /// What to say to a device's trouble, if it has not been said yet.
    pub fn on(&mut self, device: &DeviceLine) -> Vec<String> {
        // A device that only backs off helps itself.
        let Some(reason) = device.reason.as_ref().filter(|_| device.state == State::Parked) else {
            return Vec::new();
        };
        let Some(Advice { cause, remedy }) = explain::of_reason(reason) else {
            return Vec::new();
        };
        if !self.told.insert(reason.clone()) {
            return Vec::new();
        }
        let compared = explain::is_about_certificates(reason)
            .then(|| self.compare(&device.id))
            .flatten();
        let mut words = vec![match compared {
            // The local comparison knows better than any guess.
            Some(found) => format!("  likely cause: {found}"),
            None => format!("  likely cause: {cause}"),
        }];
        words.push(format!("  hint: {remedy}"));
        words
    }

    /// What the device sends, beside what is enrolled for it.
    fn compare(&self, device: &str) -> Option<String> {
        let has = |group: &&Group| (0..group.devices.count).any(|index| group.devices.id(index) == device);
        let group = self.manifest.group.iter().find(has)?;
        compared(&self.manifest, group, device).unwrap_or_else(|error| Some(error.to_string()))
    }
}

fn compared(manifest: &Manifest, group: &Group, device: &str) -> Result<Option<String>, IdentityError> {
    let folder = GroupFolder::new(&manifest.fleet.certs, &group.id);
    let Some(leaves) = folder.current_generation()? else {
        return Ok(None);
    };
    let current = folder.current_ca()?;
    let enrolled: Vec<_> = [current, current.next()]
        .map(|generation| folder.ca_cert(generation, issuer(group.enroll)))
        .into_iter()
        .filter(|path| path.exists())
        .collect();
    let reach = explain::reach_of_files(device, &folder.leaf_paths(leaves, device).fullchain, &enrolled)?;
    Ok(matches!(reach, explain::Reach::Ends { .. }).then(|| reach.to_string()))
}
