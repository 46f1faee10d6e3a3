//! `fleet roll`: other certificates for devices that run, in the how-to's four cases.
//!
//! What comes next is decided by a pure function (`steps.rs`) from what is found on disk, at the service and among the devices.
//! What can't be found there (which certificates were the old ones, who was blocked) stands in a journal in the state folder.
//! So a roll that was interrupted anywhere goes on when it is run again.

mod args;
mod blocked;
mod devices;
mod drive;
mod group;
mod individuals;
mod journal;
mod report;
mod same;
mod service;
mod steps;
mod verify;
mod work;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use iot_protocol::shown;

use crate::control::RunHandle;
use crate::control::state_lock::StateLock;
use crate::exit::{FAILED, Failure, PASSED};
use crate::interrupts::Interrupts;
use crate::keep::{self, deliver};
use crate::manifest;
use crate::manifest::Manifest;
use crate::manifest::scope::check;
use crate::manifest::types::Target;
use crate::paths::absolute;
use crate::prepare::application::Application;
use crate::prepare::{reach, target};
use crate::progress::ProgressLog;

pub(crate) use crate::manifest::case::Case;
pub(crate) use crate::manifest::roll::Request;
pub(crate) use args::RollArgs;
pub(crate) use blocked::report_blocked;
pub(crate) use report::Report;
pub(crate) use same::figures;

/// The command line of `fleet roll`, read.
#[derive(Debug)]
pub(crate) struct Options {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// `path=value`, each over a key of the manifest.
    pub set: Vec<String>,
    /// What is to be rolled.
    pub request: Request,
    /// Where the report goes.
    pub report: Option<PathBuf>,
    /// Whether stdout gets the report instead of its summary.
    pub json: bool,
}

/// Rolls, through the live run where there is one. Returns the number with which the process is to end.
///
/// # Errors
///
/// Nothing was changed, or it stopped on the way and can be run again.
pub(crate) async fn run(options: Options, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let mut manifest = manifest::load(&options.manifest, &options.set)?;
    check(&options.request, &manifest).map_err(Failure::Refused)?;
    if let Some(folder) = &options.report {
        keep::try_folder("--report", folder)?;
    }
    let state = absolute(&manifest.fleet.state)?;
    let live = live(&state).await?;
    let progress = ProgressLog::begin();
    if let Some(live) = &live {
        let run = live.status().await.context("can't ask the run")?;
        let with = |set: &[String]| Ok(manifest::load(&options.manifest, &[set, &options.set[..]].concat())?);
        let (same, notice) = same::as_the_run_has_it(manifest, &run.figures, &run.set, with)?;
        manifest = same;
        notice.into_iter().for_each(|notice| progress.report(notice));
        check(&options.request, &manifest).map_err(Failure::Refused)?;
    }
    if live.is_none() {
        // A roll that can't begin leaves no state.
        application(&manifest.target, None)?;
    }
    // Old certificates are tried with DPS from here.
    reach::application_and_dps(&manifest.target, progress).await?;
    // Without a run no other one may begin meanwhile: it would read what is being changed.
    let _no_run = match live {
        Some(_) => None,
        None => Some(StateLock::for_run(&state)?),
    };
    let report = tokio::select! {
        report = perform(&options.request, &manifest, live, progress) => report?,
        () = interrupts.next() => {
            let left = unfinished(&manifest, &state);
            progress.report(match left.is_empty() {
                true => "stopped before anything was changed".to_owned(),
                false => "stopped on the way: the same command goes on with it".to_owned(),
            });
            return Err(Failure::Interrupted);
        }
    };
    let folder = options.report.as_deref();
    let written = folder
        .map(|folder| report.write(folder, "roll.json"))
        .into_iter()
        .collect();
    let printed = match options.json {
        true => report.json()?,
        false => report.summary(),
    };
    deliver(written, printed, |words| progress.report(words))?;
    Ok(if report.passed() { PASSED } else { FAILED })
}

/// The live run whose state is in a folder, if there is one.
#[cfg(unix)]
pub(crate) async fn live(state: &Path) -> Result<Option<RunHandle>, Failure> {
    let found = crate::control::connect(state).await;
    Ok(found.with_context(|| format!("can't reach the run whose state is in `{}`", shown::path(state)))?)
}

#[cfg(not(unix))]
pub(crate) async fn live(_: &Path) -> Result<Option<RunHandle>, Failure> {
    use device_sim::hint::Hint;

    Err(Failure::refused(
        anyhow!("a live run can't be reached on this system").hint("let the run roll by itself, with an [[event]]"),
    ))
}

/// Rolls, from wherever the live run can be asked.
///
/// # Errors
///
/// Nothing was changed, or it stopped on the way and can be run again.
pub(crate) async fn perform(
    request: &Request,
    manifest: &Manifest,
    live: Option<RunHandle>,
    progress: ProgressLog,
) -> Result<Report, Failure> {
    let state = absolute(&manifest.fleet.state)?;
    let _alone = StateLock::for_roll(&state)?;
    let status = match &live {
        Some(live) => Some(live.status().await.context("can't ask the run")?),
        None => None,
    };
    let application = application(&manifest.target, status.as_ref())?;
    drive::drive(request, manifest, &state, application, live, status, progress).await
}

/// The application, as the manifest names it or as the run has started it.
fn application(target: &Target, status: Option<&crate::control::Status>) -> Result<Application, Failure> {
    let refused = |why: &str| Err(Failure::refused(anyhow!("{why}")));
    target::require_application(
        target,
        "whose enrollments could be changed by REST",
        "put the new certificate into the enrollment by `az iot dps`, replace the files, and let the devices register again",
    )?;
    match target {
        Target::IotCentral(named) => {
            let token = target::token(target, |name| std::env::var(name).ok())?
                .ok_or_else(|| Failure::refused(anyhow!("there is no API token")))?;
            Application::new(&named.app, token.secret(), named.endpoint.ca.as_deref()).map_err(Failure::Refused)
        }
        Target::Emulator(_) => {
            let Some(service) = status.and_then(|status| status.service.as_ref()) else {
                return refused(
                    "there is no run of this manifest, and its emulator lives only as long as one\n\
                     hint: begin with `fleet run` in another terminal, and roll while it runs",
                );
            };
            let path = &service.api_token_file;
            let token = std::fs::read_to_string(path).with_context(|| format!("can't read `{}`", shown::path(path)))?;
            Ok(Application::new(&service.app, &token, Some(&service.ca))?)
        }
        Target::Dps(_) => refused("there is no application"),
    }
}

/// What is to be reported before a run whose devices a roll may have left between two certificates, or blocked.
pub(crate) fn unfinished(manifest: &Manifest, state: &Path) -> Vec<String> {
    let groups = manifest.group.iter().map(|group| Some(group.id.as_str()));
    groups
        .chain([None])
        .filter_map(|group| {
            let path = journal::Journal::path(state, group);
            let (of, flag) = match group {
                Some(group) => (format!("group {group}"), format!(" --group {group}")),
                None => ("individual devices".to_owned(), String::new()),
            };
            let case = match journal::Journal::read(&path) {
                Ok(found) => found?.case,
                Err(error) => {
                    let (case, flag) = match group {
                        Some(_) => (Case::GroupBreach, flag),
                        None => (Case::IndividualBreach, " --device …".to_owned()),
                    };
                    return Some(format!(
                        "the journal `{}` of a roll of {of} can't be read ({error}): devices that the roll has blocked stay \
                         blocked; during this run, `fleet roll … --case {case}{flag} --let-in` rolls anew and lets them in again",
                        shown::path(&path)
                    ));
                }
            };
            Some(format!(
                "a roll of {of} is not finished; during this run, `fleet roll … --case {case}{flag}` goes on with it"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn a_run_reports_rolls_that_were_left() {
        let text = "[fleet]\nname = \"demo\"\n[target]\nkind = \"emulator\"\n[[individual]]\ndevice_id = \"lab\"";
        let manifest = manifest::parse("fleet.toml", text, Path::new("."), &[]).unwrap();
        let state = tempfile::tempdir().unwrap();
        assert_eq!(unfinished(&manifest, state.path()), [""; 0]);

        let what = journal::Notes::Individuals(BTreeMap::new());
        let begun = "2026-11-23T15:00:00Z".parse().unwrap();
        let left = journal::Journal::begin(Case::IndividualBreach, what, BTreeSet::new(), begun);
        left.write(&journal::Journal::path(state.path(), None)).unwrap();
        assert_eq!(
            unfinished(&manifest, state.path()),
            [
                "a roll of individual devices is not finished; during this run, `fleet roll … --case individual-breach` goes on with it"
            ]
        );
    }
}
