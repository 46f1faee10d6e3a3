//! What this machine has, beside what a run needs of it.

use fleet_report::plan::PlanSummary;
use fleet_report::report::Environment;
use fleet_report::words::counted;
use jiff::Timestamp;

use super::finding::{Area, Finding, Verdict};
use crate::manifest::Manifest;
use crate::manifest::types::Target;
use crate::prepare::{plan, pre_flight};
use crate::run::environment;

/// The range of local ports that the system gives out, on Linux.
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Looks at this machine; with a manifest and its plan, whether that is enough.
pub(super) fn findings(run: Option<(&Manifest, &PlanSummary)>, now: Timestamp) -> Vec<Finding> {
    let here = environment::here();
    let summary = run.map(|(_, summary)| summary);
    let mut findings = vec![
        Finding::good(
            Area::Machine,
            "system",
            format!("{}, {}", here.os, counted(here.cores, "core", "cores")),
        ),
        file_handles(&here, summary, run.map(|(manifest, _)| manifest)),
        memory(here.memory_bytes, summary.map(|summary| summary.machine.memory_bytes)),
    ];
    let range = std::fs::read_to_string(PORT_RANGE).ok();
    if let Some(range) = range.as_deref().and_then(port_range) {
        let addresses = run.map_or(1, |(manifest, _)| plan::source_addresses(manifest).len().max(1));
        let needed = run.map(|(manifest, summary)| match manifest.target {
            // The hubs of IoT Central are many, and each has the whole range.
            Target::IotCentral(_) => 0,
            Target::Dps(_) | Target::Emulator(_) => summary.machine.ports,
        });
        findings.push(local_ports(range, addresses, needed));
    }
    if let Some((manifest, _)) = run {
        let sources = plan::source_addresses(manifest);
        if let Err(error) = pre_flight::source_addresses(&sources) {
            findings.push(broken("source addresses", &error));
        }
        if let Target::Emulator(target) = &manifest.target
            && let Some(port) = target.port
        {
            findings.push(match pre_flight::port(port) {
                Ok(()) => Finding::good(Area::Machine, format!("port {port}"), "free for the emulator"),
                Err(error) => broken(&format!("port {port}"), &error),
            });
        }
    }
    findings.push(Finding::good(
        Area::Machine,
        "clock",
        format!("{now:.0}; compared with the application's where there is one"),
    ));
    findings
}

fn broken(subject: &str, error: &impl std::fmt::Display) -> Finding {
    Finding::of_error(Area::Machine, subject, Verdict::Broken, error)
}

fn file_handles(here: &Environment, summary: Option<&PlanSummary>, manifest: Option<&Manifest>) -> Finding {
    const SUBJECT: &str = "file handles";
    let (Some(summary), Some(manifest)) = (summary, manifest) else {
        return Finding::good(Area::Machine, SUBJECT, format!("{} allowed now", here.nofile));
    };
    let with_emulator = matches!(manifest.target, Target::Emulator(_));
    match pre_flight::file_handles(summary.devices, summary.machine.processes, with_emulator) {
        Ok(()) => Finding::good(
            Area::Machine,
            SUBJECT,
            format!("{} needed, which are allowed", summary.machine.file_handles),
        ),
        Err(error) => broken(SUBJECT, &error),
    }
}

fn memory(there: u64, needed: Option<u64>) -> Finding {
    const SUBJECT: &str = "memory";
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let Some(needed) = needed else {
        return Finding::good(Area::Machine, SUBJECT, format!("{} MiB", mib(there)));
    };
    let words = format!("{} MiB needed, about, of {} MiB", mib(needed), mib(there));
    if needed <= there {
        return Finding::good(Area::Machine, SUBJECT, words);
    }
    Finding::new(Area::Machine, SUBJECT, Verdict::Warning, words)
        .remedy("simulate fewer devices, or let further machines simulate a part: docs/scale-out.md")
}

/// The first and the last port, both given out.
fn port_range(text: &str) -> Option<u32> {
    let mut ports = text.split_whitespace().map(str::parse::<u32>);
    let (first, last) = (ports.next()?.ok()?, ports.next()?.ok()?);
    Some(last.checked_sub(first)? + 1)
}

fn local_ports(range: u32, addresses: usize, needed: Option<u32>) -> Finding {
    const SUBJECT: &str = "local ports";
    let there = u64::from(range) * u64::try_from(addresses).unwrap_or(u64::MAX);
    let words = match addresses {
        1 => format!("{range} to each server"),
        _ => format!("{there} to each server, from {addresses} addresses of this machine"),
    };
    match needed.filter(|needed| *needed > 0) {
        None => Finding::good(Area::Machine, SUBJECT, words),
        Some(needed) if u64::from(needed) <= there => {
            Finding::good(Area::Machine, SUBJECT, format!("{needed} needed of {words}"))
        }
        Some(needed) => {
            let words = format!("{needed} needed, and there are {words}");
            Finding::new(Area::Machine, SUBJECT, Verdict::Broken, words).remedy(format!(
                "name {} addresses of this machine as `load.source_addresses`, widen net.ipv4.ip_local_port_range, or let \
                 further machines simulate a part: docs/scale-out.md",
                needed.div_ceil(range.max(1))
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_counted_for_each_address() {
        let range = port_range("32768\t60999\n").unwrap();
        assert_eq!(range, 28_232);
        assert_eq!(port_range("60999 32768"), None);
        assert_eq!(local_ports(range, 1, Some(28_232)).verdict, Verdict::Good);
        let few = local_ports(range, 1, Some(28_233));
        assert_eq!(few.verdict, Verdict::Broken);
        assert!(few.remedy.unwrap().starts_with("name 2 addresses"));
        assert_eq!(local_ports(range, 2, Some(28_233)).verdict, Verdict::Good);
        assert_eq!(local_ports(range, 1, None).words, "28232 to each server");
    }

    #[test]
    fn memory_that_is_not_there_is_a_warning() {
        let gib = 1 << 30;
        assert_eq!(memory(gib, Some(gib)).verdict, Verdict::Good);
        let few = memory(gib, Some(gib + 1));
        assert_eq!(
            (few.verdict, few.words.as_str()),
            (Verdict::Warning, "1025 MiB needed, about, of 1024 MiB")
        );
    }
}
