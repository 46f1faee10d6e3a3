//! `fleet report merge`, from files that processes of `fleet sim` could have written.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{EndReason, Phase, ProcessStats, Stats};
use fleet_report::generator::{Fitness, Generator, GeneratorMeter};
use fleet_report::merge::{Tally, merge};
use fleet_report::record::{RECORD_VERSION, Record};
use fleet_report::report::Report;
use fleet_report::summary::summary;
use fleet_report::thresholds::Marks;

/// A process that was late in shard 1 only.
fn generator(index: u32) -> Generator {
    let mut meter = GeneratorMeter::default();
    let mut lag = Phase::histogram();
    lag.record_n(if index == 1 { 60_000 } else { 2_000 }, 100).unwrap();
    let stats = ProcessStats {
        host: format!("pod-{index}"),
        cores: 2,
        cpu_s: 1.0,
        rss_bytes: 50 << 20,
        ..ProcessStats::default()
    };
    meter.line(index, 10.0, &stats, Some(&lag));
    meter.generator().unwrap()
}

#[test]
fn a_shard_that_was_late_is_the_bottleneck_of_the_whole_run() {
    let stopped = Some(EndReason::Stopped);
    let report = merge(
        (0..3)
            .map(|index| record(index, 1, stopped, &telemetry(1, 1, 0)))
            .collect(),
    )
    .unwrap();
    let generator = report.generator.unwrap();
    let verdicts: Vec<_> = generator
        .shards
        .iter()
        .map(|shard| (shard.shard, shard.verdict))
        .collect();
    assert_eq!(
        verdicts,
        [(0, Fitness::Fit), (1, Fitness::Bottleneck), (2, Fitness::Fit)]
    );
    assert_eq!((generator.verdict, generator.cores), (Fitness::Bottleneck, 6));
    // One second of two cores in ten, on each host; and the lag of all three.
    assert!((generator.cpu - 0.05).abs() < 1e-9, "{generator:?}");
    assert!(generator.lag_p99_s.is_some_and(|lag| lag > 0.05), "{generator:?}");
}

fn record(index: u32, incarnation: u32, ended: Option<EndReason>, counters: &[(&str, u64)]) -> Record {
    let mut histogram = Phase::histogram();
    // Each process measured one connection of so many milliseconds as its shard's number, and one.
    histogram.record(u64::from(index + 1) * 1_000).unwrap();
    Record {
        version: RECORD_VERSION,
        run_id: "20261124T020000000".to_owned(),
        index,
        count: NonZeroU32::new(3).unwrap(),
        incarnation: NonZeroU32::new(incarnation).unwrap(),
        fleet_devices: 30,
        began: Some("2026-11-24T02:00:00Z".parse().unwrap()),
        written: Some("2026-11-24T02:00:41.5Z".parse().unwrap()),
        last_second: 20,
        ended,
        generator: Some(generator(index)),
        stats: Stats {
            counters: counters
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
            histograms: BTreeMap::from([("connect/thermostats".to_owned(), Encoder::default().encode(&histogram))]),
            ..Stats::default()
        },
    }
}

fn telemetry(offered: u64, acked: u64, dropped: u64) -> [(&'static str, u64); 6] {
    [
        ("devices_registered", 10),
        ("devices_wanted", 10),
        ("devices_connected", 10),
        ("telemetry_offered", offered),
        ("telemetry_acked", acked),
        ("telemetry_dropped/stopped", dropped),
    ]
}

#[test]
fn a_shard_that_moved_is_summed_in_its_messages_and_counted_once_in_its_devices() {
    let stopped = Some(EndReason::Stopped);
    let mut report = merge(vec![
        record(1, 2, stopped, &telemetry(50, 49, 1)),
        record(0, 1, stopped, &telemetry(100, 98, 2)),
        record(1, 1, None, &telemetry(100, 93, 0)),
        record(2, 1, Some(EndReason::StagesOver), &telemetry(10, 10, 0)),
    ])
    .unwrap();
    assert_eq!((report.devices.asked, report.devices.registered), (30, 30));
    assert_eq!((report.devices.connected, report.devices.failed), (30, 0));
    assert_eq!((report.telemetry.offered, report.telemetry.acked), (260, 250));
    let merged = report.merged.as_ref().unwrap();
    assert_eq!((merged.shards, merged.processes), (3, 4));
    assert_eq!((&merged.missing, &merged.open), (&vec![], &vec![]));
    assert_eq!(merged.telemetry_lost, 7);
    assert_eq!(report.latency["connect"].all.count, 4);
    assert_eq!(report.exit, 0);
    assert_eq!(report.telemetry.unreported, 20, "of the one that was killed");
    report.tool.version = "0.0.0".to_owned();
    report.tool.target = "x86_64-linux".to_owned();
    insta::assert_snapshot!(summary(&report, Marks::Ascii));
}

#[test]
fn what_is_missing_or_has_no_end_is_named_and_the_exit_code_says_so() {
    let report = merge(vec![
        record(0, 1, Some(EndReason::Stopped), &telemetry(10, 10, 0)),
        record(2, 1, None, &telemetry(10, 8, 0)),
    ])
    .unwrap();
    let merged = report.merged.as_ref().unwrap();
    assert_eq!((&merged.missing, &merged.open), (&vec![1], &vec![2]));
    assert_eq!(report.exit, 1);
    let words = summary(&report, Marks::Ascii);
    assert!(words.contains("nothing of shard 1\n  no end of shard 2\n"), "{words}");
    // However many are missing, they take no more than a line.
    let mut first = record(0, 1, Some(EndReason::Stopped), &telemetry(1, 1, 0));
    first.count = NonZeroU32::new(1_000_000).unwrap();
    let words = summary(&merge(vec![first]).unwrap(), Marks::Ascii);
    assert!(words.contains("nothing of shard 1 to 999999\n"), "{}", words.len());
    assert!(words.len() < 10_000, "{}", words.len());
    // Only that nothing is missing makes it well.
    let whole = (0..3).map(|index| record(index, 1, Some(EndReason::Stopped), &telemetry(1, 1, 0)));
    assert_eq!(merge(whole.collect()).unwrap().exit, 0);
}

#[test]
fn a_device_that_failed_in_the_shards_last_process_makes_the_report_fail() {
    let mut failed = record(1, 2, Some(EndReason::Stopped), &telemetry(1, 1, 0));
    failed
        .stats
        .counters
        .insert("devices_failed/dps_disabled".to_owned(), 2);
    failed.stats.counters.insert("devices_connected".to_owned(), 8);
    let mut healed = record(0, 1, None, &telemetry(1, 1, 0));
    healed.stats.counters.insert("devices_failed/tcp_refused".to_owned(), 5);
    let stopped = Some(EndReason::Stopped);
    let report = merge(vec![
        healed,
        record(0, 2, stopped, &telemetry(1, 1, 0)),
        record(1, 1, None, &[("devices_wanted", 7)]),
        failed,
        record(2, 1, stopped, &telemetry(1, 1, 0)),
    ])
    .unwrap();
    assert_eq!(report.devices.failed, 2);
    assert_eq!(report.exit, 1);
    assert_eq!(report.run.failures, ["2 of 30 wanted devices never came online"]);
    assert_eq!(reasons_of(&report), ["dps_disabled 2"]);
}

/// Why devices failed, each reason with its count.
fn reasons_of(report: &Report) -> Vec<String> {
    let rows = report.errors.iter().filter(|row| row.operation == "devices_failed");
    rows.map(|row| format!("{} {}", row.reason.as_deref().unwrap(), row.count))
        .collect()
}

/// Devices: wanted, connected and failed.
type Judged = [u64; 3];

/// What each process of a shard counted; and what the shard came to, with the reasons.
#[test]
fn the_devices_of_a_shard_are_judged_over_all_its_processes() {
    let cases: [(&[Judged], Judged, &str); 6] = [
        (&[[10, 10, 0]], [10, 10, 0], ""),
        (&[[10, 7, 3]], [10, 7, 3], "r1 3"),
        // The second had hardly begun when it was stopped: its devices had been online in the first.
        (&[[10, 10, 0], [10, 2, 8]], [10, 10, 0], ""),
        (&[[10, 6, 4], [10, 8, 2]], [10, 8, 2], "r2 2"),
        (&[[10, 6, 4], [4, 4, 0]], [10, 6, 4], "r1 4"),
        // Killed: there is no last line with reasons.
        (&[[10, 6, 0]], [10, 6, 4], "process_died 4"),
    ];
    for (processes, [wanted, connected, failed], reasons) in cases {
        let records = (1u32..).zip(processes).map(|(number, &[wanted, connected, failed])| {
            let reason = format!("devices_failed/r{number}");
            let counters = [
                ("devices_wanted", wanted),
                ("devices_connected", connected),
                (&reason, failed),
            ];
            record(0, number, Some(EndReason::Stopped), &counters)
        });
        let report = merge(records.collect()).unwrap();
        let devices = &report.devices;
        assert_eq!(
            [devices.wanted, devices.connected, devices.failed],
            [wanted, connected, failed],
            "{processes:?}"
        );
        assert_eq!(reasons_of(&report).join(", "), reasons, "{processes:?}");
    }
}

#[test]
fn a_copy_counts_once_and_a_contradiction_is_refused() {
    let one = || record(0, 1, None, &telemetry(10, 9, 0));
    assert_eq!(merge(vec![one(), one()]).unwrap().telemetry.offered, 10);
    let refused = merge(vec![one(), record(0, 1, None, &telemetry(20, 9, 0))]).unwrap_err();
    assert!(refused.to_string().contains("two different files"), "{refused}");
    let stray = merge(vec![one(), record(3, 1, None, &telemetry(10, 9, 0))]).unwrap_err();
    assert_eq!(
        stray.to_string(),
        "a file of run 20261124T020000000 is of shard 3, and the numbers of 3 shards end at 2"
    );
    let mut cut_otherwise = record(1, 1, None, &telemetry(1, 1, 0));
    cut_otherwise.count = NonZeroU32::new(4).unwrap();
    let refused = merge(vec![one(), cut_otherwise]).unwrap_err().to_string();
    assert_eq!(
        refused,
        "run 20261124T020000000 was cut into 3 shards and into 4; those can't be added"
    );
}

/// What `fleet report merge` says of a folder with these records.
fn merged(records: &[Record]) -> (Option<i32>, String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (1..=records.len())
        .map(|number| folder.path().join(format!("{number:010}.json")))
        .collect();
    for (record, path) in records.iter().zip(&paths) {
        std::fs::write(path, serde_json::to_vec(record).unwrap()).unwrap();
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fleet"));
    let output = command.args(["report", "merge"]).arg(folder.path()).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    let paths = paths.iter().map(|path| path.display().to_string());
    (output.status.code(), words, paths.collect())
}

#[test]
fn figures_that_cannot_be_are_refused_with_their_file() {
    let good = |index| record(index, 1, Some(EndReason::Stopped), &telemetry(10, 10, 0));
    assert_eq!(merged(&[good(0), good(1), good(2)]).0, Some(0));

    // Each fits, and their sum does not; nor does what is dropped for one reason with what is dropped for another.
    let half = u64::MAX / 2 - 100;
    let many = record(1, 1, Some(EndReason::Stopped), &telemetry(half, 10, 0));
    let dropped = record(2, 1, Some(EndReason::Stopped), &telemetry(10, 10, half));
    let (code, words, paths) = merged(&[good(0), many, dropped]);
    assert_eq!(code, Some(2), "{words}");
    let expected = format!(
        "error: `{}` can't be used: its figures and those of the files before it are too large",
        paths[2]
    );
    assert!(words.starts_with(&expected), "{words}");

    let mut backwards = good(1);
    backwards.stats.t = -1.0;
    let (code, words, paths) = merged(&[good(0), backwards]);
    assert_eq!(code, Some(2), "{words}");
    assert!(
        words.contains(&format!("`{}` can't be used: it says that -1 seconds", paths[1])),
        "{words}"
    );

    let crowd = record(1, 1, Some(EndReason::Stopped), &[("devices_connected", 31)]);
    let (code, words, _) = merged(&[good(0), crowd]);
    assert_eq!(code, Some(2), "{words}");
    assert!(
        words.contains("its `devices_connected` is 31, and the fleet has 30 devices"),
        "{words}"
    );
}

#[test]
fn a_record_of_more_shards_than_any_fleet_has_is_refused() {
    let mut whole = record(1, 7, None, &telemetry(1, 1, 0));
    assert_eq!(Tally::default().take(&whole), Ok(()));
    whole.count = NonZeroU32::MAX;
    let refused = Tally::default().take(&whole).unwrap_err();
    assert_eq!(refused, "it is of 4294967295 shards, and a run has at most 1000000");
}
