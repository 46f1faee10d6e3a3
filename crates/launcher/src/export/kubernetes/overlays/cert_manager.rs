//! Authorities from cert-manager in the place of those that were exported: the key of each is made on its node, and
//! never leaves it.
//!
//! Attributes of the volume: <https://cert-manager.io/docs/usage/csi-driver/>.

use std::collections::BTreeSet;

use super::Overlay;
use crate::export::container;
use crate::export::kubernetes::AUTHORITIES;
use crate::export::kubernetes::job;
use crate::export::kubernetes::kustomization::{Kustomization, Patch};
use crate::export::kubernetes::patch::Operation;
use crate::export::kubernetes::types::{CsiSource, Labels, Mount, Source, Volume};
use crate::export::kubernetes::{SIM, yaml};
use crate::export::model::{Export, ExportFile};
use crate::leaves;

pub(super) fn overlay(export: &Export) -> anyhow::Result<Overlay> {
    let mut kustomization = Kustomization::component();
    kustomization.patches = vec![Patch::of_job(SIM, "authorities.yaml"), Patch::of_file("no-secret.yaml")];
    let secret = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {AUTHORITIES}\n$patch: delete\n");
    let files = vec![
        yaml("authorities.yaml", &patch(export))?,
        ExportFile::open("no-secret.yaml", secret),
    ];
    let about =
        "authorities from cert-manager's csi-driver instead; needs an Issuer fleet-GROUP below the enrolled root";
    Overlay::new(("cert-manager", about), &kustomization, files)
}

/// The authorities are the second volume of the pods, and the second mount of what makes the leaves.
fn patch(export: &Export) -> Vec<Operation> {
    let mut patch = vec![
        Operation::test("volumes/1/name", "authorities"),
        Operation::test("initContainers/0/volumeMounts/1/name", "authorities"),
    ];
    for (index, group) in groups(export).iter().enumerate() {
        let name = format!("authority-{index}");
        let mount = Mount {
            mount_path: format!("{}/{group}", container::AUTHORITIES),
            ..job::read_only(name.clone(), "")
        };
        let volume = Volume {
            name,
            source: Source::Csi(source(group)),
        };
        if index == 0 {
            patch.push(Operation::replace("volumes/1", volume));
            patch.push(Operation::replace("initContainers/0/volumeMounts/1", mount));
        } else {
            patch.push(Operation::add("volumes/-", volume));
            patch.push(Operation::add("initContainers/0/volumeMounts/-", mount));
        }
    }
    patch
}

/// The groups whose leaves are made in the cluster.
fn groups(export: &Export) -> BTreeSet<&str> {
    let authorities = export.shard_files.iter().flat_map(|files| &files.authorities);
    authorities.filter_map(|file| file.path.split('/').next()).collect()
}

fn source(group: &str) -> CsiSource {
    let short: String = group.chars().take(24).collect();
    let attribute = |name: &str, value: String| (format!("csi.cert-manager.io/{name}"), value);
    CsiSource {
        driver: "csi.cert-manager.io",
        read_only: true,
        volume_attributes: Labels::from([
            attribute("issuer-name", format!("fleet-{}", group.to_ascii_lowercase())),
            attribute("common-name", format!("{short} ${{POD_UID}}")),
            attribute("is-ca", "true".to_owned()),
            attribute("key-usages", "cert sign,digital signature".to_owned()),
            attribute("key-encoding", "PKCS8".to_owned()),
            // A year: leaves live no longer than their authority.
            attribute("duration", "8760h".to_owned()),
            attribute("certificate-file", leaves::CERTIFICATE.to_owned()),
            attribute("privatekey-file", leaves::KEY.to_owned()),
            attribute("ca-file", "issuer.crt".to_owned()),
            attribute("fs-group", container::USER.to_string()),
        ]),
    }
}
