//! From a manifest to what is exported: CAs, enrollments and the id scope as `fleet prepare` has them, and the figures
//! of a container.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::{Context, anyhow};
use fleet_protocol::plan::Plan;
use fleet_report::plan::{CONNECT_CPU_US, DEVICE_BYTES, MESSAGE_CPU_US, PROCESS_BYTES, PlanSummary};
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::make::KeyType;

use super::args::ExportArgs;
use super::collector;
use super::container;
use super::enroll;
use super::keys::{Keys, in_container};
use super::model::{Application, Export, ExportFile, Needs, ShardFiles};
use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::types::{Secret, Target};
use crate::prepare::edge::Gateways;
use crate::prepare::identities::{self, Identities, Leaves};
use crate::prepare::target::{self, Preparation};
use crate::prepare::{plan, reach};
use crate::progress::ProgressLog;

/// What is to be exported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) args: &'a ExportArgs,
    pub(super) manifest: &'a Manifest,
    pub(super) summary: &'a PlanSummary,
    /// Our own program.
    pub(super) executable: &'a Path,
    pub(super) progress: ProgressLog,
}

impl Request<'_> {
    /// Goes all the way to the files.
    ///
    /// # Errors
    ///
    /// Certificates can't be used or made, or the target does not agree.
    pub(super) async fn prepare(self) -> Result<Export, Failure> {
        let (manifest, now) = (self.manifest, Timestamp::now());
        let token = match self.args.enroll_later {
            true => None,
            false => {
                let token = target::token(&manifest.target, |name| std::env::var(name).ok())?;
                reach::application(&manifest.target, self.progress).await?;
                token
            }
        };
        let identities = self.identities(now).await?;
        let target = match self.known_target()? {
            Some(target) => target,
            None => {
                let preparation = Preparation {
                    manifest,
                    identities: &identities,
                    executable: self.executable,
                    now,
                    progress: self.progress,
                };
                preparation.run(token).await?.plan
            }
        };
        let plan = plan::plan(manifest, target, &Gateways::default(), now)?;
        self.export(plan, identities, now).await
    }

    /// The target, where the application is not to be asked.
    fn known_target(&self) -> anyhow::Result<Option<fleet_protocol::plan::Target>> {
        match &self.manifest.target {
            Target::IotCentral(target) if self.args.enroll_later => {
                let id_scope = target.id_scope.clone().context("the manifest has no id scope")?;
                target::plan_target(id_scope, &target.endpoint).map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn identities(&self, now: Timestamp) -> Result<Identities, Failure> {
        let (manifest, progress) = (self.manifest.clone(), self.progress);
        tokio::task::spawn_blocking(move || identities::open_or_create(&manifest, Leaves::Elsewhere, now, progress))
            .await
            .context("making certificates failed")?
    }

    async fn export(self, plan: Plan, identities: Identities, now: Timestamp) -> Result<Export, Failure> {
        let Self { args, manifest, .. } = self;
        let mut config = self.config()?;
        let enroll = match args.enroll_later {
            true => Some(enroll::enroll(args, manifest, &identities)?),
            false => None,
        };
        let (plan, shard_files) = {
            let (manifest, shards) = (manifest.clone(), args.shards);
            // An authority for each shard is work for the CPU, and must not keep Ctrl-C from being handled.
            let made = tokio::task::spawn_blocking(move || {
                let keys = Keys {
                    manifest: &manifest,
                    identities: &identities,
                    plan: &plan,
                    now,
                };
                let files = keys.of_shards(shards)?;
                Ok::<_, Failure>((plan, files))
            });
            made.await.context("making authorities failed")??
        };
        let plan = in_container(plan);
        let text = serde_json::to_vec_pretty(&plan).context("the plan can't be put into JSON")?;
        config.insert(0, ExportFile::open(container::PLAN, text));
        let largest = shard_files.iter().map(|files| files.devices).max().unwrap_or(0);
        Ok(Export {
            run_id: plan.run_id.clone(),
            image: args.image.clone(),
            shards: args.shards,
            devices: plan.device_count(),
            deadline_s: deadline_s(self.summary.estimate_s),
            sim: sim_needs(largest, self.summary, args.shards, &plan),
            leaf_flags: leaf_flags(manifest, &shard_files),
            device_port: plan.target.port,
            application: application(&manifest.target),
            enroll,
            config,
            shard_files,
            collector: args
                .collect
                .then(|| collector::collector(args, manifest, now))
                .transpose()?,
        })
    }

    /// The files that are the same for every container, but the plan.
    fn config(&self) -> anyhow::Result<Vec<ExportFile>> {
        let read = |path: &Path| fs::read(path).with_context(|| format!("can't read `{}`", shown::path(path)));
        let mut config = vec![ExportFile::open(container::MANIFEST, read(&self.args.manifest)?)];
        let (endpoint, quota) = match &self.manifest.target {
            Target::IotCentral(target) => (&target.endpoint, &target.quota),
            Target::Dps(target) => (&target.endpoint, &target.quota),
            Target::Emulator(_) => return Err(anyhow!("a target of kind `emulator` can't be exported")),
        };
        if let Some(ca) = &endpoint.ca {
            config.push(ExportFile::open(container::TARGET_CA, read(ca)?));
        }
        // A name that is no file is that of a preset.
        if let Some(quota) = quota.as_deref().map(Path::new).filter(|quota| quota.is_file()) {
            config.push(ExportFile::open(container::QUOTA, read(quota)?));
        }
        Ok(config)
    }
}

/// The estimate, half as much again for a slow cluster, and ten minutes to pull images and to wait for nodes.
fn deadline_s(estimate_s: f64) -> u64 {
    let deadline = (estimate_s * 1.5).ceil() + 600.0;
    deadline as u64
}

/// What a container takes that simulates so many devices, by the measured figures.
fn sim_needs(devices: u32, summary: &PlanSummary, shards: NonZeroU32, plan: &Plan) -> Needs {
    const MIB: u64 = 1024 * 1024;
    /// Three small files for each leaf, a block each, and what else is written.
    const LEAF_BYTES: u64 = 3 * 4096;
    let shards = f64::from(shards.get());
    let messages = summary.traffic.messages_per_s / shards * MESSAGE_CPU_US;
    let connects = plan.rates.register_per_s.min(f64::from(devices)) / shards * CONNECT_CPU_US;
    // `fleet sim`, and the process that it starts for the shard.
    let memory = (u64::from(devices) * DEVICE_BYTES + 2 * PROCESS_BYTES).div_ceil(MIB);
    Needs {
        millicores: ((messages + connects) / 1000.0).ceil().clamp(50.0, 64_000.0) as u32,
        memory_mib: memory,
        memory_limit_mib: memory * 2 + 64,
        disk_mib: (u64::from(devices) * LEAF_BYTES).div_ceil(MIB) + 64,
    }
}

/// What differs from the defaults of `fleet leaves`, for the groups whose leaves it makes.
fn leaf_flags(manifest: &Manifest, shard_files: &[ShardFiles]) -> Vec<String> {
    let makes = |group: &str| {
        let mut files = shard_files.iter().flat_map(|files| &files.authorities);
        files.any(|file| file.path.split('/').next() == Some(group))
    };
    let mut flags = Vec::new();
    for group in manifest.group.iter().filter(|group| makes(&group.id)) {
        if group.key != KeyType::default() {
            let key = clap::ValueEnum::to_possible_value(&group.key);
            flags.extend(key.map(|key| format!("--key={}={}", group.id, key.get_name())));
        }
        let validity = group.validity.to_string();
        if validity != "365d" {
            flags.push(format!("--validity={}={validity}", group.id));
        }
    }
    flags
}

fn application(target: &Target) -> Option<Application> {
    let Target::IotCentral(target) = target else {
        return None;
    };
    let token = target.api_token.as_ref()?;
    let (scheme, rest) = target.app.split_once("://")?;
    let port = rest
        .trim_end_matches('/')
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    Some(Application {
        port: port.unwrap_or(if scheme == "http" { 80 } else { 443 }),
        token_variable: match token {
            Secret::Env(name) => Some(name.clone()),
            Secret::File(_) => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_its_estimate_and_half_of_it_and_ten_minutes() {
        assert_eq!(deadline_s(4400.0), 7200);
        assert_eq!(deadline_s(0.1), 601);
    }
}
