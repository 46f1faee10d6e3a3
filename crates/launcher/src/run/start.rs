//! A run before anything of it is started: checked as far as possible.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::limits::most_file_handles;
use files::{self, Access, Durability};
use fleet_protocol::plan::Group;
use fleet_report::plan::PlanSummary;
use fleet_report::report::{Circumstances, Run};
use fleet_report::words::{self, counted};
use iot_protocol::shown;
use jiff::Timestamp;

use super::environment;
use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::types::Target;
use crate::paths::absolute;
use crate::prepare::edge::Gateways;
use crate::prepare::identities::{self, Identities, Leaves};
use crate::prepare::target::{self, Preparation, Ready, Token};
use crate::prepare::{plan, pre_flight};
use crate::progress::ProgressLog;
use crate::shell::quoted;

/// A run that has been checked as far as possible before something is started.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) manifest: Manifest,
    /// As the report holds it.
    resolved: serde_json::Value,
    /// All that are simulated.
    pub(super) devices: u32,
    /// Those of them that must be refused.
    pub(super) negative: u32,
    pub(super) processes: u32,
    pub(super) first_device: String,
    /// What it will ask of its target.
    pub(super) plan: PlanSummary,
    /// Message ids begin with it.
    pub(super) run_id: String,
    pub(super) now: Timestamp,
}

impl Start {
    /// A run that this machine begins now.
    pub(super) fn check(manifest: Manifest, summary: PlanSummary) -> Result<(Self, Option<Token>), Failure> {
        let now = Timestamp::now();
        let start = Self::of(manifest, summary, plan::run_id(now), now)?;
        let with_emulator = matches!(start.manifest.target, Target::Emulator(_));
        pre_flight::file_handles(start.devices, start.processes, with_emulator)?;
        if let Target::Emulator(target) = &start.manifest.target
            && let Some(port) = target.port
        {
            pre_flight::port(port)?;
        }
        let token = start.token()?;
        Ok((start, token))
    }

    /// The run of this id, which was begun then.
    pub(super) fn of(
        manifest: Manifest,
        summary: PlanSummary,
        run_id: String,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let groups = plan::groups(&manifest).map_err(Failure::Refused)?;
        let (devices, processes) = (
            plan::device_count(&groups),
            plan::processes(&manifest, &groups, most_file_handles()),
        );
        let first_device = plan::first_device(&groups)
            .ok_or_else(|| Failure::refused(anyhow!("there is no device in the manifest")))?;
        let resolved = serde_json::to_value(&manifest)
            .context("the manifest can't be put into JSON")
            .map_err(Failure::Refused)?;
        Ok(Self {
            resolved,
            run_id,
            now,
            manifest,
            devices,
            negative: plan::negative_count(&groups),
            processes,
            first_device,
            plan: summary,
        })
    }

    /// How many devices the stages move.
    pub(super) fn positive(&self) -> u32 {
        self.devices - self.negative
    }

    /// The API token, where the target has one.
    pub(super) fn token(&self) -> Result<Option<Token>, Failure> {
        target::token(&self.manifest.target, |name| std::env::var(name).ok())
    }

    /// Whether the manifest itself asks for things to go wrong.
    pub(super) fn fails_on_purpose(&self) -> bool {
        matches!(&self.manifest.target, Target::Emulator(target) if target.faults.is_some())
    }

    pub(super) fn words(&self) -> String {
        let Self {
            devices,
            negative,
            processes,
            ..
        } = self;
        let refused = match negative {
            0 => String::new(),
            count => format!(", {count} of which must be refused"),
        };
        format!(
            "{}: {}{refused} in {}, target {}",
            self.manifest.fleet.name,
            words::devices(*devices),
            counted(*processes, "process", "processes"),
            self.manifest.target.kind()
        )
    }

    /// What the report says of the run from its beginning. `t0` is when the processes were started.
    pub(super) fn circumstances(&self, t0: Option<Timestamp>) -> Circumstances {
        Circumstances {
            run: Run {
                id: self.run_id.clone(),
                started: Some(self.now),
                command: Some(command_line(
                    std::env::args_os().map(|word| word.to_string_lossy().into_owned()),
                )),
                ..Run::default()
            },
            t0,
            environment: Some(environment::here()),
            manifest: Some(self.resolved.clone()),
            plan: Some(self.plan.clone()),
            asked: u64::from(self.devices),
            ..Circumstances::default()
        }
    }

    pub(super) async fn prepare(
        &self,
        identities: &Identities,
        executable: &Path,
        token: Option<Token>,
        progress: ProgressLog,
    ) -> Result<Ready, Failure> {
        let preparation = Preparation {
            manifest: &self.manifest,
            identities,
            executable,
            now: self.now,
            progress,
        };
        preparation.run(token).await
    }

    /// Signing is work for all cores, and must not keep Ctrl-C from being handled. What it leaves when the process ends
    /// under it is taken up by the next run.
    pub(super) async fn identities(&self, progress: ProgressLog) -> Result<Identities, Failure> {
        let (manifest, now) = (self.manifest.clone(), self.now);
        tokio::task::spawn_blocking(move || identities::open_or_create(&manifest, Leaves::Here, now, progress))
            .await
            .context("making certificates failed")?
    }

    /// The plan with those groups that are meant.
    pub(super) fn write_plan(
        &self,
        target: fleet_protocol::plan::Target,
        gateways: &Gateways,
        which: fn(&Group) -> bool,
    ) -> anyhow::Result<PathBuf> {
        let mut plan = plan::plan(&self.manifest, target, gateways, self.now)?;
        plan.groups.retain(which);
        let state = absolute(&self.manifest.fleet.state)?;
        let path = state.join("plan.json");
        let text = serde_json::to_vec_pretty(&plan).context("the plan can't be put into JSON")?;
        // The folder is there: the run holds it.
        files::write_whole(&path, &text, Access::Owner, Durability::Synced)
            .with_context(|| format!("can't write `{}`", shown::path(&path)))?;
        Ok(path)
    }
}

/// A command line as it can be typed again. No argument of ours holds a secret.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let words = arguments.skip(1).map(|word| quoted(&word));
    let words = std::iter::once("fleet".to_owned()).chain(words);
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again() {
        let words = ["/usr/bin/fleet", "run", "my fleet.toml", "--set=a.b=1", "it's", ""];
        let line = command_line(words.into_iter().map(str::to_owned));
        assert_eq!(line, r"fleet run 'my fleet.toml' --set=a.b=1 'it'\''s' ''");
    }
}
