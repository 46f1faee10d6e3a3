//! `fleet doctor`: whether a run can work here, before it is begun: this machine, the servers of the target, IoT Edge
//! gateways, the token, the certificates and the limits. Each finding comes with what to do, and none of the checks changes
//! anything.
//!
//! The judgement is that of a run: `prepare::pre_flight`, `prepare::reach` and `prepare::budget` ask, and this puts their
//! answers side by side instead of stopping at the first.

mod certificates;
mod finding;
mod gateways;
mod machine;
mod network;
mod quotas;
mod record;
mod token;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::console;
use device_sim::hint::Hint;
use device_sim::proxies::Proxies;
use fleet_report::words::counted;
use iot_protocol::shown;
use jiff::Timestamp;

use self::finding::{Area, Finding, Findings, Verdict};
use crate::exit::{Failure, PASSED, REFUSED, print};
use crate::interrupts::Interrupts;
use crate::keep;
use crate::manifest::Manifest;
use crate::manifest::types::Target;
use crate::prepare::application::Application;
use crate::prepare::budget::{self, Bound};
use crate::prepare::{plan, target};
use crate::run;

/// What to look at.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The manifest's file; without one, only this machine is looked at.
    pub(crate) manifest: Option<PathBuf>,
    /// `path=value`, each over a key of the manifest.
    pub(crate) set: Vec<String>,
    /// How far the plan may go beyond the limits.
    pub(crate) bound: Bound,
    /// For a program instead of a person.
    pub(crate) json: bool,
    /// The folder that keeps the target's answers, without names, tokens and keys.
    pub(crate) record: Option<PathBuf>,
}

/// Looks at everything, and prints what was found.
///
/// # Errors
///
/// The manifest can't be used.
pub(crate) async fn run(options: Options, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let manifest = options
        .manifest
        .as_deref()
        .map(|path| run::resolve(path, &options.set, None));
    let manifest = manifest.transpose()?;
    if let (Some(folder), Some(manifest)) = (&options.record, &manifest) {
        refuse_emulator(manifest)?;
        keep::try_folder("--record", folder)?;
    }
    let work = async {
        let findings = examine(manifest.as_ref(), options.bound).await?;
        if let (Some(folder), Some(manifest)) = (&options.record, &manifest) {
            keep_answers(folder, manifest).await?;
        }
        Ok::<_, Failure>(Findings::new(findings))
    };
    let findings = tokio::select! {
        findings = work => findings?,
        () = interrupts.next() => return Err(Failure::Interrupted),
    };
    if options.json {
        let json = serde_json::to_string_pretty(&findings).context("the findings can't be put into JSON")?;
        print(json + "\n")?;
    } else {
        print(findings.text())?;
    }
    Ok(if findings.can_run() { PASSED } else { REFUSED })
}

async fn examine(manifest: Option<&Manifest>, bound: Bound) -> Result<Vec<Finding>, Failure> {
    let now = Timestamp::now();
    let Some(manifest) = manifest else {
        let mut findings = machine::findings(None, now);
        findings.push(Finding::new(
            Area::Network,
            "target",
            Verdict::Unknown,
            "no manifest is named, so its target, certificates and limits are not looked at",
        ));
        return Ok(findings);
    };
    let summary = budget::plan(manifest).map_err(Failure::Refused)?;
    let groups = plan::groups(manifest).map_err(Failure::Refused)?;
    let mut findings = machine::findings(Some((manifest, &summary)), now);
    let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
    let edge_devices = gateways::EdgeDevices::of(manifest);
    let dates = tokio::task::spawn_blocking(move || {
        let mut findings = certificates::findings(&groups, now);
        findings.extend(edge_devices.iter().flat_map(|devices| devices.findings(now)));
        findings
    });
    let (network, token) = tokio::join!(network::findings(manifest, &proxies), of_token(manifest, now));
    findings.extend(network);
    findings.extend(token);
    findings.extend(dates.await.context("the certificates can't be read")?);
    findings.extend(quotas::findings(&summary, bound));
    Ok(findings)
}

/// Makes sure that there is something to record.
fn refuse_emulator(manifest: &Manifest) -> Result<(), Failure> {
    match manifest.target {
        Target::Emulator(_) => Err(Failure::Refused(
            anyhow!("--record keeps the answers of Azure, and this target is the emulator")
                .hint("name a manifest of kind `iot-central` or `dps`"),
        )),
        Target::IotCentral(_) | Target::Dps(_) => Ok(()),
    }
}

/// Keeps what a real target answers, for those who want to know how Azure behaves.
async fn keep_answers(folder: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let token = target::token(&manifest.target, |name| std::env::var(name).ok())?;
    let token = token.as_ref().map(target::Token::secret);
    let count = record::record(folder, &manifest.target, token, Timestamp::now()).await?;
    console::note(format_args!(
        "{} kept in {}: read it before you hand it on",
        counted(count, "answer", "answers"),
        shown::path(&folder.join(record::FILE))
    ));
    Ok(())
}

/// What the application says to the token, where there are both.
async fn of_token(manifest: &Manifest, now: Timestamp) -> Vec<Finding> {
    let Target::IotCentral(central) = &manifest.target else {
        return Vec::new();
    };
    let broken = |error: &dyn std::fmt::Display| vec![Finding::of_error(Area::Token, "token", Verdict::Broken, &error)];
    let token = match target::token(&manifest.target, |name| std::env::var(name).ok()) {
        Ok(Some(token)) => token,
        Ok(None) => return Vec::new(),
        Err(error) => return broken(&error),
    };
    match Application::new(&central.app, token.secret(), central.endpoint.ca.as_deref()) {
        Ok(application) => token::findings(&application, token.secret(), now).await,
        Err(error) => broken(&format!("{error:#}")),
    }
}
