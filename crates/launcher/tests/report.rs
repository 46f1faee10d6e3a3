//! The summary and `report.json` of a run, from lines that device-sim processes could have written.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

use std::collections::BTreeMap;
use std::path::Path;

use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{Line, Phase};
use fleet_report::measurements::Measurements;
use fleet_report::report::{Circumstances, EndReason, Environment, Losses, Report, Run};
use fleet_report::summary::summary;
use fleet_report::thresholds::{Marks, Second, Stage};
use fleet_report::totals::Received;

const MANIFEST: &str = r#"
[fleet]
name = "demo"

[target]
kind = "iot-central"
app = "https://contoso.azureiotcentral.com"
api_token = { env = "IOTC_API_TOKEN" }

[[group]]
id = "thermostats"
devices = { prefix = "thermo-", count = 10 }
"#;

/// Two processes; the first reports twice, as it does every second.
fn lines() -> [(usize, String); 3] {
    let stats = |counters: &str, histograms: &[(&str, &[u64])]| {
        let histograms: BTreeMap<_, _> = histograms
            .iter()
            .map(|(name, values)| (*name, encoded(values)))
            .collect();
        let histograms = serde_json::to_string(&histograms).unwrap();
        format!(
            r#"{{"type":"stats","seq":0,"t":1.0,"counters":{{{counters}}},"states":{{"online":4}},"histograms":{histograms},
               "unfinished":{{"publish/thermostats":{{"count":2,"oldest_ms":13245}},"connect/thermostats":{{"count":1,"oldest_ms":800}}}}}}"#
        )
    };
    [
        (
            0,
            stats(
                r#""devices_asked":5,"devices_registered":3"#,
                &[("register/thermostats", &[3_010_000, 3_020_000, 3_400_000])],
            ),
        ),
        (
            0,
            stats(
                r#""devices_asked":5,"devices_registered":5,"devices_assignment_reused":1,"devices_connected":5,
                   "devices_wanted":5,"clipped/register":1,
                   "telemetry_offered":70,"telemetry_sent":68,"telemetry_acked":66,"telemetry_resent":2,
                   "telemetry_dropped/outbox_full":4,"ticks_missed":1,"reconnects/connection_lost":1"#,
                &[
                    ("register/thermostats", &[3_050_000, 9_000_000]),
                    ("connect/thermostats", &[2_100, 2_200, 2_300, 2_400, 250_000]),
                    ("publish/thermostats", &[900; 66]),
                ],
            ),
        ),
        (
            1,
            stats(
                r#""devices_asked":5,"devices_registered":4,"devices_wanted":5,"devices_connected":4,"devices_failed/dps_unauthorized":1,
                   "register_failed/dps_unauthorized":3,"telemetry_offered":52,"telemetry_sent":52,"telemetry_acked":52"#,
                &[
                    ("register/thermostats", &[3_010_000; 4]),
                    ("connect/thermostats", &[2_000; 4]),
                    ("publish/thermostats", &[1_100; 52]),
                ],
            ),
        ),
    ]
}

fn encoded(values: &[u64]) -> String {
    let mut histogram = Phase::histogram();
    for value in values {
        histogram.record(*value).unwrap();
    }
    Encoder::default().encode(&histogram)
}

fn report(losses: Losses, failures: &[&str], received: Option<Received>) -> Report {
    let manifest = launcher::manifest::parse("fleet.toml", MANIFEST, Path::new("/fleets"), &[]).unwrap();
    let mut measurements = Measurements::new(2, &[]);
    for (at_s, (process, line)) in (1..).zip(lines()) {
        let Line::Stats(stats) = serde_json::from_str(&line).unwrap() else {
            panic!("not a stats line: {line}");
        };
        let at = u32::try_from(at_s).unwrap();
        measurements.line(process, stats.into(), f64::from(at));
        let stage = Some(Stage {
            number: at,
            held: at > 1,
        });
        measurements.second(Second { at_s, stage });
    }
    let run = Run {
        id: "20261124T020000000".to_owned(),
        started: Some("2026-11-24T02:00:00Z".parse().unwrap()),
        ended: Some("2026-11-24T02:00:41.5Z".parse().unwrap()),
        duration_s: Some(41.5),
        time_to_online_s: Some(1.5),
        end_reason: Some(EndReason::StagesOver),
        failures: failures.iter().map(|&failure| failure.to_owned()).collect(),
        command: Some("fleet run fleet.toml".to_owned()),
    };
    let circumstances = Circumstances {
        run,
        t0: Some("2026-11-24T02:00:03Z".parse().unwrap()),
        environment: Some(Environment {
            os: "Linux 6.1".to_owned(),
            cores: 2,
            memory_bytes: 8 << 30,
            nofile: 20_000,
            hosts: vec!["bench".to_owned()],
        }),
        manifest: Some(serde_json::to_value(manifest).unwrap()),
        asked: 10,
        losses,
        target: received,
        ..Circumstances::default()
    };
    let mut report = Report::new(circumstances, &measurements);
    report.exit = 1;
    report.tool.version = "0.0.0".to_owned();
    report.tool.target = "x86_64-linux".to_owned();
    report.advise(|reason| (reason == "dps_unauthorized").then(|| "enroll its CA".to_owned()));
    report
}

#[test]
fn the_summary_says_it_all_in_figures() {
    let received = Received {
        received: 121,
        received_unique: 118,
    };
    insta::assert_snapshot!(summary(&report(Losses::default(), &[], Some(received)), Marks::Ascii));
}

#[test]
fn the_report_has_its_documented_shape() {
    let report = report(Losses::default(), &[], None);
    insta::assert_json_snapshot!(report);
}

#[test]
fn what_a_process_took_with_it_is_in_the_verdict_and_in_the_account() {
    let losses = Losses {
        wanted: 1,
        failed: 2,
        unreported: 20,
    };
    let report = report(losses, &["device-sim 1/2 died: signal: 9 (SIGKILL)"], None);
    assert_eq!((report.devices.wanted, report.devices.failed), (11, 3));
    let words = summary(&report, Marks::Ascii);
    let (head, _) = words.split_once("\n\nLatency").unwrap();
    insta::assert_snapshot!(head);
}

#[test]
fn a_report_is_written_whole_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("made/for/it");
    let report = report(Losses::default(), &[], None);
    let written = launcher::keep::write(&report, &inner);
    let names: Vec<_> = written
        .into_iter()
        .map(|path| path.unwrap().file_name().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["report.json", "report.html", "summary.txt", "summary.md", "junit.xml"]
    );
    assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 5);
    let text = std::fs::read(inner.join("report.json")).unwrap();
    assert_eq!(Report::read(&text).unwrap(), report);
    // Everything that is printed of a run can be printed of its report.
    let summary_then = std::fs::read_to_string(inner.join("summary.txt")).unwrap();
    assert_eq!(summary(&Report::read(&text).unwrap(), Marks::Ascii), summary_then);
}

#[test]
fn the_report_as_markdown_and_as_test_results() {
    let losses = Losses {
        wanted: 1,
        failed: 2,
        unreported: 20,
    };
    let report = report(losses, &["device-sim 1/2 died: signal: 9 (SIGKILL)"], None);
    insta::assert_snapshot!("markdown", fleet_report::markdown::markdown(&report));
    insta::assert_snapshot!("junit", fleet_report::junit::junit(&report));
}

#[test]
fn the_committed_schema_is_the_one_of_this_build() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/report.schema.json");
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Report)).unwrap() + "\n";
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if committed != schema {
        let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.schema.json");
        std::fs::write(&beside, &schema).unwrap();
        panic!(
            "configs/report.schema.json is not what this build writes; copy {} over it",
            beside.display()
        );
    }
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let report = serde_json::to_value(report(Losses::default(), &[], None)).unwrap();
    let errors: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
