//! `fleet cert inspect`

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::CertificateError;
use provisioning::certificate::examine::{Detail, Examined, Level, Question, conclude, examine};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
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
}

pub(super) fn run(args: &InspectArgs, now: Timestamp) -> Result<u8, Failure> {
    let ca = args.ca.as_deref().map(enrolled).transpose()?;
    let question = Question {
        now,
        soon: SignedDuration::from_hours(i64::from(args.soon) * 24),
        registration_id: args.registration_id.as_deref(),
        enrolled: ca.as_ref(),
        password: Some(&args.protection.password),
    };
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in &args.files {
        match look(path, &question) {
            Ok(examined) => files.push(examined),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::refused(anyhow!(problems.join("\n"))));
    }
    conclude(&mut files);
    let good = !files
        .iter()
        .flat_map(|file| &file.findings)
        .any(|finding| finding.level == Level::Error);
    match args.format {
        Format::Text => print(text(&files, good))?,
        Format::Json => {
            let report = Report { good, files: &files };
            let json = serde_json::to_string_pretty(&report).map_err(|error| Failure::Failed(error.into()))?;
            print(format_args!("{json}\n"))?;
        }
    }
    Ok(if good { PASSED } else { FAILED })
}

fn look(path: &Path, question: &Question<'_>) -> Result<Examined, CertificateError> {
    let bytes = std::fs::read(path).map_err(|reason| CertificateError::Unreadable {
        path: path.to_owned(),
        reason,
    })?;
    examine(&bytes, &format!("`{}`", path.display()), question)
}

/// The first certificate of a file, PEM or DER.
fn enrolled(path: &Path) -> Result<CertificateDer<'static>, Failure> {
    let refused = |reason: String| Failure::refused(anyhow!("--ca: cannot read `{}`: {reason}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    if bytes.first() == Some(&0x30) {
        return Ok(CertificateDer::from(bytes));
    }
    CertificateDer::from_pem_slice(&bytes).map_err(|error| refused(error.to_string()))
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
        (false, _) => "Not good: see the errors above.\n",
        (true, 0) => "Good.\n",
        (true, _) => "Good, with warnings.\n",
    });
    out
}

fn one(out: &mut String, file: &Examined) {
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
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
    let kind = match (detail.is_ca, detail.self_signed) {
        (true, true) => "root CA",
        (true, false) => "intermediate CA",
        (false, true) => "self-signed leaf",
        (false, false) => "leaf",
    };
    let mut fields = vec![
        ("subject", detail.subject.clone()),
        ("issuer", detail.issuer.clone()),
        ("kind", kind.to_owned()),
        ("valid", format!("{} to {}", detail.not_before, detail.not_after)),
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
