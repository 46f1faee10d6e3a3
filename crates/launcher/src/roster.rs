//! Who is in the fleet, and the plan that tells device-sim processes so.

use std::path::{Path, PathBuf};

use anyhow::Context;
use device_sim::plan::{CredentialSource, Devices, Group, PLAN_VERSION, Plan, Rates, Stage, Target, Telemetry};
use iot_protocol::id::RegistrationId;
use jiff::Timestamp;

use crate::brought;
use crate::manifest::Manifest;
use crate::manifest::types::Individual;

/// The name under which individually enrolled devices appear among the groups.
pub const INDIVIDUAL: &str = "individual";

/// The groups of a fleet as the plan has them: enrollment groups as ranges, individually enrolled devices that are alike
/// as lists.
///
/// # Errors
///
/// The current folder can't be read, so that no path can be made absolute.
pub fn groups(manifest: &Manifest) -> anyhow::Result<Vec<Group>> {
    let certs = absolute(&manifest.fleet.certs)?;
    let mut credentials = Vec::new();
    for group in &manifest.group {
        credentials.push(match &group.certificates {
            Some(own) => CredentialSource::Pattern(brought::group_source(own)?),
            None => CredentialSource::Group(certs.join(&group.id)),
        });
    }
    let enrolled = manifest
        .group
        .iter()
        .zip(credentials)
        .map(|(group, credentials)| Group {
            name: group.id.clone(),
            devices: Devices::Range(group.devices.clone()),
            model: group.model,
            room: group.room.overrides(),
            telemetry: telemetry(&group.telemetry),
            credentials,
            hub: None,
        });
    let mut groups: Vec<Group> = enrolled.collect();
    for individual in &manifest.individual {
        let ids = individual.ids().context("a device id became invalid")?;
        let credentials = match &individual.certificates {
            Some(own) => CredentialSource::Pattern(brought::individual_source(own)?),
            None => CredentialSource::Individual(certs.join(INDIVIDUAL)),
        };
        add_individuals(&mut groups, individual, ids, credentials);
    }
    Ok(groups)
}

fn add_individuals(
    groups: &mut Vec<Group>,
    individual: &Individual,
    ids: Vec<RegistrationId>,
    credentials: CredentialSource,
) {
    let (telemetry, room) = (telemetry(&individual.telemetry), individual.room.overrides());
    let alike = groups.iter_mut().find(|group| {
        group.name == INDIVIDUAL
            && group.credentials == credentials
            && (group.model, group.telemetry, group.room) == (individual.model, telemetry, room)
    });
    match alike.map(|group| &mut group.devices) {
        Some(Devices::Ids(others)) => others.extend(ids),
        _ => groups.push(Group {
            name: INDIVIDUAL.to_owned(),
            devices: Devices::Ids(ids),
            model: individual.model,
            room,
            telemetry,
            credentials,
            hub: None,
        }),
    }
}

/// How many devices there are.
#[must_use]
pub fn device_count(groups: &[Group]) -> u32 {
    groups
        .iter()
        .fold(0, |sum, group| sum.saturating_add(group.devices.count()))
}

/// The id of the first device.
#[must_use]
pub fn first_device(groups: &[Group]) -> Option<String> {
    groups.iter().find_map(|group| match &group.devices {
        Devices::Range(range) => (range.count > 0).then(|| range.id(0)),
        Devices::Ids(ids) => ids.first().map(ToString::to_string),
    })
}

/// How many processes share the fleet: what the manifest says, but never more than there are devices.
#[must_use]
pub fn processes(manifest: &Manifest, groups: &[Group]) -> u32 {
    manifest.load.processes.min(device_count(groups)).max(1)
}

/// The plan of a run that begins `now`.
///
/// # Errors
///
/// The current folder can't be read, so that no path can be made absolute.
pub fn plan(manifest: &Manifest, target: Target, now: Timestamp) -> anyhow::Result<Plan> {
    Ok(Plan {
        version: PLAN_VERSION,
        run_id: run_id(now),
        seed: manifest.fleet.seed,
        start: now,
        state: Some(absolute(&manifest.fleet.state)?),
        target,
        groups: groups(manifest)?,
        rates: Rates {
            register_per_s: manifest.load.register_rate.hertz(),
            connect_per_s: manifest.load.connect_rate.hertz(),
        },
        stages: manifest
            .load
            .stages
            .iter()
            .map(|stage| Stage {
                share: stage.share,
                over_ms: stage.over.millis(),
            })
            .collect(),
    })
}

fn telemetry(written: &crate::manifest::types::Telemetry) -> Telemetry {
    Telemetry {
        interval_ms: written.interval.millis(),
        jitter: written.jitter,
    }
}

/// The start to the millisecond: unique on one machine, and it says when.
fn run_id(now: Timestamp) -> String {
    format!("{}{:03}", now.strftime("%Y%m%dT%H%M%S"), now.subsec_millisecond())
}

/// Processes that read the plan may have another current folder.
pub(crate) fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("can't find out where `{}` is", path.display()))
}
