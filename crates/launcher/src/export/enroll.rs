//! What enrolls from the cluster: certificates, and no key.

use provisioning::certificate::load;
use provisioning::identities::{Issuer, Slot};

use super::args::ExportArgs;
use super::model::{Enroll, ExportFile};
use super::{collector, container};
use crate::manifest::Manifest;
use crate::manifest::thresholds::INDIVIDUAL;
use crate::prepare::identities::Identities;

/// What `fleet enroll --verified` needs of the folder of certificates.
///
/// # Errors
///
/// A certificate can't be read.
pub(super) fn enroll(args: &ExportArgs, manifest: &Manifest, identities: &Identities) -> anyhow::Result<Enroll> {
    let mut certificates = Vec::new();
    for (group, identities) in manifest.group.iter().zip(&identities.groups) {
        let roots = [("ca", Some(&identities.ca)), ("ca-0002", identities.secondary.as_ref())];
        for (folder, authorities) in roots {
            // There a secondary is the generation after the one in use, whatever their numbers are here.
            if let Some(path) = authorities.and_then(|ca| ca.cert_path(Issuer::Root)) {
                let name = format!("{}/{folder}/root_cert.pem", group.id);
                certificates.push(ExportFile::open(name, load::certificate_pem(&path)?));
            }
        }
    }
    for (id, identities) in &identities.individuals {
        for slot in [Slot::Primary, Slot::Secondary] {
            if slot == Slot::Primary || identities.secondary.is_some() {
                let pem = load::certificate_pem(&identities.folder.pair_paths(slot).cert)?;
                certificates.push(ExportFile::open(format!("{INDIVIDUAL}/{id}/{slot}_cert.pem"), pem));
            }
        }
    }
    Ok(Enroll {
        certificates,
        flags: collector::flags(args, manifest, container::ENROLLED),
    })
}
