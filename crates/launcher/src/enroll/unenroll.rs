//! `fleet unenroll`: takes back what a manifest has enrolled, and nothing else.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use device_sim::console;
use device_sim::hint::Hint;
use iot_protocol::shown;
use provisioning::central::{Central, Pace};
use provisioning::enroll::{Step, remove_device, remove_group};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::countdown::Countdown;
use crate::enroll::close;
use crate::enroll::ownership::Removals;
use crate::exit::{FAILED, Failure, PASSED, print};
use crate::interrupts::Interrupts;
use crate::manifest::Manifest;
use crate::manifest::types::Target;
use crate::prepare::{reach, target};
use crate::progress::ProgressLog;
use crate::run;

/// So many devices are removed at once; the application's quota decides how fast.
const AT_ONCE: usize = 8;
/// Time between two lines on how far it is.
const PROGRESS: Duration = Duration::from_secs(3);
/// So many removed devices are reported one by one.
const TOLD: usize = 3;

/// What to take back, and how.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// `path=value`, each over a key of the manifest.
    pub set: Vec<String>,
    /// Remove the devices of the groups as well.
    pub devices: bool,
    /// Only look, and report what would be removed.
    pub dry_run: bool,
    /// Do not ask.
    pub yes: bool,
    /// Our own program, which is started for the emulator.
    pub executable: PathBuf,
}

/// Takes back. Returns the number with which the process is to end.
///
/// # Errors
///
/// The manifest can't be used, the question was not answered with yes, or the application refused.
pub(crate) async fn run(options: Options, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let manifest = run::resolve(&options.manifest, &options.set, None)?;
    target::require_application(
        &manifest.target,
        "that could be asked to remove something",
        "`az iot dps enrollment-group delete` and `az iot dps enrollment delete` do it",
    )?;
    let token = target::token(&manifest.target, |name| std::env::var(name).ok())?;
    if !options.yes && !options.dry_run && !std::io::stdin().is_terminal() {
        return Err(Failure::refused(
            anyhow!("there is no terminal on which to ask whether to remove it")
                .hint("--yes removes without asking, --dry-run shows what would be removed"),
        ));
    }
    let progress = ProgressLog::begin();
    if matches!(manifest.target, Target::Emulator(_)) && !target::emulator_state(&manifest)?.exists() {
        progress.report("nothing to remove: the emulator of this manifest has never run");
        return Ok(PASSED);
    }
    let work = async {
        reach::application(&manifest.target, progress).await?;
        let opened = target::open(&manifest, &options.executable, token, progress).await?;
        let application = opened.application.as_ref().context("there is no application to ask")?;
        let done = take_back(&options, &application.central, &manifest, progress).await;
        close(opened).await?;
        done
    };
    tokio::select! {
        done = work => done,
        () = interrupts.next() => {
            progress.report("interrupted; what is removed stays removed, and the same command goes on with the rest");
            Err(Failure::Interrupted)
        }
    }
}

async fn take_back(
    options: &Options,
    central: &Central,
    manifest: &Manifest,
    progress: ProgressLog,
) -> Result<u8, Failure> {
    let removals = crate::enroll::ownership::find(central, manifest, options.devices).await?;
    for kept in &removals.kept {
        progress.report(format!("left alone: {kept}"));
    }
    let code = if removals.kept.is_empty() { PASSED } else { FAILED };
    if removals.is_empty() {
        progress.report("nothing to remove");
        return Ok(code);
    }
    if options.dry_run {
        for line in removals.lines() {
            print(format_args!("would remove {}\n", shown::text(&line)))?;
        }
        return Ok(code);
    }
    if !options.yes && !agreed(&removals).await? {
        return Err(Failure::refused(anyhow!("nothing was removed")));
    }
    remove(central, &removals, progress).await?;
    progress.report(format!("removed: {}", removals.words()));
    Ok(code)
}

async fn agreed(removals: &Removals) -> anyhow::Result<bool> {
    let question = format!("Remove {}? [y/N] ", removals.words());
    // A read of stdin can't be called off; it ends with the process.
    tokio::task::spawn_blocking(move || {
        console::ask(&question);
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    })
    .await
    .context("can't ask")?
}

/// Groups first: a device that is removed while its group is there comes back with its next registration.
async fn remove(central: &Central, removals: &Removals, progress: ProgressLog) -> anyhow::Result<()> {
    let report = |step: Step| progress.report(step);
    for group in &removals.groups {
        remove_group(central, group, &report).await?;
    }
    let countdown = Countdown {
        of: removals.devices().count() as u64,
        per_second: Pace::IOT_CENTRAL.per_second.into(),
    };
    let removed = AtomicU64::new(0);
    let begun = Instant::now();
    let reporting = async {
        let mut ticks = interval_at(begun + PROGRESS, PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let removed = removed.load(Ordering::Relaxed);
            progress.report(format!(
                "devices removed: {}",
                countdown.words(removed, removed, begun.elapsed())
            ));
        }
    };
    tokio::select! {
        done = remove_devices(central, removals, &removed, progress) => done,
        never = reporting => never,
    }
}

async fn remove_devices(
    central: &Central,
    removals: &Removals,
    removed: &AtomicU64,
    progress: ProgressLog,
) -> anyhow::Result<()> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut work = JoinSet::new();
    for (index, device) in removals.devices().cloned().enumerate() {
        let permit = Arc::clone(&room).acquire_owned().await?;
        let central = central.clone();
        work.spawn(async move {
            let _permit = permit;
            let report = |step: Step| {
                if index < TOLD {
                    progress.report(step);
                }
            };
            remove_device(&central, &device, &report).await
        });
        while let Some(done) = work.try_join_next() {
            done??;
            removed.fetch_add(1, Ordering::Relaxed);
        }
    }
    while let Some(done) = work.join_next().await {
        done??;
        removed.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
