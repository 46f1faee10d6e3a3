//! IoT Edge: the gateways that devices connect to, and the certificates that an Edge device needs for being one.

use std::path::{Path, PathBuf};

use fleet_protocol::plan::{CredentialSource, Devices, Range};
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::identities::{EdgeCaPaths, GroupFolder, IdentityError};

use super::certificates::{self, Ends, Whose, judged};
use super::finding::{Area, Finding, Verdict};
use crate::manifest::Manifest;
use crate::manifest::types::GroupKind;
use crate::prepare::reach::Remote;

/// So many Edge devices with something to repair are named; further ones are counted.
const NAMED: usize = 10;

/// The gateways that devices are behind. Those of an emulator that a run starts are not there yet.
pub(super) fn remotes(manifest: &Manifest) -> Vec<Remote> {
    let gateways = manifest.gateways().into_iter();
    let remote = gateways.map(|gateway| {
        let group = &manifest.group[gateway.group];
        let device = gateway.device.as_str();
        let folder = GroupFolder::new(&manifest.fleet.certs, &group.id);
        // What is wrong with the folder is found with its certificates.
        let root = edge_ca(&folder, device).map(|paths| paths.trust_bundle);
        Remote::gateway(group, device, root.unwrap_or_default())
    });
    remote.collect()
}

fn edge_ca(folder: &GroupFolder, device: &str) -> Result<EdgeCaPaths, IdentityError> {
    Ok(folder.edge_ca_paths(folder.current_ca()?, device))
}

/// A group of IoT Edge devices.
#[derive(Debug)]
pub(super) struct EdgeDevices {
    name: String,
    folder: PathBuf,
    devices: Range,
    /// Whether they are looked at like other devices anyway.
    are_simulated: bool,
}

impl EdgeDevices {
    pub(super) fn of(manifest: &Manifest) -> Vec<Self> {
        let groups = manifest.group.iter();
        let groups = groups.filter(|group| group.kind == GroupKind::Edge);
        let all = groups.map(|group| Self {
            name: group.id.clone(),
            folder: manifest.fleet.certs.join(&group.id),
            devices: group.devices.clone(),
            are_simulated: manifest.simulates(group),
        });
        all.collect()
    }

    /// Looks at the files of each device. For a thread that may block.
    pub(super) fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.are_simulated {
            findings.extend(certificates::authorities(&self.name, &self.folder, now));
            let credentials = CredentialSource::Group(self.folder.clone());
            let devices = Devices::Range(self.devices.clone());
            let devices = (&devices, Whose::Devices);
            findings.push(certificates::devices(&self.name, devices, &credentials, now));
        }
        findings.extend(self.edge_cas(now));
        findings
    }

    /// One finding for all that are good, and one for each that is not.
    fn edge_cas(&self, now: Timestamp) -> Vec<Finding> {
        let subject = format!("Edge CAs of {}", self.name);
        let folder = GroupFolder::at(&self.folder);
        let (mut good, mut findings) = (Vec::new(), Vec::new());
        for index in 0..self.devices.count {
            let device = self.devices.id(index);
            let paths = match edge_ca(&folder, &device) {
                Ok(paths) => paths,
                Err(error) => return vec![Finding::of_error(Area::Certificates, subject, Verdict::Broken, &error)],
            };
            match of_device(&device, &paths, now) {
                Some(finding) => findings.push(finding),
                None => good.push(there(&paths.cert)),
            }
        }
        findings.sort_by_key(|finding| finding.verdict != Verdict::Broken);
        let unnamed = findings.split_off(findings.len().min(NAMED));
        if let Some(worst) = unnamed.first() {
            let words = format!("{} more have to be replaced", unnamed.len());
            findings.push(Finding::new(Area::Certificates, &subject, worst.verdict, words));
        }
        if !good.is_empty() {
            findings.insert(0, judged(&subject, Ends::of(good.into_iter(), now), now));
        }
        findings
    }
}

fn there(file: &Path) -> Option<PathBuf> {
    file.exists().then(|| file.to_owned())
}

/// What has to be repaired of an Edge CA and the file for those who trust it. How long the root lasts is found with the CAs
/// of its group.
fn of_device(device: &str, paths: &EdgeCaPaths, now: Timestamp) -> Option<Finding> {
    let subject = format!("Edge CA of {device}");
    let again = format!(
        "remove `{}`: `fleet edge-config MANIFEST --device {device}` makes it again, and lists what to copy to the gateway",
        shown::path(paths.folder())
    );
    if let Some(root) = there(&paths.trust_bundle)
        && let Err(error) = CertificateFacts::load(&root)
    {
        return Some(Finding::of_error(Area::Certificates, subject, Verdict::Broken, &error).remedy(again));
    }
    let ends = Ends::of(there(&paths.cert).into_iter().map(Some), now);
    let is_early = ends.is_early();
    let finding = judged(&subject, ends, now);
    match finding.verdict {
        Verdict::Good | Verdict::Unknown => None,
        // The clock of this machine is to be looked at.
        Verdict::Broken if is_early => Some(finding),
        Verdict::Broken | Verdict::Warning => Some(finding.remedy(again)),
    }
}
