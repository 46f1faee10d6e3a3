//! `fleet cert inspect`

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use iot_protocol::shown;
use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::examine::{Detail, Enrolled, ExamineRequest, Examined, Level, conclude, examine};
use provisioning::certificate::{CertificateError, load};
use serde::Serialize;

use super::Protection;
use crate::exit::{FAILED, Failure, PASSED, print};

/// `fleet cert inspect`
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// Certificates and keys: PEM, DER or PFX. Keys are looked for among the certificates of all files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The registration id that the first certificate of each file is for
    #[arg(long, value_name = "ID")]
    registration_id: Option<String>,
    /// The CA that is enrolled, to see whether the chain leads there
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Warn of what ends within so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    soon: u32,
    #[command(flatten)]
    protection: Protection,
    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    good: bool,
    files: &'a [Examined],
    /// What is wrong with each file that can't be read.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unreadable: &'a [String],
}

pub(super) fn run(args: &InspectArgs, now: Timestamp) -> Result<u8, Failure> {
    let enrolled = |path| load::certificates(path).map(|mut all| all.swap_remove(0));
    let ca = args.ca.as_deref().map(enrolled).transpose();
    let ca = ca.map_err(|error| Failure::refused(anyhow!("--ca: {error}")))?;
    let request = ExamineRequest {
        now,
        soon: SignedDuration::from_hours(i64::from(args.soon) * 24),
        registration_id: args.registration_id.as_deref(),
        enrolled: ca
            .as_ref()
            .map_or(Enrolled::Unknown, |ca| Enrolled::Below(std::slice::from_ref(ca))),
        password: args.protection.given(),
    };
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in &args.files {
        match look(path, &request) {
            Ok(examined) => files.push(examined),
            Err(error) => problems.push(explained(&error)),
        }
    }
    conclude(&mut files);
    let good = problems.is_empty()
        && !files
            .iter()
            .flat_map(|file| &file.findings)
            .any(|finding| finding.level == Level::Error);
    match args.format {
        Format::Text if files.is_empty() => {}
        Format::Text => print(text(&files, good))?,
        Format::Json => {
            let report = Report {
                good,
                files: &files,
                unreadable: &problems,
            };
            let json = serde_json::to_string_pretty(&report).map_err(|error| Failure::Failed(error.into()))?;
            print(format_args!("{json}\n"))?;
        }
    }
    // One file that can't be read has no bearing on the others, which are shown all the same.
    if !problems.is_empty() {
        return Err(Failure::refused(anyhow!(problems.join("\n"))));
    }
    Ok(if good { PASSED } else { FAILED })
}

fn look(path: &Path, request: &ExamineRequest<'_>) -> Result<Examined, CertificateError> {
    let bytes = load::read(path)?;
    let file = load::named(path);
    let looked = examine(&bytes, &file, request);
    // Without a password: perhaps it is the one of create_test_cert.js.
    if let Err(CertificateError::PasswordMissing { .. } | CertificateError::EncryptedKey { .. }) = looked {
        let usual = Protection::usual();
        let again = ExamineRequest {
            password: Some(&usual),
            ..*request
        };
        return examine(&bytes, &file, &again).or(looked);
    }
    looked
}

fn explained(error: &CertificateError) -> String {
    match error {
        CertificateError::PasswordMissing { .. } | CertificateError::EncryptedKey { .. } => {
            format!("{error}\nhint: give it with --password or in FLEET_PFX_PASSWORD")
        }
        _ => error.to_string(),
    }
}

fn text(files: &[Examined], good: bool) -> String {
    let mut out = String::new();
    for file in files {
        one(&mut out, file);
        out.push('\n');
    }
    let warnings = files
        .iter()
        .flat_map(|file| &file.findings)
        .filter(|finding| finding.level == Level::Warning)
        .count();
    out.push_str(match (good, warnings) {
        (false, _) => "Not good: see the errors.\n",
        (true, 0) => "Good.\n",
        (true, _) => "Good, with warnings.\n",
    });
    out
}

fn one(out: &mut String, file: &Examined) {
    // Subjects and names of files are written by others, who may not forge lines of ours.
    let mut line = |text: String| {
        let _ = writeln!(out, "{}", shown::text(&text));
    };
    line(format!("{} ({})", file.file.trim_matches('`'), file.form));
    for (index, detail) in file.certificates.iter().enumerate() {
        if file.certificates.len() > 1 {
            line(format!("  certificate {} of {}", index + 1, file.certificates.len()));
        }
        for (name, value) in fields(detail) {
            line(format!("    {name:<12}{value}"));
        }
    }
    for key in &file.keys {
        let owner = key.belongs_to.as_ref().map(|owner| format!(", of {owner}"));
        line(format!(
            "    {:<12}{}{}",
            "private key",
            key.kind,
            owner.unwrap_or_default()
        ));
    }
    for finding in &file.findings {
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        line(format!("  {level}: {}", finding.text));
    }
}

fn fields(detail: &Detail) -> Vec<(&'static str, String)> {
    let kind = match (detail.version, detail.is_ca, detail.self_signed) {
        (3, true, true) => "root CA",
        (3, true, false) => "intermediate CA",
        (3, false, true) => "self-signed leaf",
        (3, false, false) => "leaf",
        _ => "neither CA nor leaf, since it is not of version 3",
    };
    let mut fields = vec![
        ("subject", detail.subject.clone()),
        ("issuer", detail.issuer.clone()),
        ("kind", kind.to_owned()),
        ("version", detail.version.to_string()),
        ("valid", format!("{} to {}", detail.valid_from, detail.valid_to)),
        ("key", detail.key.clone()),
        ("signature", detail.signature.clone()),
        ("serial", detail.serial.clone()),
        ("SHA-1", detail.sha1.clone()),
        ("SHA-256", detail.sha256.clone()),
    ];
    for (index, extension) in detail.extensions.iter().enumerate() {
        let mut value = format!("{}: {}", extension.name, extension.value);
        if extension.critical {
            let _ = write!(value, " (critical)");
        }
        fields.push((if index == 0 { "extensions" } else { "" }, value));
    }
    fields
}
