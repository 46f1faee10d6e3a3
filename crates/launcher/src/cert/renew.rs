//! `fleet cert renew`

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use iot_protocol::shown;
use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::inspect::{self, CertificateFacts};
use provisioning::certificate::make::{KeyType, Validity};
use provisioning::identities::{CertFolder, CertSpec, IdentityError, Problems};

use super::make::{ParentFolder, refused};
use super::when::When;
use super::{PfxArgs, Protection, warn_of};
use crate::exit::{Failure, PASSED, print};

/// `fleet cert renew`
#[derive(Debug, Args)]
pub(super) struct RenewArgs {
    /// Common names of devices, or the beginnings of their file names
    #[arg(value_name = "NAME", required_unless_present = "expiring_within")]
    names: Vec<String>,
    /// Every device in the folder whose certificate expires within this many days
    #[arg(long, value_name = "DAYS", conflicts_with = "names")]
    expiring_within: Option<u32>,
    /// The kind of the new keys
    #[arg(long, value_name = "TYPE", default_value = "p256")]
    key: KeyType,
    #[command(flatten)]
    when: When,
    /// The folder of the certificates
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    parent_folder: ParentFolder,
    #[command(flatten)]
    protection: Protection,
    #[command(flatten)]
    pfx: PfxArgs,
}

pub(super) fn run(args: &RenewArgs, now: Timestamp) -> Result<u8, Failure> {
    let folder = args.parent_folder.of(CertFolder::new(&args.out, false).looking_in("."));
    let spec = CertSpec {
        key_type: args.key,
        validity: args.when.validity(Validity::leaf(now), now),
        pfx: Some(args.pfx.spec(&args.protection)),
    };
    let stems = match args.expiring_within {
        Some(days) => expiring(&args.out, now, days)?,
        None => stems(&folder, &args.names)?,
    };
    if stems.is_empty() {
        print(format_args!("nothing to renew in {}\n", shown::path(&args.out)))?;
        return Ok(PASSED);
    }
    // Each on its own: one that can't be renewed does not keep the others from it.
    let (mut problems, mut notices) = (Vec::new(), Vec::new());
    for stem in &stems {
        match folder.renew(stem, &spec) {
            Ok(renewed) => {
                print(format_args!(
                    "{}: valid until {}, before until {}; the old files end in .{}\n",
                    shown::text(renewed.written.facts.common_name.as_deref().unwrap_or(stem)),
                    inspect::end(renewed.written.facts.not_after),
                    inspect::end(renewed.before.not_after),
                    renewed.before.sha1.get(..8).unwrap_or_default(),
                ))?;
                // Many may hang below one CA; what there is to report about it is reported once.
                for notice in renewed.written.notices {
                    if !notices.contains(&notice) {
                        notices.push(notice);
                    }
                }
            }
            Err(Problems(more)) => problems.extend(more),
        }
    }
    warn_of(&notices);
    if problems.is_empty() {
        Ok(PASSED)
    } else {
        Err(refused(Problems(problems)))
    }
}

fn stems(folder: &CertFolder, names: &[String]) -> Result<Vec<String>, Failure> {
    let mut problems = Vec::new();
    let mut stems = Vec::new();
    for name in names {
        match folder.stem_of(name) {
            Ok(stem) => stems.push(stem),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(stems)
    } else {
        Err(refused(Problems(problems)))
    }
}

/// The devices whose certificate ends soon, in the order of their names. CAs are left out.
fn expiring(folder: &std::path::Path, now: Timestamp, days: u32) -> Result<Vec<String>, Failure> {
    let within = SignedDuration::from_hours(i64::from(days) * 24);
    let unreadable =
        |error: std::io::Error| Failure::refused(anyhow!("cannot read `{}`: {error}", shown::path(folder)));
    let mut stems = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(stem) = name.strip_suffix("_cert.pem").filter(|stem| *stem != "verification") else {
            continue;
        };
        let facts =
            CertificateFacts::load(&path).map_err(|error| refused(Problems(vec![IdentityError::from(error)])))?;
        if !facts.is_ca && facts.not_after.duration_since(now) <= within {
            stems.push(stem.to_owned());
        }
    }
    stems.sort_unstable();
    Ok(stems)
}
