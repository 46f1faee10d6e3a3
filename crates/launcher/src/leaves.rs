//! `fleet leaves`: the leaves of one shard's devices, made where the shard runs from an authority that signs for it
//! alone.
//!
//! `fleet export` makes that authority, below the root of the devices' enrollment group. So the root, which could sign
//! for every device there is, stays where it was made.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use device_sim::hint::Hint;
use device_sim::plan_file;
use device_sim::shard::{Numbered, ShardChoice};
use fleet_protocol::plan::{CredentialSource, Plan, Shard};
use fleet_report::words::counted;
use indicatif::ProgressBar;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::make::{CertificateAuthority, KeyType};
use provisioning::identities::{GroupSpec, Issuer, Lifetime, Problems, Report};

use crate::exit::{Failure, PASSED};
use crate::interrupts::Interrupts;
use crate::manifest::values::ValidityPeriod;
use crate::prepare::identities::bar_style;
use crate::progress::ProgressLog;

/// The certificate of a group's authority, in the folder of the group.
pub(crate) const CERTIFICATE: &str = "ca.crt";
/// Its key.
pub(crate) const KEY: &str = "ca.key";
/// More problems than this are counted, not listed: one wrong authority makes every leaf below it wrong.
const PROBLEMS_TOLD: usize = 10;

/// The arguments of `fleet leaves`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct LeavesArgs {
    /// The plan; it names the folder of each group, into which its leaves go
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// The shard whose devices get leaves; auto/N takes the number from the scheduler, as for `sim`
    #[arg(long, value_name = "I/N", env = "FLEET_SHARD")]
    shard: ShardChoice,
    /// The folder of the shard's authorities: GROUP/ca.crt and GROUP/ca.key for each enrollment group
    #[arg(long, value_name = "DIR")]
    authority: PathBuf,
    /// The kind of the keys of a group's leaves, e.g. `thermostats=rsa2048`; p256 when left out
    #[arg(long, value_name = "GROUP=TYPE", value_parser = of_group::<KeyType>)]
    key: Vec<OfGroup<KeyType>>,
    /// How long a group's leaves are valid, e.g. `thermostats=90d`; 365d when left out, and never longer than their
    /// authority
    #[arg(long, value_name = "GROUP=TIME", value_parser = of_group::<ValidityPeriod>)]
    validity: Vec<OfGroup<ValidityPeriod>>,
}

const AFTER_HELP: &str = "\
What is there already is checked and stays; an interrupted run is completed by the next one. Devices that are enrolled \
individually and groups with certificates of your own need no authority: their certificates are in the folder already.

Examples:
  fleet leaves --plan plan.json --shard 0/8 --authority authority
  fleet leaves --plan plan.json --shard auto/8 --authority authority --key thermostats=rsa2048";

/// A value for one group.
#[derive(Debug, Clone)]
struct OfGroup<T> {
    group: String,
    value: T,
}

/// A value that can be written on the command line.
trait Written: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Written for KeyType {
    fn read(text: &str) -> Result<Self, String> {
        clap::ValueEnum::from_str(text, false)
            .map_err(|_| format!("`{text}` is not one of p256, p384, rsa2048, rsa4096"))
    }
}

impl Written for ValidityPeriod {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

fn of_group<T: Written>(text: &str) -> Result<OfGroup<T>, String> {
    let (group, value) = text
        .split_once('=')
        .ok_or_else(|| "accepted: a group and a value, such as thermostats=…".to_owned())?;
    Ok(OfGroup {
        group: group.to_owned(),
        value: T::read(value)?,
    })
}

/// Makes the leaves.
///
/// # Errors
///
/// The plan, the shard's number or an authority can't be used; then nothing was made. Or a leaf can't be made.
pub(crate) async fn run(args: LeavesArgs, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let plan = plan_file::read(&args.plan).map_err(Failure::refused)?;
    let Numbered { shard, from } = args.shard.resolve_here().map_err(Failure::Refused)?;
    let work = work(&plan, shard, &args)?;
    let progress = ProgressLog::begin();
    let by = from.map(|from| format!(", by {from}")).unwrap_or_default();
    progress.report(format!("run {}: leaves of shard {shard}{by}", plan.run_id));
    // Signing is work for all cores, and must not keep Ctrl-C from being handled. What it leaves is taken up by the
    // next.
    let made = tokio::task::spawn_blocking(move || {
        work.into_iter()
            .try_for_each(|group| group.make(Timestamp::now(), progress))
    });
    tokio::select! {
        made = made => made.context("making leaves failed")??,
        () = interrupts.next() => return Err(Failure::Interrupted),
    }
    Ok(PASSED)
}

/// The leaves of one group.
struct Work {
    spec: GroupSpec,
    ids: Vec<String>,
    authority: CertificateAuthority,
    certificate: PathBuf,
}

/// What has to be made, with every authority loaded; all that is wrong with them is returned at once.
fn work(plan: &Plan, shard: Shard, args: &LeavesArgs) -> Result<Vec<Work>, Failure> {
    let devices = plan.devices(shard).map_err(Failure::refused)?;
    let (mut work, mut problems) = (Vec::new(), unknown_groups(plan, args));
    for (index, group) in plan.groups.iter().enumerate() {
        let CredentialSource::Group(folder) = &group.credentials else {
            continue;
        };
        let ids: Vec<String> = devices
            .iter()
            .filter(|(of, _)| *of == index)
            .map(|(_, id)| id.to_string())
            .collect();
        if ids.is_empty() {
            continue;
        }
        let at = args.authority.join(&group.name);
        let certificate = at.join(CERTIFICATE);
        match CertificateAuthority::load(&certificate, &at.join(KEY)) {
            Ok(authority) => work.push(Work {
                spec: spec(folder, &group.name, args),
                ids,
                authority,
                certificate,
            }),
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    if problems.is_empty() {
        return Ok(work);
    }
    Err(Failure::refused(
        anyhow!("the leaves of shard {shard} can't be made\n  {}", problems.join("\n  ")).hint(format!(
            "--authority is the folder of this shard that `fleet export` has made: GROUP/{CERTIFICATE} and GROUP/{KEY}"
        )),
    ))
}

fn unknown_groups(plan: &Plan, args: &LeavesArgs) -> Vec<String> {
    let named = |flag: &'static str, group: &String| {
        let known = plan.groups.iter().any(|one| one.name == *group);
        (!known).then(|| format!("{flag}: the plan has no group `{}`", shown::text(group)))
    };
    let keys = args.key.iter().filter_map(|one| named("--key", &one.group));
    let validities = args.validity.iter().filter_map(|one| named("--validity", &one.group));
    keys.chain(validities).collect()
}

/// The plan has the folder of the group; its parent is what other certificates are in.
fn spec(folder: &Path, group: &str, args: &LeavesArgs) -> GroupSpec {
    let certs = folder.parent().unwrap_or(Path::new("/"));
    let name = folder
        .file_name()
        .map_or(group.into(), std::ffi::OsStr::to_string_lossy);
    let mut spec = GroupSpec::new(certs, &name, Issuer::Intermediate);
    if let Some(key) = args.key.iter().rev().find(|one| one.group == group) {
        spec.key_type = key.value;
    }
    if let Some(validity) = args.validity.iter().rev().find(|one| one.group == group) {
        spec.lifetime = Lifetime::of_leaves(validity.value.0);
    }
    spec
}

impl Work {
    fn make(self, now: Timestamp, progress: ProgressLog) -> Result<(), Failure> {
        let Self {
            spec,
            ids,
            authority,
            certificate,
        } = self;
        let name = authority.name().to_owned();
        let bar = ProgressBar::new(ids.len() as u64).with_style(bar_style());
        bar.set_message(format!("leaves of {}", spec.group));
        let on_progress = |done: usize, _of: usize| bar.set_position(done as u64);
        let made = spec.open_or_create_below(authority, certificate, ids, now, &on_progress);
        bar.finish_and_clear();
        let Report { made, reused, .. } = made.map_err(|problems| refusal(&spec.group, &problems))?;
        progress.report(format!(
            "{} of {} made below `{name}`, {reused} reused",
            counted(made, "leaf", "leaves"),
            spec.group
        ));
        Ok(())
    }
}

fn refusal(group: &str, Problems(problems): &Problems) -> Failure {
    let mut lines = vec![format!("the leaves of {group} can't be made")];
    lines.extend(
        problems
            .iter()
            .take(PROBLEMS_TOLD)
            .map(|problem| format!("  {problem}")),
    );
    if problems.len() > PROBLEMS_TOLD {
        lines.push(format!("  and {} more", problems.len() - PROBLEMS_TOLD));
    }
    Failure::Failed(anyhow!(lines.join("\n")).hint(
        "nothing that exists is overwritten: what is of another authority has to be removed first, and what the disk had \
         no room for is made by the next run",
    ))
}
