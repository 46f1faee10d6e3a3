//! `fleet enroll`: makes a manifest's enrollments, or shows how a person does it.

mod azure_cli;
mod dry_run;
mod manual;
mod ownership;
pub(crate) mod unenroll;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use fleet_report::words::counted;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::enroll::{Attest, Outcome};
use serde::Serialize;

use crate::exit::{Failure, PASSED, print};
use crate::interrupts::Interrupts;
use crate::manifest::Manifest;
use crate::manifest::types::Target;
use crate::prepare::enrollment::{self, Enrollments, How};
use crate::prepare::identities::{self, Identities, Leaves};
use crate::prepare::reach;
use crate::prepare::target::{self, Opened, Token, emulator_state};
use crate::progress::ProgressLog;
use crate::run;
use crate::shell::quoted;

/// What to enroll, and how.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// `path=value`, each over a key of the manifest.
    pub set: Vec<String>,
    /// Only look, and report what would be done.
    pub dry_run: bool,
    /// Upload CAs as verified, by our word.
    pub verified: bool,
    /// Write the files into this folder and print what a person does with them; the empty path means a folder of the
    /// fleet's name.
    pub manual: Option<PathBuf>,
    /// Whether stdout gets JSON.
    pub json: bool,
    /// Our own program, which is started for the emulator.
    pub executable: PathBuf,
}

/// What was enrolled, or would be, for a program.
#[derive(Debug, Serialize)]
struct Enrolled<'a> {
    schema_version: u32,
    dry_run: bool,
    /// Whether something was changed, or would be.
    changed: bool,
    /// Known where something was enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_scope: Option<&'a str>,
    /// The ids of the enrollment groups.
    groups: Vec<&'a str>,
    /// How many devices have an enrollment of their own.
    individuals: usize,
    /// What would be done, in words.
    changes: &'a [String],
    /// What is in the way, in words.
    obstacles: &'a [String],
}

impl<'a> Enrolled<'a> {
    fn of(enrollments: &'a Enrollments<'_>, found: &'a dry_run::Found) -> Self {
        Self {
            schema_version: 1,
            dry_run: true,
            changed: !found.changes.is_empty(),
            id_scope: None,
            groups: enrollments.groups.iter().map(|group| group.id.as_str()).collect(),
            individuals: enrollments.individuals.len(),
            changes: &found.changes,
            obstacles: &found.obstacles,
        }
    }

    fn print(&self) -> anyhow::Result<()> {
        print(serde_json::to_string_pretty(self).context("the enrollments can't be put into JSON")? + "\n")
    }
}

/// Enrolls. Returns the number with which the process is to end.
///
/// # Errors
///
/// The manifest is none, the application refused, or it holds something else under our names.
pub(crate) async fn run(options: Options, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let manifest = run::resolve_whole(&options.manifest, &options.set, None).await?;
    if manifest.group.is_empty() && manifest.individual.is_empty() {
        return Err(Failure::refused(anyhow!("there is no device in the manifest")));
    }
    if options.json && matches!(manifest.target, Target::Dps(_)) {
        return Err(Failure::refused(
            anyhow!("with kind = \"dps\" a script is printed, which has no form in JSON").hint("leave --format out"),
        ));
    }
    if options.manual.is_none() && !matches!(manifest.target, Target::Dps(_)) {
        target::require_application(
            &manifest.target,
            "that could be asked to enroll; --manual prints the steps",
            "",
        )?;
    }
    let progress = ProgressLog::begin();
    let by_hand = options.manual.is_some() || matches!(manifest.target, Target::Dps(_));
    let token = match by_hand {
        true => None,
        false => target::token(&manifest.target, |name| std::env::var(name).ok())?,
    };
    let work = async {
        if by_hand {
            return instruct(&options, &manifest, progress).await;
        }
        reach::application(&manifest.target, progress).await?;
        if options.dry_run {
            return look(&options, &manifest, token, progress).await;
        }
        act(&options, &manifest, token, progress).await
    };
    tokio::select! {
        done = work => done.map(|()| PASSED),
        () = interrupts.next() => {
            progress.report("interrupted; what is done stays done, and the same command goes on with the rest");
            Err(Failure::Interrupted)
        }
    }
}

async fn act(
    options: &Options,
    manifest: &Manifest,
    token: Option<Token>,
    progress: ProgressLog,
) -> Result<(), Failure> {
    let now = Timestamp::now();
    let identities;
    let enrollments = match without_keys(options, manifest)? {
        Some(enrollments) => enrollments,
        None => {
            identities = certificates(manifest, now, progress).await?;
            Enrollments::of(manifest, &identities)?
        }
    };
    let opened = target::open(manifest, &options.executable, token, progress).await?;
    let application = opened
        .application
        .as_ref()
        .context("there is no application that enrolls")?;
    let how = How {
        attest: attest(options.verified),
        now,
        report_found: true,
        progress,
    };
    let outcome = enrollment::enroll(&application.central, &enrollments, how)
        .await
        .context("enrolling failed")?;
    let id_scope = match &opened.id_scope {
        Some(id_scope) => id_scope.to_string(),
        None => enrollment::id_scope(&application.central, &enrollments).await?,
    };
    close(opened).await?;
    match outcome {
        Outcome::Changed => progress.report(format!("enrolled: {}", enrollments.words())),
        Outcome::Unchanged => progress.report(format!("nothing to change: {}", enrollments.words())),
    }
    if options.json {
        let nothing_left = dry_run::Found::default();
        let enrolled = Enrolled {
            dry_run: false,
            changed: outcome == Outcome::Changed,
            id_scope: Some(&id_scope),
            ..Enrolled::of(&enrollments, &nothing_left)
        };
        return Ok(enrolled.print()?);
    }
    print(format_args!("{id_scope}\n"))?;
    Ok(())
}

/// By our word, certificates are enough, where all of them are there: no key proves anything then.
fn without_keys(options: &Options, manifest: &Manifest) -> anyhow::Result<Option<Enrollments<'static>>> {
    if !options.verified {
        return Ok(None);
    }
    let on_disk = Enrollments::on_disk(manifest)?;
    let whole = on_disk.groups.iter().all(|group| group.unmade.is_empty())
        && on_disk.individuals.iter().all(|device| device.unmade.is_empty());
    Ok(whole.then_some(on_disk))
}

async fn look(
    options: &Options,
    manifest: &Manifest,
    token: Option<Token>,
    progress: ProgressLog,
) -> Result<(), Failure> {
    let enrollments = Enrollments::on_disk(manifest)?;
    let never_started = matches!(manifest.target, Target::Emulator(_)) && !emulator_state(manifest)?.exists();
    let found = if never_started {
        progress.report("the emulator of this manifest has never run: there is nothing yet");
        dry_run::from_nothing(&enrollments, attest(options.verified))?
    } else {
        let opened = target::open(manifest, &options.executable, token, progress).await?;
        let application = opened.application.as_ref().context("there is no application to ask")?;
        let found = dry_run::examine(&application.central, &enrollments, attest(options.verified)).await;
        close(opened).await?;
        found?
    };
    if options.json {
        Enrolled::of(&enrollments, &found).print()?;
    } else {
        for change in &found.changes {
            print(format_args!("would {}\n", shown::text(change)))?;
        }
    }
    for obstacle in &found.obstacles {
        progress.report(format!("in the way: {obstacle}"));
    }
    match found.changes.len() {
        0 if found.obstacles.is_empty() => progress.report(format!("nothing to change: {}", enrollments.words())),
        0 => {}
        1 => progress.report("dry run: 1 change, which was not made"),
        changes => progress.report(format!("dry run: {changes} changes, none of which was made")),
    }
    match found.obstacles.len() {
        0 => Ok(()),
        _ => Err(Failure::refused(anyhow!(
            "not everything could be enrolled as things are"
        ))),
    }
}

async fn instruct(options: &Options, manifest: &Manifest, progress: ProgressLog) -> Result<(), Failure> {
    let identities;
    let enrollments = if options.dry_run {
        Enrollments::on_disk(manifest)?
    } else {
        identities = certificates(manifest, Timestamp::now(), progress).await?;
        Enrollments::of(manifest, &identities)?
    };
    let attest = attest(options.verified);
    if let Target::Dps(target) = &manifest.target {
        if options.manual.is_some() {
            progress.report("for a DPS instance the steps are commands of the Azure CLI; no files are written");
        }
        print(azure_cli::script(&enrollments, target.id_scope.as_str(), attest))?;
        return Ok(());
    }
    let folder = match &options.manual {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from(format!("{}-enrollment", manifest.fleet.name)),
        Some(folder) => folder.clone(),
        None => return Ok(()),
    };
    let steps = manual::steps(&enrollments, &folder, attest, &next(options, manifest))?;
    if options.dry_run {
        for file in steps.files.keys() {
            print(format_args!("would write {}\n", shown::path(&folder.join(file))))?;
        }
        return Ok(());
    }
    manual::write(&folder, &steps).map_err(Failure::Refused)?;
    print(&steps.text)?;
    progress.report(format!(
        "{} written into {}",
        counted(steps.files.len(), "file", "files"),
        shown::path(&folder)
    ));
    Ok(())
}

/// What runs the fleet once everything is enrolled by hand: without a token, with the id scope that a page shows.
fn next(options: &Options, manifest: &Manifest) -> String {
    let mut words = vec!["fleet run".to_owned(), quoted(&verbatim(&options.manifest))];
    words.extend(options.set.iter().map(|set| format!("--set {}", quoted(set))));
    if let Target::IotCentral(target) = &manifest.target {
        if target.id_scope.is_none() {
            words.push("--set target.id_scope=SCOPE".to_owned());
        }
        if target.api_token.is_some() {
            words.push("--set target.api_token=off".to_owned());
        }
    }
    words.join(" ")
}

fn attest(verified: bool) -> Attest {
    if verified { Attest::SelfAttest } else { Attest::Prove }
}

/// The emulator that was started for this has stored the enrollments, and the next one on the same folder has them.
pub(crate) async fn close(opened: Opened) -> anyhow::Result<()> {
    match opened.emulator {
        Some(emulator) => emulator.stop().await,
        None => Ok(()),
    }
}

/// Signing is work for all cores, and must not keep Ctrl-C from being handled.
async fn certificates(manifest: &Manifest, now: Timestamp, progress: ProgressLog) -> Result<Identities, Failure> {
    let manifest = manifest.clone();
    tokio::task::spawn_blocking(move || identities::open_or_create(&manifest, Leaves::Here, now, progress))
        .await
        .context("making certificates failed")?
}

/// How a path is written in a command that is there to be copied: as it is, and quoted.
fn verbatim(path: &Path) -> String {
    path.display().to_string()
}
