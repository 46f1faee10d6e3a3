//! What a run will ask of its target and of this machine, from the manifest alone, and what the documented limits say to it.
//!
//! Pure arithmetic: the launcher hands in a [`Demand`], and [`PlanSummary`] is what a plan prints and a report keeps.
//!
//! | module | holds |
//! | --- | --- |
//! | [`demand`] | what comes in: groups, stages, rates |
//! | [`profile`] | how many devices are online when, as fast as they may connect |
//! | [`traffic`] | messages, property updates and connections that follow from it |
//! | `events` | the connections that events add, and the messages that they take away |
//! | [`judge`] | the limits, each with what is asked of it |
//! | [`cost`] | what a month of it costs, by a person's own prices |
//! | [`text`] | all of it for a person |

pub mod cost;
pub mod demand;
mod events;
pub mod judge;
pub mod profile;
pub mod text;
pub mod traffic;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::Span;

pub use cost::{Cost, Prices};
pub use demand::{Demand, EventDemand, EventEffect, GroupDemand, Habits, Quota, StageDemand};
pub use judge::{QuotaShare, Verdict};
pub use traffic::Traffic;

use judge::verdict;
use profile::Profile;

/// What a run will ask, and the judgement on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanSummary {
    /// Devices of the manifest that are simulated, and are to be online.
    pub devices: u32,
    /// More devices, which must be refused: they register at the same rate, after the others, and the stages don't wait for
    /// them.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub negative: u64,
    /// The most of them that the stages want online at the same time.
    pub wanted_peak: u32,
    /// Seconds until all devices have registered once, at the smaller of the manifest's rate and of what the target allows.
    pub register_s: u64,
    /// Seconds that the stages take.
    pub stages_s: f64,
    /// Seconds that the run takes: registering, then the stages.
    pub estimate_s: f64,
    /// Seconds from the beginning of the stages until all wanted devices would be online, however short the stages are.
    pub all_online_s: u64,
    /// How many of the wanted devices will have been online when the stages end.
    pub online_at_end: u32,
    /// What the limits say.
    pub verdict: Verdict,
    /// The table of limits; none where no limit is known.
    pub quota: Option<String>,
    /// For how many units of a hub.
    pub units: u32,
    /// Each limit that the run asks something of.
    pub quotas: Vec<QuotaShare>,
    /// What the devices send.
    pub traffic: Traffic,
    /// Hubs that IoT Central needs for the devices that are online at the same time; none for other targets.
    pub hubs: Option<u32>,
    /// What a month of it costs, where prices were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What the run needs of this machine.
    pub machine: Machine,
    /// What will not be as the manifest has it.
    pub warnings: Vec<String>,
    /// What can't be judged.
    pub notes: Vec<String>,
}

/// What a run needs of the machine that simulates its devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Processes that simulate devices.
    pub processes: u32,
    /// File handles of the process that needs most of them.
    pub file_handles: u64,
    /// Local ports, one for each device that is online.
    pub ports: u32,
    /// Memory of all processes.
    pub memory_bytes: u64,
}

/// Resident memory per online device: measured, docs/performance.md and docs/containers.md.
pub const DEVICE_BYTES: u64 = 14 * 1024;
/// The same of a process without any device.
pub const PROCESS_BYTES: u64 = 13 * 1024 * 1024;
/// CPU time of a sim for a message, in microseconds: measured likewise.
pub const MESSAGE_CPU_US: f64 = 65.0;
/// The same to register and connect a device once.
pub const CONNECT_CPU_US: f64 = 1_500.0;
/// Local ports that Linux gives out to one destination (`net.ipv4.ip_local_port_range`).
const PORTS: u32 = 28_232;

/// Works out what a run will ask.
#[must_use]
pub fn plan(demand: &Demand) -> PlanSummary {
    let devices = demand.devices();
    let profile = Profile::of(&demand.stages, f64::from(devices), demand.connect_rate.hertz());
    let traffic = Traffic::of(demand, &profile);
    let quotas = judge::quotas(demand, &traffic);
    let register_s = demand.register_s();
    let stages_s = demand.stages_s();
    let hub_per = demand.quota.as_ref().and_then(Quota::devices_per_hub);
    let mut summary = PlanSummary {
        devices,
        negative: demand.negative.into(),
        wanted_peak: demand.wanted_peak,
        register_s,
        stages_s,
        estimate_s: register_s as f64 + stages_s,
        all_online_s: whole_seconds(profile.all_online_s),
        online_at_end: online_at_end(&profile, demand.wanted_peak),
        verdict: verdict(demand.quota.is_some(), &quotas),
        quota: demand.quota.as_ref().map(|quota| quota.limits.name.clone()),
        units: demand.quota.as_ref().map_or(1, |quota| quota.units),
        quotas,
        traffic,
        hubs: hub_per.map(|per| (f64::from(demand.wanted_peak) / per).ceil().max(1.0) as u32),
        cost: None,
        machine: machine(demand),
        warnings: Vec::new(),
        notes: notes(demand),
    };
    summary.warnings = warnings(demand, &summary);
    summary
}

/// The first connection needs no waiting, and rounding is no shortage.
fn online_at_end(profile: &Profile, wanted: u32) -> u32 {
    ((profile.most + 1.0).floor() as u32).min(wanted)
}

/// Rounded up, unless floating-point arithmetic alone is beyond the second.
fn whole_seconds(seconds: f64) -> u64 {
    (seconds - 1e-6).ceil().max(0.0) as u64
}

fn machine(demand: &Demand) -> Machine {
    let devices = demand.devices().saturating_add(demand.negative);
    let processes = demand.processes.max(1);
    let most_connections = match demand.with_emulator {
        true => devices,
        false => devices.div_ceil(processes),
    };
    let (sides, more) = if demand.with_emulator { (2, 1) } else { (1, 0) };
    Machine {
        processes,
        file_handles: u64::from(most_connections) + demand.spare_file_handles,
        ports: demand.wanted_peak,
        memory_bytes: u64::from(demand.wanted_peak) * DEVICE_BYTES * sides
            + (u64::from(processes) + more) * PROCESS_BYTES,
    }
}

fn warnings(demand: &Demand, summary: &PlanSummary) -> Vec<String> {
    let mut warnings = Vec::new();
    let wanted = summary.wanted_peak;
    if let Some((quota, allowed)) = demand.registrations() {
        let times = demand.register_rate.hertz() / allowed.hertz();
        if times > 1.0 + 1e-9 {
            warnings.push(format!(
                "register at {} asks for {} times what {} allows ({allowed}): registering takes about {}",
                demand.register_rate,
                (times * 10.0).round() / 10.0,
                quota.limits.name,
                Span::seconds(summary.register_s)
            ));
        }
    }
    if summary.online_at_end < wanted {
        warnings.push(format!(
            "connect at {} is too slow for the stages: {} of {wanted} devices will be online when the stages end; the \
             others fail. All would be online {} after the stages begin",
            demand.connect_rate,
            summary.online_at_end,
            Span::seconds(summary.all_online_s)
        ));
    }
    warnings.extend(too_few_file_handles(demand, &summary.machine));
    let ports = PORTS.saturating_mul(demand.source_addresses);
    warnings.extend(events::warnings(demand));
    if let Some(messages) = demand
        .messages
        .filter(|messages| summary.traffic.run_messages < *messages)
    {
        warnings.push(format!(
            "load.messages is {messages}, and about {} will be due before the stages are over",
            summary.traffic.run_messages
        ));
    }
    if wanted > ports && !demand.several_hubs {
        warnings.push(format!(
            "{wanted} devices need as many local ports, and Linux has {PORTS} for each pair of an address of this machine \
             and a server: name {} of them as `load.source_addresses`, or let other machines simulate a part",
            wanted.div_ceil(PORTS)
        ));
    }
    warnings
}

/// What the run will be refused for, where a process may not open as many files as it needs.
fn too_few_file_handles(demand: &Demand, machine: &Machine) -> Option<String> {
    let (needed, processes) = (machine.file_handles, machine.processes);
    let allowed = demand.file_handles_allowed.filter(|allowed| *allowed < needed)?;
    Some(if demand.with_emulator {
        format!(
            "the emulator of a run is one process, which holds a connection of each device: it needs {needed} file handles \
             and may open {allowed} here, so the run will not start. One emulator holds {} devices: raise the limit, or start \
             several with `fleet emulator`, and a run for each",
            allowed.saturating_sub(demand.spare_file_handles)
        )
    } else {
        format!(
            "the largest of {processes} processes needs {needed} file handles and may open {allowed} here, so the run will \
             not start: raise the limit, or share the fleet among more, as `processes = \"auto\"` in [load] does"
        )
    })
}

fn notes(demand: &Demand) -> Vec<String> {
    let Some(quota) = &demand.quota else {
        return vec![
            "no quota is named, so nothing can be judged: --quota hub-s1, or [target] quota = \"hub-s1\"".to_owned(),
        ];
    };
    if quota.limits.judges_hub() {
        return Vec::new();
    }
    vec![format!(
        "{} has no limits of the hub, so its load can't be judged: --quota hub-s1, or [target] quota = \"hub-s1\"",
        quota.limits.name
    )]
}

#[cfg(test)]
mod tests;
