//! The export for Kubernetes: an Indexed Job as a kustomize base, and what can be added to it as components.
//!
//! ```text
//! kustomization.yaml       what `kubectl apply -k` takes: the base, and the components that are wanted
//! base/                    job.yaml network-policy.yaml, plan.json fleet.toml (a ConfigMap), keys by shard (Secrets)
//! overlays/<component>/    collector, prometheus, cert-manager, iot-central
//! ```
//! Kubernetes 1.33 or newer: `backoffLimitPerIndex` and `podReplacementPolicy` are there since.

mod job;
mod kustomization;
mod network;
mod overlays;
mod patch;
mod secrets;
mod types;

use fleet_report::words::{self, counted};
use serde::Serialize;

use super::model::{Export, ExportFile};
use super::yaml::{commented, document};
use crate::exit::Failure;
use anyhow::anyhow;
use kustomization::{Generator, GeneratorOptions, Kustomization};
use secrets::{MOST_BYTES, ShardSecret};

/// The Job of the sims, and what else belongs to it.
const SIM: &str = "fleet-sim";
const CONFIG: &str = "fleet-config";
const AUTHORITIES: &str = "fleet-authorities";
const CERTIFICATES: &str = "fleet-certificates";

/// The keys of the shards as Secrets.
#[derive(Debug)]
struct Keys {
    authorities: Option<ShardSecret>,
    certificates: Option<ShardSecret>,
}

/// The files for Kubernetes.
///
/// # Errors
///
/// The keys of the shards or the plan are more than Kubernetes stores in one object.
pub(super) fn render(export: &Export) -> Result<Vec<ExportFile>, Failure> {
    let keys = keys(export)?;
    let mut files = base(export, &keys)?;
    let overlays = overlays::render(export, &keys)?;
    let mut all = Kustomization::base();
    all.resources = vec!["base".to_owned()];
    all.components = overlays
        .iter()
        .filter(|overlay| overlay.applied)
        .map(|overlay| commented(format!("overlays/{}", overlay.name), overlay.about))
        .collect();
    let others = overlays.iter().filter(|overlay| !overlay.applied);
    let others: String = others
        .map(|overlay| format!("#   - overlays/{}  # {}\n", overlay.name, overlay.about))
        .collect();
    let mut text = format!(
        "# {} in {}, run {}. Apply it with `kubectl apply -k` on this folder.\n{}",
        words::devices(export.devices),
        counted(export.shards.get(), "shard", "shards"),
        export.run_id,
        document(&all)?
    );
    if !others.is_empty() {
        text += &format!("# Can be added, below `components:`\n{others}");
    }
    files.push(ExportFile::open("kustomization.yaml", text));
    files.extend(overlays.into_iter().flat_map(|overlay| overlay.files));
    Ok(files)
}

fn keys(export: &Export) -> Result<Keys, Failure> {
    let of = |name, folder, wanted: bool, files: fn(&super::model::ShardFiles) -> &Vec<ExportFile>| {
        let shards: Vec<_> = export.shard_files.iter().map(|shard| files(shard).clone()).collect();
        wanted.then(|| ShardSecret::of(name, folder, &shards)).transpose()
    };
    Ok(Keys {
        authorities: of(AUTHORITIES, "authorities", export.makes_leaves(), |shard| {
            &shard.authorities
        })?,
        certificates: of(CERTIFICATES, "certificates", export.has_certificates(), |shard| {
            &shard.certificates
        })?,
    })
}

fn base(export: &Export, keys: &Keys) -> Result<Vec<ExportFile>, Failure> {
    let bytes: usize = export.config.iter().map(|file| file.content.len()).sum();
    if bytes > MOST_BYTES {
        return Err(Failure::refused(anyhow!(
            "the plan and the manifest are {bytes} bytes, and a ConfigMap holds {MOST_BYTES}: name devices as ranges"
        )));
    }
    let secrets = || keys.authorities.iter().chain(&keys.certificates);
    let mut kustomization = Kustomization::base();
    kustomization.resources = vec!["job.yaml".to_owned(), "network-policy.yaml".to_owned()];
    kustomization.config_map_generator = vec![Generator {
        name: CONFIG,
        files: export.config.iter().map(|file| file.path.clone()).collect(),
    }];
    kustomization.secret_generator = secrets().map(|secret| secret.generator.clone()).collect();
    kustomization.generator_options = Some(generator_options());
    let mut files = vec![
        yaml("base/kustomization.yaml", &kustomization)?,
        yaml("base/job.yaml", &job::job(export, keys))?,
        yaml("base/network-policy.yaml", &network::policy(export))?,
    ];
    let parts = export.config.iter().chain(secrets().flat_map(|secret| &secret.files));
    files.extend(parts.map(|file| file.below("base")));
    Ok(files)
}

fn generator_options() -> GeneratorOptions {
    GeneratorOptions {
        disable_name_suffix_hash: commented(true, "a Job can't be changed, so a new name would be of no use"),
    }
}

fn yaml(path: &str, value: &impl Serialize) -> anyhow::Result<ExportFile> {
    Ok(ExportFile::open(path, document(value)?))
}
