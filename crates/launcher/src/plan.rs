//! `fleet plan`: what a manifest asks for, what the target's quotas allow of it, and how long it will take. Starts nothing.

pub mod preview;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use fleet_protocol::plan::profile::ends;
use fleet_protocol::plan::{Devices, Fault, Group, Model, Plan, Target as PlanTarget, fault};
use fleet_report::plan::{PlanSummary, Prices, text as plan_text};
use fleet_report::words::counted;
use iot_protocol::id::IdScope;
use iot_protocol::shown;
use jiff::{SignedDuration, Timestamp};
use settings::Span;

use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::fault_forms::Bandwidth;
use crate::manifest::types::Target;
use crate::manifest::values::{Processes, ValidityPeriod};
use crate::prepare::edge::Gateways;
use crate::prepare::{plan, target};

/// The plan in words.
///
/// # Errors
///
/// The current folder can't be read.
pub fn describe(manifest: &Manifest, summary: &PlanSummary) -> anyhow::Result<String> {
    let groups = plan::groups(manifest)?;
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = write_all(&mut text, manifest, &groups, summary);
    Ok(text)
}

/// The plan as a report has it.
///
/// # Errors
///
/// Never, as long as its numbers are finite.
pub fn summary_json(summary: &PlanSummary) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(summary)? + "\n")
}

/// `--quota NAME` as `--set` would write it: a preset, or a file where the command is typed.
#[must_use]
pub fn named_quota(name: &str) -> String {
    let here = std::path::absolute(name).ok().filter(|path| path.is_file());
    let is_preset = name == "off" || quotas::presets::names().any(|preset| preset == name);
    let name = match here {
        Some(path) if !is_preset => path.to_string_lossy().into_owned(),
        _ => name.to_owned(),
    };
    format!("target.quota={}", toml::Value::String(name))
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
            None => Err(Failure::refused(
                anyhow!("the plan needs the id scope, which only `fleet run` finds out by REST")
                    .hint("set `target.id_scope`"),
            )),
        },
        Target::Emulator(_) => Err(Failure::refused(
            anyhow!("the plan needs the address of the emulator, which is only known when `fleet run` has started it")
                .hint("start `fleet emulator`, and describe it as a target of kind `iot-central` or `dps`"),
        )),
    }
}

fn write_all(text: &mut String, manifest: &Manifest, groups: &[Group], summary: &PlanSummary) -> std::fmt::Result {
    writeln!(
        text,
        "{}: {}, {}",
        manifest.fleet.name,
        counted(summary.devices, "device", "devices"),
        target_words(&manifest.target)
    )?;
    if summary.negative > 0 {
        writeln!(
            text,
            "  and {} that must be refused",
            counted(summary.negative, "device", "devices")
        )?;
    }
    writeln!(text, "\nDevices")?;
    for group in groups {
        let telemetry = Span(std::time::Duration::from_millis(group.telemetry.interval_ms));
        let does = match group.model {
            _ if group.expect.is_some() => group
                .expect
                .iter()
                .map(|expect| format!("must be refused ({expect})"))
                .collect(),
            Model::EdgeIdentity => "IoT Edge, no telemetry".to_owned(),
            _ if !group.profiles.is_empty() => counted(group.profiles.len(), "profile", "profiles"),
            Model::Thermostat | Model::TemperatureController => format!("telemetry every {telemetry}"),
            Model::Own(index) => {
                let model = manifest.models.get(usize::from(index));
                let source = model.map_or("", |model| model.source.as_str());
                format!("{source}, telemetry every {telemetry}")
            }
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
        profiles(text, group)?;
        faults(text, group)?;
    }
    for note in manifest
        .models
        .iter()
        .filter_map(|model| model.read.as_ref())
        .flat_map(|read| &read.notes)
    {
        writeln!(text, "  note: {note}")?;
    }
    let why = match manifest.load.processes {
        Processes::Auto if summary.machine.processes > Processes::USUALLY => ", as file handles ask for",
        _ => "",
    };
    writeln!(
        text,
        "  in {}{why}",
        counted(summary.machine.processes, "process", "processes")
    )?;
    for group in &manifest.group {
        if let Some(wrong) = group.certificate {
            writeln!(text, "  group {}: {}, on purpose", group.id, wrong.words())?;
        }
    }
    for group in manifest.group.iter().filter(|group| group.is_enrolled()) {
        writeln!(
            text,
            "  enrollment group {}: leaves signed by the {}, the {} is enrolled",
            group.id, group.issuer, group.enroll
        )?;
    }

    let load = &manifest.load;
    let stages: Vec<_> = load.stages.iter().map(ToString::to_string).collect();
    writeln!(text, "\nLoad")?;
    writeln!(
        text,
        "  register  at {}, which takes {}",
        load.register_rate,
        Span::seconds(summary.register_s)
    )?;
    writeln!(text, "  connect   at {}", load.connect_rate)?;
    writeln!(text, "  stages    {}", stages.join(", "))?;
    if let Some(messages) = load.messages {
        writeln!(text, "  messages  {messages}, and then the run ends")?;
    }
    for (index, event) in manifest.event.iter().enumerate() {
        let lasts = event.lasts().map(|lasts| format!(" for {lasts}")).unwrap_or_default();
        writeln!(text, "  event.{index}   {}{lasts} {}", event.word(), event.when())?;
    }
    text.push_str(&plan_text::lengths(summary));
    text.push_str(&plan_text::sections(summary));
    writeln!(text, "\nFiles")?;
    writeln!(text, "  certificates  {}", shown::path(&manifest.fleet.certs))?;
    writeln!(text, "  state         {}", shown::path(&manifest.fleet.state))
}

fn profiles(text: &mut String, group: &Group) -> std::fmt::Result {
    let mut begin = 0;
    for (profile, end) in group.profiles.iter().zip(ends(&group.profiles, group.devices.count())) {
        let every = Span(std::time::Duration::from_millis(profile.telemetry.interval_ms));
        let does = match profile.burst {
            1 => format!("telemetry every {every}"),
            burst => format!("{burst} messages at once every {every}"),
        };
        writeln!(text, "    {:<14} {:>8}  {does}", profile.name, end - begin)?;
        begin = end;
    }
    Ok(())
}

/// The faults of a group, each with the number of devices that have it.
fn faults(text: &mut String, group: &Group) -> std::fmt::Result {
    let places = fault::places(&group.faults, group.devices.count());
    for (fault, places) in group.faults.iter().zip(places) {
        let words = fault_words(&fault.fault);
        writeln!(
            text,
            "    {:<14} {:>8}  on purpose{words}",
            fault.fault.word(),
            places.end - places.start
        )?;
    }
    Ok(())
}

fn fault_words(fault: &Fault) -> String {
    let span = |millis: u64| Span(std::time::Duration::from_millis(millis));
    match *fault {
        Fault::Slow {
            latency_ms,
            bytes_per_s,
        } => {
            let latency = (latency_ms > 0).then(|| format!(": {} each way", span(latency_ms)));
            let bandwidth = bytes_per_s.map(|bytes| format!(", {} at most", Bandwidth(bytes)));
            [latency, bandwidth].into_iter().flatten().collect()
        }
        Fault::Stalled { every_ms, for_ms } => format!(": {} in each {}", span(for_ms), span(every_ms)),
        Fault::Cut { every_ms } => format!(": once in {} on average", span(every_ms)),
        Fault::Clock { ahead_s } => {
            let way = if ahead_s < 0 { "behind" } else { "ahead" };
            format!(": {} {way}", ValidityPeriod(SignedDuration::from_secs(ahead_s).abs()))
        }
    }
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

/// The prices in a file.
///
/// # Errors
///
/// It can't be read, or something in it is wrong; then all of it.
pub(crate) fn prices(path: &Path) -> Result<Prices, Failure> {
    let text = std::fs::read_to_string(path).with_context(|| format!("can't read `{}`", shown::path(path)));
    let text = text.map_err(Failure::Refused)?;
    Prices::read(&path.to_string_lossy(), &text).map_err(Failure::refused)
}
