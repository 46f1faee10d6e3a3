//! The devices of the fleet, and the plan that device-sim processes read.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, anyhow};
use device_sim::limits::SPARE_FILE_HANDLES;
use device_sim::model::Blueprint;
use fleet_protocol::plan::{
    self, CredentialSource, Devices, Gateway, Group, Model, OwnModel, PLAN_VERSION, Plan, Rates, Stage, Target,
    Telemetry,
};
use iot_protocol::id::RegistrationId;
use jiff::Timestamp;
use provisioning::identities::GroupFolder;

use crate::manifest::Manifest;
use crate::manifest::addresses::Addresses;
use crate::manifest::fault::OwnFault;
use crate::manifest::models::behaviours;
use crate::manifest::profile::Profile;
use crate::manifest::thresholds::INDIVIDUAL;
use crate::manifest::types::{GroupKind, Individual};
use crate::manifest::values::Processes;
use crate::paths::absolute;
use crate::prepare::edge::Gateways;
use crate::prepare::own_certificates;

/// The groups of a fleet as the plan has them: enrollment groups as ranges, individually enrolled devices that are alike
/// as lists.
///
/// # Errors
///
/// The current folder can't be read, so that no path can be made absolute.
pub(crate) fn groups(manifest: &Manifest) -> anyhow::Result<Vec<Group>> {
    let certs = absolute(&manifest.fleet.certs)?;
    let enrolled = manifest
        .group
        .iter()
        .filter(|group| manifest.simulates(group))
        .map(|group| {
            Ok(Group {
                name: group.id.clone(),
                devices: Devices::Range(group.devices.clone()),
                model: match group.kind {
                    GroupKind::Iot => group.model.in_plan(),
                    GroupKind::Edge => Model::EdgeIdentity,
                },
                behaviours: behaviours(&group.capability),
                room: group.room.overrides(),
                telemetry: telemetry(&group.telemetry),
                profiles: profiles(&group.profile, &group.telemetry),
                credentials: match &group.certificates {
                    Some(own) => CredentialSource::Pattern(own_certificates::group_source(own)?),
                    None => CredentialSource::Group(certs.join(&group.id)),
                },
                hub: None,
                gateway: gateway(manifest, group.via.as_ref(), &certs)?,
                expect: group.expect.clone(),
                faults: group.fault.iter().map(OwnFault::in_plan).collect(),
            })
        });
    let mut groups = enrolled.collect::<anyhow::Result<Vec<Group>>>()?;
    for individual in &manifest.individual {
        let ids = individual.ids().context("a device id became invalid")?;
        let gateway = gateway(manifest, individual.via.as_ref(), &certs)?;
        let credentials = match &individual.certificates {
            Some(own) => CredentialSource::Pattern(own_certificates::individual_source(own)?),
            None => CredentialSource::Individual(certs.join(INDIVIDUAL)),
        };
        add_individuals(&mut groups, individual, ids, (credentials, gateway));
    }
    // Those that must be refused come last, so that they change no place and no turn of the others.
    groups.sort_by_key(|group| group.expect.is_some());
    Ok(groups)
}

/// The gateway that devices are behind, as far as the manifest has it. Where it is and what its hub is, a run finds
/// out.
fn gateway(manifest: &Manifest, via: Option<&RegistrationId>, certs: &Path) -> anyhow::Result<Option<Gateway>> {
    let Some((via, (_, edge))) = via.and_then(|via| Some((via, manifest.edge_group(via.as_str())?))) else {
        return Ok(None);
    };
    let (connect_host, port) = edge.gateway_address_of(via.as_str());
    let folder = GroupFolder::new(certs, &edge.id);
    Ok(Some(Gateway {
        device: via.clone().into(),
        connect_host,
        port,
        server_name: edge.hostname_of(via.as_str()),
        ca: Some(folder.edge_ca_paths(folder.current_ca()?, via.as_str()).trust_bundle),
    }))
}

fn add_individuals(
    groups: &mut Vec<Group>,
    individual: &Individual,
    ids: Vec<RegistrationId>,
    (credentials, gateway): (CredentialSource, Option<Gateway>),
) {
    let (telemetry, room) = (telemetry(&individual.telemetry), individual.room.overrides());
    let faults: Vec<_> = individual.fault.iter().map(OwnFault::in_plan).collect();
    let profiles = profiles(&individual.profile, &individual.telemetry);
    let (model, behaviours) = (individual.model.in_plan(), behaviours(&individual.capability));
    let alike = groups.iter_mut().find(|group| {
        group.name == INDIVIDUAL
            && group.credentials == credentials
            && (group.model, group.telemetry, group.room) == (model, telemetry, room)
            && group.behaviours == behaviours
            && group.gateway == gateway
            && (&group.expect, &group.faults, &group.profiles) == (&individual.expect, &faults, &profiles)
    });
    match alike.map(|group| &mut group.devices) {
        Some(Devices::Ids(others)) => others.extend(ids),
        _ => groups.push(Group {
            name: INDIVIDUAL.to_owned(),
            devices: Devices::Ids(ids),
            model,
            behaviours,
            room,
            telemetry,
            profiles,
            credentials,
            hub: None,
            gateway,
            expect: individual.expect.clone(),
            faults,
        }),
    }
}

/// Whether some group has the device.
#[must_use]
pub(crate) fn holds(groups: &[Group], device: &str) -> bool {
    groups.iter().any(|group| match &group.devices {
        Devices::Range(range) => (0..range.count).any(|index| range.id(index) == device),
        Devices::Ids(ids) => ids.iter().any(|id| id.as_str() == device),
    })
}

/// The ids of all IoT Edge devices.
pub(crate) fn edge_devices(manifest: &Manifest) -> impl Iterator<Item = String> {
    let groups = manifest.group.iter().filter(|group| group.kind == GroupKind::Edge);
    groups.flat_map(|group| (0..group.devices.count).map(|index| group.devices.id(index)))
}

/// How many devices there are.
#[must_use]
pub(crate) fn device_count(groups: &[Group]) -> u32 {
    groups
        .iter()
        .fold(0, |sum, group| sum.saturating_add(group.devices.count()))
}

/// How many of them must be refused.
#[must_use]
pub(crate) fn negative_count(groups: &[Group]) -> u32 {
    let negative = groups.iter().filter(|group| group.expect.is_some());
    negative.fold(0, |sum, group| sum.saturating_add(group.devices.count()))
}

/// The id of the first device, of the first that measures something if there is one.
#[must_use]
pub(crate) fn first_device(groups: &[Group]) -> Option<String> {
    let first = |group: &Group| match &group.devices {
        Devices::Range(range) => (range.count > 0).then(|| range.id(0)),
        Devices::Ids(ids) => ids.first().map(ToString::to_string),
    };
    let mut measuring = groups
        .iter()
        .filter(|group| group.model != Model::EdgeIdentity && group.expect.is_none());
    measuring.find_map(first).or_else(|| groups.iter().find_map(first))
}

/// How many processes share the fleet where each may open so many files, if there is a limit: as the manifest has it, but
/// never more than there are devices.
#[must_use]
pub(crate) fn processes(manifest: &Manifest, groups: &[Group], file_handles: Option<u64>) -> u32 {
    let devices = device_count(groups);
    let processes = match manifest.load.processes {
        Processes::Auto => enough(devices, file_handles),
        Processes::Number(number) => number,
    };
    processes.min(devices).max(1)
}

/// Until each process has a handle for each of its devices. A tenth of them stays free: a device that registers again beside
/// its session has two connections.
fn enough(devices: u32, file_handles: Option<u64>) -> u32 {
    let Some(allowed) = file_handles else {
        return Processes::USUALLY;
    };
    let each = (allowed.saturating_sub(SPARE_FILE_HANDLES) / 10 * 9).max(1);
    let processes = u64::from(devices).div_ceil(each);
    u32::try_from(processes)
        .unwrap_or(u32::MAX)
        .clamp(Processes::USUALLY, Processes::MOST)
}

/// The plan of a run that begins `now`.
///
/// # Errors
///
/// The current folder can't be read, so that no path can be made absolute; or a gateway was not looked for.
pub(crate) fn plan(manifest: &Manifest, target: Target, gateways: &Gateways, now: Timestamp) -> anyhow::Result<Plan> {
    let mut groups = groups(manifest)?;
    gateways.complete(&mut groups)?;
    Ok(Plan {
        version: PLAN_VERSION,
        run_id: run_id(now),
        seed: manifest.fleet.seed,
        start: now,
        state: Some(absolute(&manifest.fleet.state)?),
        target,
        groups,
        models: models(manifest)?,
        rates: Rates {
            register_per_s: manifest.load.register_rate.hertz(),
            connect_per_s: manifest.load.connect_rate.hertz(),
        },
        stages: manifest.load.stages.iter().copied().map(Stage::from).collect(),
        source_addresses: source_addresses(manifest),
        messages: manifest.load.messages,
    })
}

/// The models that are not shipped, as the plan has them.
fn models(manifest: &Manifest) -> anyhow::Result<Vec<OwnModel>> {
    let models = manifest.models.iter().map(|model| {
        let read = model.read.as_ref();
        let read = read.with_context(|| format!("the template {} was not read", model.source))?;
        Ok(OwnModel {
            id: read.model.id.clone(),
            document: read.document.clone(),
        })
    });
    models.collect()
}

/// What the devices of a group are.
///
/// # Errors
///
/// Its model can't behave as the manifest has it, or is a template that was not read yet.
pub(crate) fn blueprint(manifest: &Manifest, group: &Group) -> anyhow::Result<Blueprint> {
    let own = match group.model {
        Model::Own(index) => manifest.models.get(usize::from(index)),
        _ => return Ok(Blueprint::shipped(group.model, &group.room)),
    };
    let own = own.context("the model of a group is not in its manifest")?;
    let read = own.read.as_ref();
    let read = read.with_context(|| format!("the template {} was not read", own.source))?;
    Blueprint::own(&read.model, &group.behaviours).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!("group {}: {}", group.name, problems.join("; "))
    })
}

/// Where the devices' connections begin, each address once.
pub(crate) fn source_addresses(manifest: &Manifest) -> Vec<IpAddr> {
    let all: BTreeSet<_> = manifest
        .load
        .source_addresses
        .iter()
        .flat_map(Addresses::each)
        .collect();
    all.into_iter().collect()
}

fn profiles(written: &[Profile], telemetry: &crate::manifest::types::Telemetry) -> Vec<plan::Profile> {
    let usual = (telemetry.interval, telemetry.jitter);
    written.iter().map(|profile| profile.in_plan(usual)).collect()
}

fn telemetry(written: &crate::manifest::types::Telemetry) -> Telemetry {
    Telemetry {
        interval_ms: written.interval.millis(),
        jitter: written.jitter,
    }
}

/// The start to the millisecond: unique on one machine, and readable as a time.
pub(crate) fn run_id(now: Timestamp) -> String {
    format!("{}{:03}", now.strftime("%Y%m%dT%H%M%S"), now.subsec_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_has_as_many_processes_as_its_file_handles_ask_for() {
        for (devices, allowed, processes) in [
            (10, Some(20_000), 2),
            (30_000, Some(20_000), 2),
            (36_000, Some(20_000), 3),
            (100_000, Some(20_000), 6),
            (100_000, None, 2),
            (62, Some(84), 4),
            // Not even one device; what is checked before a run says so.
            (1_000_000, Some(64), 256),
        ] {
            assert_eq!(enough(devices, allowed), processes, "{devices} {allowed:?}");
        }
    }
}
