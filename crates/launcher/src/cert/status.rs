//! `fleet cert status`: what expires when.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use device_sim::console;
use iot_protocol::shown;
use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::inspect::{self, CertificateFacts};
use serde_json::json;

use crate::exit::{FAILED, Failure, PASSED, print};
use crate::format::Format;

/// Folders below folders are followed so deep, and no deeper: a fleet's are four deep.
const DEEPEST: usize = 8;

/// `fleet cert status`
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The folder to look into, and all folders below it
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Certificates that expire within this many days are listed one by one
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    soon: u32,
    /// List every certificate one by one
    #[arg(long)]
    all: bool,
    /// How it is printed; as JSON, every certificate is in it
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// One certificate file.
struct Found {
    path: PathBuf,
    facts: CertificateFacts,
}

pub(super) fn run(args: &StatusArgs, now: Timestamp) -> Result<u8, Failure> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    collect(&args.folder, DEEPEST, &mut found, &mut problems);
    if found.is_empty() && problems.is_empty() {
        return Err(Failure::refused(anyhow!(
            "no certificates in {}: no file there ends in _cert.pem",
            shown::path(&args.folder)
        )));
    }
    found.sort_by(|a, b| (a.facts.not_after, &a.path).cmp(&(b.facts.not_after, &b.path)));
    let soon = SignedDuration::from_hours(i64::from(args.soon) * 24);
    let is_soon = |found: &Found| found.facts.not_after.duration_since(now) < soon;

    if args.format == Format::Json {
        print(json(&found, &problems, args.soon, now)?)?;
        return Ok(code(&found, &problems, now));
    }
    let mut text = String::new();
    for Found { path, facts } in found.iter().filter(|found| args.all || is_soon(found)) {
        let what = if facts.not_after < now { "expired" } else { "expires" };
        let name = shown::text(facts.common_name.as_deref().unwrap_or("-"));
        let end = inspect::end(facts.not_after);
        text += &format!("{what} {end}  {name}  {}\n", shown::path(path));
    }
    let expired = found.iter().filter(|found| found.facts.not_after < now).count();
    let ending = found.iter().filter(|found| is_soon(found)).count() - expired;
    if args.all || expired + ending > 0 {
        text.push('\n');
    }
    for (folder, (count, first)) in by_folder(&found) {
        let end = inspect::end(first);
        text += &format!("{count:>7} in {}, the first until {end}\n", shown::path(folder));
    }
    text += &format!("{expired} expired, {ending} ending within {} days\n", args.soon);
    print(text)?;
    for problem in &problems {
        console::note(format_args!("error: {problem}"));
    }
    Ok(code(&found, &problems, now))
}

fn code(found: &[Found], problems: &[String], now: Timestamp) -> u8 {
    let has_expired = found.iter().any(|found| found.facts.not_after < now);
    if has_expired || !problems.is_empty() {
        FAILED
    } else {
        PASSED
    }
}

/// All certificates, those that end first at the top.
fn json(found: &[Found], problems: &[String], soon: u32, now: Timestamp) -> anyhow::Result<String> {
    let within = SignedDuration::from_hours(i64::from(soon) * 24);
    let certificate = |Found { path, facts }: &Found| {
        let left = facts.not_after.duration_since(now);
        json!({
            "path": path.to_string_lossy(),
            "common_name": facts.common_name,
            "sha256": facts.sha256,
            "not_before": facts.not_before,
            "not_after": inspect::end(facts.not_after),
            "is_ca": facts.is_ca,
            "state": match left {
                left if left.is_negative() => "expired",
                left if left < within => "ending",
                _ => "good",
            },
        })
    };
    let whole = json!({
        "schema_version": 1,
        "soon_days": soon,
        "certificates": found.iter().map(certificate).collect::<Vec<_>>(),
        "problems": problems,
    });
    Ok(serde_json::to_string_pretty(&whole).context("the certificates can't be put into JSON")? + "\n")
}

/// How many there are in each folder, and which of them ends first.
fn by_folder(found: &[Found]) -> BTreeMap<&Path, (usize, Timestamp)> {
    let mut folders: BTreeMap<&Path, (usize, Timestamp)> = BTreeMap::new();
    for Found { path, facts } in found {
        let folder = path.parent().unwrap_or(path);
        let entry = folders.entry(folder).or_insert((0, facts.not_after));
        *entry = (entry.0 + 1, entry.1.min(facts.not_after));
    }
    folders
}

/// Every `…_cert.pem` below `folder`. Links are not followed.
fn collect(folder: &Path, deep: usize, found: &mut Vec<Found>, problems: &mut Vec<String>) {
    let unreadable = |path: &Path, error: std::io::Error| format!("cannot read `{}`: {error}", shown::path(path));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return problems.push(unreadable(folder, error)),
    };
    for entry in entries {
        let looked = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
        let (path, kind) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                problems.push(unreadable(folder, error));
                continue;
            }
        };
        if kind.is_dir() && deep > 0 {
            collect(&path, deep - 1, found, problems);
        } else if kind.is_file() && path.to_string_lossy().ends_with("_cert.pem") {
            match CertificateFacts::load(&path) {
                Ok(facts) => found.push(Found { path, facts }),
                Err(error) => problems.push(error.to_string()),
            }
        }
    }
}
