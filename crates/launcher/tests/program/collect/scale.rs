//! What a collector costs: 64 sims, each with the figures of 10,000 devices every second. A measurement, for
//! `scripts/bench-collector`; docs/performance.md has the figures.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use fleet_protocol::collect::{Hello, ToCollector};
use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{EndReason, Line, Phase, ProcessStats, State, Stats};

use super::scripted::{Sim, hello, stats};
use crate::support::{Fleet, Running};

const SHARDS: u32 = 64;
const SECONDS: u64 = 30;
/// Of CPU time in a second, as Linux shows it to programs.
const TICKS: f64 = 100.0;
/// Of 10,000 devices with a message in five seconds each.
const MESSAGES: u64 = 2_000;

fn manifest() -> String {
    format!(
        "[fleet]\nname = \"scale\"\n\n[target]\n{}\n\n[[group]]\nid = \"thermostats\"\ndevices = {{ prefix = \"t-\", count = {SHARDS} }}\n\n\
         [load]\nstages = [\"100%@1s\", \"100%@5m\"]\n\n[thresholds]\npublish_duration = [\"p(95) < 2s\"]\ntelemetry_lost = [\"count == 0\"]\n",
        super::DPS
    )
}

/// From 0 to 1 (xorshift), the same in every measurement.
fn random(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

/// What a process writes in a second: real histograms, with times that are spread as those of a network.
fn line(second: u64, chance: &mut u64) -> Line {
    let mut encoder = Encoder::default();
    let mut timed = |values: u64, least: f64| {
        let mut histogram = Phase::histogram();
        for _ in 0..values {
            let spread = random(chance);
            histogram
                .record((least * (1.0 + spread.powi(6) * 80.0)) as u64)
                .unwrap();
        }
        encoder.encode(&histogram)
    };
    let mut figures = stats(second * MESSAGES, &[]);
    let phases = [
        (Phase::Publish, MESSAGES),
        (Phase::PublishSent, MESSAGES),
        (Phase::Report, MESSAGES / 20),
        (Phase::Connect, MESSAGES / 20),
        (Phase::ConnectTcp, MESSAGES / 20),
        (Phase::ConnectTls, MESSAGES / 20),
        (Phase::TwinGet, MESSAGES / 20),
        (Phase::Command, 10),
    ];
    figures.histograms = phases
        .into_iter()
        .map(|(phase, values)| (format!("{}/thermostats", phase.word()), timed(values, 4_000.0)))
        .collect();
    figures.process = Some(ProcessStats {
        host: "host".to_owned(),
        cores: 2,
        cpu_s: second as f64 * 0.4,
        rss_bytes: 150 << 20,
        nofile_used: 10_020,
        nofile_limit: 20_000,
        lag: Some(timed(100, 50.0)),
    });
    Line::Stats(Stats {
        seq: second,
        t: second as f64,
        states: [(State::Online, 10_000)].into(),
        ..figures
    })
}

/// CPU time of a process in seconds, and its resident memory in MiB: now, and the most until now.
fn usage(process: &Running) -> (f64, u64, u64) {
    let folder = Path::new("/proc").join(process.pid().to_string());
    let stat = std::fs::read_to_string(folder.join("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = [11, 12]
        .map(|index: usize| fields[index].parse::<u64>().unwrap())
        .iter()
        .sum();
    let status = std::fs::read_to_string(folder.join("status")).unwrap();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    (ticks as f64 / TICKS, kib("VmRSS:") >> 10, kib("VmHWM:") >> 10)
}

#[test]
#[ignore = "a measurement of half a minute, for scripts/bench-collector"]
fn a_collector_of_64_sims_with_10_000_devices_each_takes_less_than_half_a_core_and_200_mb() {
    let fleet = Fleet::new(&manifest());
    let prepare = [
        "prepare",
        "fleet.toml",
        "--plan=plan.json",
        "--collector=localhost",
        "--shards=64",
    ];
    fleet.fleet(&prepare).expect(0);
    let plan: serde_json::Value = serde_json::from_slice(&std::fs::read(fleet.path("plan.json")).unwrap()).unwrap();
    let run_id = plan["run_id"].as_str().unwrap();
    let collect = [
        "collect",
        "fleet.toml",
        "--plan=plan.json",
        "--shards=64",
        "--listen=0",
        "--report=report",
    ];
    let mut collector = fleet.start(&collect);
    let line_of_address = collector.wait_for("collecting at ");
    let address = line_of_address.rsplit_once(' ').unwrap().1.parse().unwrap();
    let mut sims: Vec<Sim> = (0..SHARDS)
        .map(|index| {
            let hello = Hello {
                count: SHARDS.try_into().unwrap(),
                devices: 1,
                ..hello(run_id, index, index + 1)
            };
            Sim::connect(address, &fleet.path(&format!("collector/sim-{index}-of-64")), hello)
        })
        .collect();
    collector.wait_for("all 64 shards are there");
    let mut chance = 7;
    let lines: Vec<Vec<u8>> = (1..=SECONDS)
        .map(|n| {
            let line = line(n, &mut chance);
            let mut text = serde_json::to_vec(&ToCollector::Line { n, line }).unwrap();
            text.push(b'\n');
            text
        })
        .collect();
    let before = usage(&collector);
    let (_never, second) = mpsc::channel::<()>();
    for line in &lines {
        for sim in &mut sims {
            sim.write(line).unwrap();
        }
        // A line each second, as a process writes them.
        second.recv_timeout(Duration::from_secs(1)).unwrap_err();
    }
    for sim in &mut sims {
        sim.taken(SECONDS);
        sim.goes_on_after(SECONDS);
    }
    let after = usage(&collector);
    for sim in &mut sims {
        sim.end(EndReason::StagesOver);
    }
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(0), "{words}");
    let report = fleet.report();
    assert_eq!(report["telemetry"]["acked"], u64::from(SHARDS) * SECONDS * MESSAGES);
    assert_eq!(
        report["latency"]["publish"]["all"]["count"],
        u64::from(SHARDS) * SECONDS * MESSAGES
    );
    let cores = (after.0 - before.0) / SECONDS as f64;
    let bytes: usize = lines.iter().map(Vec::len).sum::<usize>() / lines.len();
    println!(
        "64 sims, a line of {bytes} bytes each second: {:.0} % of a core, {} MiB resident before, {} MiB after, {} MiB at most",
        cores * 100.0,
        before.1,
        after.1,
        after.2
    );
    assert!(cores < 0.5 && after.2 < 200, "{cores:.2} cores, {} MiB", after.2);
}
