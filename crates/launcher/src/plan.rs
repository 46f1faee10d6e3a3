//! `fleet plan`: what a manifest asks for, what the target's quotas say to it, and how long it will take. Starts nothing.

pub mod preview;

use std::fmt::Write as _;

use anyhow::anyhow;
use fleet_protocol::plan::{Devices, Group, Model, Plan, Target as PlanTarget};
use fleet_report::words::counted;
use iot_protocol::id::IdScope;
use iot_protocol::shown;
use jiff::Timestamp;
use settings::{Rate, Span};

use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::allowance::allowed_registrations;
use crate::manifest::types::Target;
use crate::prepare::edge::Gateways;
use crate::prepare::{pace, plan, target};

/// What a service's documentation allows.
struct Quota {
    what: &'static str,
    asked: f64,
    allowed: f64,
    /// The unit of both.
    per: &'static str,
}

/// The plan in words.
///
/// # Errors
///
/// The current folder can't be read.
pub fn describe(manifest: &Manifest) -> anyhow::Result<String> {
    let groups = plan::groups(manifest)?;
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = write_all(&mut text, manifest, &groups);
    Ok(text)
}

/// The plan as device-sim processes read it.
///
/// # Errors
///
/// Something in it is only known when the run has begun.
pub fn to_json(manifest: &Manifest, now: Timestamp) -> Result<String, Failure> {
    let gateways = Gateways::in_manifest(manifest).map_err(Failure::Refused)?;
    let plan: Plan = plan::plan(manifest, plan_target(manifest)?, &gateways, now)?;
    serde_json::to_string_pretty(&plan)
        .map(|text| text + "\n")
        .map_err(|error| Failure::Failed(error.into()))
}

fn plan_target(manifest: &Manifest) -> Result<PlanTarget, Failure> {
    let of = |id_scope: &IdScope, endpoint| target::plan_target(id_scope.clone(), endpoint).map_err(Failure::Failed);
    match &manifest.target {
        Target::Dps(target) => of(&target.id_scope, &target.endpoint),
        Target::IotCentral(target) => match &target.id_scope {
            Some(id_scope) => of(id_scope, &target.endpoint),
            None => Err(Failure::refused(anyhow!(
                "the plan needs the id scope, which only `fleet run` finds out by REST\nhint: set `target.id_scope`"
            ))),
        },
        Target::Emulator(_) => Err(Failure::refused(anyhow!(
            "the plan needs the address of the emulator, which is only known when `fleet run` has started it\n\
             hint: start `fleet emulator`, and describe it as a target of kind `iot-central` or `dps`"
        ))),
    }
}

fn write_all(text: &mut String, manifest: &Manifest, groups: &[Group]) -> std::fmt::Result {
    let devices = plan::device_count(groups);
    let processes = plan::processes(manifest, groups);
    writeln!(
        text,
        "{}: {}, {}",
        manifest.fleet.name,
        counted(devices, "device", "devices"),
        target_words(&manifest.target)
    )?;
    writeln!(text, "\nDevices")?;
    for group in groups {
        let telemetry = Span(std::time::Duration::from_millis(group.telemetry.interval_ms));
        let does = match group.model {
            Model::EdgeIdentity => "IoT Edge, no telemetry".to_owned(),
            Model::Thermostat | Model::TemperatureController => format!("telemetry every {telemetry}"),
        };
        let behind = group.gateway.as_ref();
        let behind = behind.map(|gateway| format!(", behind {}", gateway.device));
        writeln!(
            text,
            "  {:<16} {:>8}  {}, {does}{}",
            group.name,
            group.devices.count(),
            ids(&group.devices),
            behind.unwrap_or_default()
        )?;
    }
    writeln!(text, "  in {}", counted(processes, "process", "processes"))?;
    for group in &manifest.group {
        writeln!(
            text,
            "  enrollment group {}: leaves signed by the {}, the {} is enrolled",
            group.id,
            group.issuer.word(),
            group.enroll.word()
        )?;
    }

    let load = &manifest.load;
    let stages: Vec<_> = load.stages.iter().map(ToString::to_string).collect();
    let registering = pace::registering(manifest, devices);
    let staged: std::time::Duration = load.stages.iter().map(|stage| stage.over.0).sum();
    writeln!(text, "\nLoad")?;
    writeln!(
        text,
        "  register  at {}, which takes {}",
        load.register_rate,
        Span(registering)
    )?;
    writeln!(text, "  connect   at {}", load.connect_rate)?;
    writeln!(text, "  stages    {}", stages.join(", "))?;
    writeln!(
        text,
        "  takes     about {}: {} registering, then {} of stages",
        Span(registering.saturating_add(staged)),
        Span(registering),
        Span(staged)
    )?;
    for warning in pace::warnings(manifest, devices) {
        writeln!(text, "  warning: {warning}")?;
    }

    let quotas = quotas(manifest, groups, devices);
    if !quotas.is_empty() {
        writeln!(text, "\nQuotas, as documented")?;
    }
    for quota in quotas {
        let verdict = if quota.asked <= quota.allowed * (1.0 + 1e-9) {
            "ok"
        } else {
            "more than allowed"
        };
        writeln!(
            text,
            "  {:<16} {} of {} {}: {verdict}",
            quota.what,
            figure(quota.asked),
            figure(quota.allowed),
            quota.per
        )?;
    }
    writeln!(text, "\nFiles")?;
    writeln!(text, "  certificates  {}", shown::path(&manifest.fleet.certs))?;
    writeln!(text, "  state         {}", shown::path(&manifest.fleet.state))
}

fn target_words(target: &Target) -> String {
    match target {
        Target::Emulator(_) => "against an emulator that `fleet run` starts".to_owned(),
        Target::IotCentral(target) => format!("in the IoT Central application {}", target.app),
        Target::Dps(target) => format!("with DPS, id scope {}", target.id_scope),
    }
}

fn ids(devices: &Devices) -> String {
    match devices {
        Devices::Range(range) if range.count == 1 => range.id(0),
        Devices::Range(range) => format!("{} … {}", range.id(0), range.id(range.count - 1)),
        Devices::Ids(ids) => match ids.as_slice() {
            [only] => only.to_string(),
            [one, two] => format!("{one}, {two}"),
            [first, .., last] => format!("{first} … {last}"),
            [] => "no device".to_owned(),
        },
    }
}

/// <https://learn.microsoft.com/azure/iot-central/core/concepts-quotas-limits> and
/// <https://learn.microsoft.com/azure/iot-dps/about-iot-dps#quotas-and-limits>
fn quotas(manifest: &Manifest, groups: &[Group], devices: u32) -> Vec<Quota> {
    let per_minute = |rate: Rate| rate.hertz() * 60.0;
    let registrations = |allowed| Quota {
        what: "registrations",
        asked: per_minute(manifest.load.register_rate),
        allowed,
        per: "per minute",
    };
    match &manifest.target {
        Target::Emulator(_) | Target::Dps(_) => allowed_registrations(&manifest.target)
            .map(|(_, allowed)| registrations(per_minute(allowed)))
            .into_iter()
            .collect(),
        Target::IotCentral(_) => vec![
            registrations(200.0),
            Quota {
                what: "telemetry",
                asked: messages_per_second(groups),
                allowed: 200.0,
                per: "messages per second and application",
            },
            Quota {
                what: "devices",
                asked: f64::from(devices),
                allowed: 200_000.0,
                per: "per application",
            },
        ],
    }
}

fn messages_per_second(groups: &[Group]) -> f64 {
    let of = |group: &Group| {
        let interval = std::time::Duration::from_millis(group.telemetry.interval_ms);
        f64::from(group.devices.count()) / interval.as_secs_f64()
    };
    let mut groups: Vec<&Group> = groups.iter().collect();
    groups.retain(|group| group.model != Model::EdgeIdentity);
    groups.into_iter().map(of).sum()
}

fn figure(number: f64) -> String {
    format!("{}", (number * 10.0).round() / 10.0)
}
