//! The verbs of `create_test_cert.js`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use device_sim::console;
use device_sim::hint::Hint;
use fleet_report::words::counted;
use indicatif::ProgressBar;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::CertificateError;
use provisioning::certificate::examine::name;
use provisioning::certificate::make::{KeyType, Validity};
use provisioning::identities::{Bulk, CaFiles, CertFolder, CertSpec, IdentityError, Problems, Written};

use super::when::When;
use super::{DEFAULT_PASSWORD, PfxArgs, Protection, warn_of};
use crate::exit::{Failure, PASSED, print};
use crate::prepare::identities::bar_style;

/// More problems than this are counted, not listed.
const PROBLEMS_TOLD: usize = 10;
/// DPS takes no more devices.
const MOST_DEVICES: u32 = 1_000_000;

/// Where files go, and what protects them.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// The folder of the certificates
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    protection: Protection,
    #[command(flatten)]
    pfx: PfxArgs,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
}

impl Output {
    fn folder(&self) -> CertFolder {
        CertFolder::new(&self.out, self.force).looking_in(".")
    }

    /// The same with the CAs where `parent` is, and the name of that one.
    fn folder_below(&self, parent: &str, at: &ParentFolder) -> Result<(CertFolder, String), Failure> {
        let below = at.of(self.folder()).below(parent);
        below.map_err(|problem| refused(problem.into()))
    }
}

/// Where the CA that signs is.
#[derive(Debug, Args)]
pub(super) struct ParentFolder {
    /// The folder of the CA that signs; usually it is looked for in the current folder, then in that of --out
    #[arg(long, value_name = "DIR")]
    ca_dir: Option<PathBuf>,
}

impl ParentFolder {
    pub(super) fn of(&self, folder: CertFolder) -> CertFolder {
        match &self.ca_dir {
            Some(path) => folder.with_parents(path),
            None => folder,
        }
    }
}

#[derive(Debug, Args)]
struct KeyArg {
    /// The kind of its key
    #[arg(long, value_name = "TYPE", default_value = "p256")]
    key: KeyType,
}

/// `fleet cert root`
#[derive(Debug, Args)]
pub(super) struct RootArgs {
    /// Its common name
    #[arg(value_name = "COMMON_NAME", default_value = "Test Root Cert")]
    common_name: String,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    output: Output,
}

/// `fleet cert intermediate`
#[derive(Debug, Args)]
pub(super) struct IntermediateArgs {
    /// Its common name
    #[arg(value_name = "COMMON_NAME")]
    common_name: String,
    /// The common name of the CA that signs it, or the path of that CA's certificate
    #[arg(value_name = "PARENT")]
    parent: String,
    #[command(flatten)]
    parent_folder: ParentFolder,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    output: Output,
}

/// `fleet cert device`
#[derive(Debug, Args)]
pub(super) struct DeviceArgs {
    /// Its common name, which is the registration id; with --count, how all of them begin
    #[arg(value_name = "COMMON_NAME")]
    common_name: String,
    /// The common name of the CA that signs it, or the path of that CA's certificate
    #[arg(value_name = "PARENT")]
    parent: Option<String>,
    #[command(flatten)]
    parent_folder: ParentFolder,
    /// Make so many: COMMON_NAME0001, COMMON_NAME0002, … Their files keep these names as they are. What an interrupted
    /// run has made stays, and the next goes on with what is missing
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DEVICES)))]
    count: Option<u32>,
    /// The number of the first
    #[arg(long, value_name = "N", default_value_t = 1, requires = "count")]
    first: u32,
    /// How many digits the numbers have
    #[arg(long, value_name = "DIGITS", default_value_t = 4, requires = "count", value_parser = clap::value_parser!(u8).range(1..=10))]
    width: u8,
    /// With --count: PFX files, too
    #[arg(long, requires = "count")]
    pfx: bool,
    /// Make it expired: valid until a minute ago, to try what happens then
    #[arg(long, conflicts_with_all = ["days", "not_before", "not_after"])]
    expired: bool,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    output: Output,
}

/// `fleet cert verification`
#[derive(Debug, Args)]
pub(super) struct VerificationArgs {
    /// The certificate of the CA to be verified, or the common name of that CA
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The key of the CA; the one beside its certificate when left out
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The verification code that Azure gave; blanks and braces around it are ignored
    #[arg(long, value_name = "CODE", value_parser = verification_code)]
    nonce: String,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    output: Output,
}

pub(super) fn root(args: &RootArgs, now: Timestamp) -> Result<u8, Failure> {
    let spec = spec(args.key.key, args.when, Validity::root(now), &args.output, now);
    written(args.output.folder().root(&args.common_name, &spec), &spec)
}

pub(super) fn intermediate(args: &IntermediateArgs, now: Timestamp) -> Result<u8, Failure> {
    let spec = spec(args.key.key, args.when, Validity::intermediate(now), &args.output, now);
    let (folder, parent) = args.output.folder_below(&args.parent, &args.parent_folder)?;
    written(folder.intermediate(&args.common_name, &parent, &spec), &spec)
}

pub(super) fn device(args: &DeviceArgs, now: Timestamp) -> Result<u8, Failure> {
    let mut spec = spec(args.key.key, args.when, Validity::leaf(now), &args.output, now);
    if args.expired {
        spec.validity = Validity::expired(now);
    }
    let (folder, parent) = match &args.parent {
        Some(parent) => {
            let (folder, parent) = args.output.folder_below(parent, &args.parent_folder)?;
            (folder, Some(parent))
        }
        None => (args.output.folder(), None),
    };
    let parent = parent.as_deref();
    let Some(count) = args.count else {
        let done = written(folder.device(&args.common_name, parent, &spec), &spec)?;
        warn_of_name(&args.common_name);
        return Ok(done);
    };
    if !args.pfx {
        spec.pfx = None;
    }
    let width = usize::from(args.width);
    let ids = (0..count)
        .map(|n| {
            let number = args.first.checked_add(n)?;
            Some(format!("{}{number:0width$}", args.common_name))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Failure::refused(anyhow!("--first and --count together are more than {}", u32::MAX)))?;
    // On a terminal only; elsewhere the line at the end is enough.
    let bar = ProgressBar::new(u64::from(count)).with_style(bar_style());
    bar.set_message("certificates");
    let report = folder.devices(&ids, parent, &spec, &|done, _| bar.set_position(done as u64));
    bar.finish_and_clear();
    let Bulk { report, notices } = report.map_err(refused)?;
    print(format_args!(
        "{} made in {}, {} there already\n",
        counted(report.made, "certificate", "certificates"),
        shown::path(&args.output.out),
        counted(report.reused, "was", "were")
    ))?;
    warn_of(&notices);
    // The names differ in their numbers only, and the last one is the longest.
    if let Some(last) = ids.last() {
        warn_of_name(last);
    }
    Ok(PASSED)
}

pub(super) fn verification(args: &VerificationArgs, now: Timestamp) -> Result<u8, Failure> {
    let spec = spec(KeyType::P256, args.when, Validity::verification(now), &args.output, now);
    let folder = args.output.folder();
    let CaFiles { certificate, key } = folder.ca_files(&args.ca).map_err(|problem| refused(problem.into()))?;
    let Some(key) = args.key.clone().or(key) else {
        let ca = shown::path(&certificate);
        return Err(Failure::refused(
            anyhow!("the key of `{ca}` is not named").hint("--key FILE names it"),
        ));
    };
    written(folder.verification(&certificate, &key, &args.nonce, &spec), &spec)
}

fn spec(key_type: KeyType, when: When, usually: Validity, output: &Output, now: Timestamp) -> CertSpec {
    CertSpec {
        key_type,
        validity: when.validity(usually, now),
        pfx: Some(output.pfx.spec(&output.protection)),
    }
}

fn written(done: Result<Written, Problems>, spec: &CertSpec) -> Result<u8, Failure> {
    let written = done.map_err(refused)?;
    for file in &written.files {
        print(format_args!("{}\n", file.display()))?;
    }
    warn_of(&written.notices);
    if let (Some(name), Some(pfx)) = (&written.facts.common_name, &spec.pfx) {
        // A password that someone chose is not shown.
        let password = if pfx.password.is(DEFAULT_PASSWORD) {
            DEFAULT_PASSWORD
        } else {
            "the one given"
        };
        console::note(format_args!(
            "made with the common name `{name}`; password of the PFX file: {password}"
        ));
    }
    let end = written.facts.not_after;
    // X.509 has whole seconds only.
    if end.as_second() < spec.validity.not_after.as_second() {
        console::note(format_args!(
            "note: valid until {end} only, which is when its issuer `{}` ends",
            written.facts.issuer_common_name.as_deref().unwrap_or_default()
        ));
    }
    Ok(PASSED)
}

/// Warns of what `fleet cert inspect` would find about the name of a device.
fn warn_of_name(common_name: &str) {
    for finding in name::of_device(common_name) {
        console::note(format_args!("warning: {}", finding.text));
    }
}

/// A verification code as it is copied: from a page with blanks and a line break, or from a how-to with its braces.
fn verification_code(text: &str) -> Result<String, String> {
    let around = |c: char| c.is_whitespace() || matches!(c, '{' | '}');
    match text.trim_matches(around) {
        "" => Err("there is no code in it; Azure shows one after the upload of the CA".to_owned()),
        code if code.contains(char::is_whitespace) => Err("a code has no blanks in it".to_owned()),
        code => Ok(code.to_owned()),
    }
}

/// All that is in the way, with what can be done about it.
pub(super) fn refused(Problems(problems): Problems) -> Failure {
    let mut lines: Vec<String> = problems.iter().take(PROBLEMS_TOLD).map(ToString::to_string).collect();
    if problems.len() > PROBLEMS_TOLD {
        lines.push(format!("and {} more", problems.len() - PROBLEMS_TOLD));
    }
    if let Some(hint) = problems.iter().find_map(hint) {
        lines.push(format!("hint: {hint}"));
    }
    Failure::refused(anyhow!(lines.join("\n")))
}

fn hint(problem: &IdentityError) -> Option<&'static str> {
    match problem {
        IdentityError::Exists { .. } => {
            Some("--force overwrites; names that differ only in capitals, blanks or `-_.` share their files")
        }
        IdentityError::NoParent { .. } => Some(
            "make it first, with `fleet cert root` or `fleet cert intermediate`, or give the path of its certificate",
        ),
        IdentityError::TwoParents { .. } => Some("give the path of the one that is meant, or its folder with --ca-dir"),
        IdentityError::NotIssuedBy { .. } => Some("--force issues it anew"),
        IdentityError::Certificate(CertificateError::BadValidity { .. }) => {
            Some("without --not-before, a certificate begins five minutes ago")
        }
        IdentityError::Certificate(CertificateError::OutsideIssuer { .. }) => Some(
            "no certificate is valid when its issuer is not: make a CA for that time first, e.g. `fleet cert root NAME --not-before DATE`",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_as_it_was_copied() {
        for text in ["CODE", "CODE ", " CODE\n", "{CODE}", "{ CODE }\r\n"] {
            assert_eq!(verification_code(text).unwrap(), "CODE", "{text:?}");
        }
        for text in ["", "{}", " \n", "CO DE"] {
            verification_code(text).unwrap_err();
        }
    }
}
