use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{GroupStats, ProcessStats, Stats};
use fleet_protocol::reason::REASONS;
use fleet_report::labels::Labels;
use fleet_report::measurements::Measurements;
use fleet_report::metric::{Metric as Measured, Unit};
use fleet_report::report::Losses;
use fleet_report::thresholds::{Second, Stage, ThresholdResult, Verdict};

use super::*;
use crate::standing::{Position, Standing};

const STAGE: Option<Stage> = Some(Stage { number: 2, held: true });

/// A line of a process after so many seconds.
fn line(seconds: u64) -> Stats {
    let histogram = |values: &[u64]| {
        let mut histogram = Phase::histogram();
        values.iter().for_each(|value| histogram.saturating_record(*value));
        Encoder::default().encode(&histogram)
    };
    let counters = [
        ("register_failed/dps_throttled", 1),
        ("connect_failed/tcp_refused", 2),
        ("report_failed/400", 1),
        ("reconnects/closed", 3),
        ("reconnects/twin_refused", 1),
        ("telemetry_dropped/too_old", 2),
        ("command_failed/404", 1),
        ("clipped/register", 1),
        (counter::COMMANDS, 4),
        (counter::DPS_THROTTLED, 5),
        (counter::TELEMETRY_OFFERED, 60),
        (counter::TELEMETRY_SENT, 58),
        (counter::TELEMETRY_ACKED, 55),
        (counter::TELEMETRY_RESENT, 6),
        (counter::TICKS_MISSED, 7),
    ];
    let counters = counters.map(|(name, count)| (name.to_owned(), count * seconds));
    let thermostats = GroupStats {
        counters: counters.into_iter().collect(),
        states: BTreeMap::from([(State::Online, 3), (State::BackingOff, 1)]),
        wanted_now: 4,
    };
    let judged = [
        (counter::DEVICES_NEGATIVE, 5),
        ("devices_refused/mqtt_not_authorized", 2),
        ("devices_refused_otherwise/dps_disabled", 1),
        (counter::DEVICES_LET_IN, 1),
    ];
    let strangers = GroupStats {
        counters: judged.map(|(name, count)| (name.to_owned(), count)).into(),
        ..GroupStats::default()
    };
    Stats {
        seq: seconds,
        t: 1.0,
        counters: thermostats.counters.clone(),
        states: thermostats.states.clone(),
        groups: BTreeMap::from([
            ("thermostats".to_owned(), thermostats),
            ("strangers".to_owned(), strangers),
        ]),
        process: Some(ProcessStats {
            host: "host".to_owned(),
            cores: 2,
            lag: Some(histogram(&[900, 1_100, 60_000])),
            ..ProcessStats::default()
        }),
        histograms: BTreeMap::from([
            (
                "register/thermostats".to_owned(),
                histogram(&[40_000, 2_000_000, 700_000_000]),
            ),
            ("connect/thermostats".to_owned(), histogram(&[12_000, 14_000, 14_000])),
            ("report/thermostats".to_owned(), histogram(&[3_000; 10])),
        ]),
        ..Stats::default()
    }
}

/// A run of two processes after some seconds.
fn measurements(seconds: u64) -> Measurements {
    let quotas = serde_json::json!([{
        "id": "central.messages", "what": "messages", "asked": 0.0, "allowed": 200.0, "per": "s", "scope": null,
        "kind": "scales", "refuses": false, "share": 0.0, "source": null, "date": null,
    }]);
    let quotas: Vec<fleet_report::plan::QuotaShare> = serde_json::from_value(quotas).unwrap();
    let mut measurements = Measurements::new(2, &quotas);
    for at_s in 1..=seconds {
        for process in 0..2 {
            measurements.line(process, line(at_s).into(), 1.0);
        }
        measurements.second(Second { at_s, stage: STAGE });
    }
    measurements
}

fn result(expression: &str, over_s: Option<u64>, verdict: Verdict) -> ThresholdResult {
    ThresholdResult {
        metric: Measured::PublishDuration,
        labels: Labels::none(),
        expression: expression.to_owned(),
        over_s,
        actual: None,
        unit: Unit::Seconds,
        verdict,
        first_crossed_s: None,
        worst_at_s: None,
        abort: false,
        allow_empty: false,
        clipped: 0,
    }
}

fn thresholds() -> Vec<ThresholdResult> {
    vec![
        result("p(95) < 500ms", None, Verdict::Passed),
        result("p(95) < 500ms", Some(60), Verdict::Failed),
        result("p(99) < 2s", None, Verdict::NoData),
        // One is under a condition that its labels don't show: with the first, it must not make a second series.
        result("p(95) < 500ms", None, Verdict::Passed),
    ]
}

fn live(measurements: &Measurements) -> Snapshot {
    let position = Position {
        at_s: 2.0,
        stage: STAGE,
        stages_elapsed: None,
        is_paused: false,
        is_ending: false,
    };
    Snapshot::of_run(&Standing {
        words: String::new(),
        position,
        measurements,
        marks: &[],
        thresholds: thresholds(),
        losses: Losses::default(),
        failures: &[],
        time_to_online: None,
    })
}

fn rendered(snapshot: &Snapshot) -> String {
    let about = About {
        run_id: "20261128T080727997".to_owned(),
        target: "emulator".to_owned(),
        groups: BTreeSet::from(["thermostats".to_owned()]),
    };
    let own = OwnProcess {
        cpu_s: 1.25,
        rss_bytes: 42_000_000,
        open_files: 30,
        max_files: 20_000,
        started_s: 1_795_853_247,
    };
    let expiry = BTreeMap::from([("thermostats".to_owned(), 1_827_389_247)]);
    let text = text(&about, snapshot, &expiry, &own).unwrap();
    // The version changes with each release.
    String::from_utf8(text)
        .unwrap()
        .replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

/// The value of each series.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.map(|line| line.rsplit_once(' ').unwrap());
    series.map(|(series, value)| (series, value.parse().unwrap())).collect()
}

#[test]
fn the_text_of_a_run() {
    insta::assert_snapshot!(rendered(&live(&measurements(2))));
}

#[test]
fn every_metric_of_the_catalog_is_written_with_its_type_and_help_and_nothing_else() {
    let text = rendered(&live(&measurements(1)));
    let heads: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
    let expected = catalog::ALL.iter().flat_map(|entry| {
        let Entry { name, kind, help, .. } = entry;
        [
            format!("# HELP {name} {help}"),
            format!("# TYPE {name} {}", kind.word()),
        ]
    });
    assert_eq!(heads, expected.collect::<Vec<_>>());
}

/// Prometheus takes no series twice, and no counter that falls.
#[test]
fn a_series_is_written_once_and_a_counter_never_falls() {
    let mut before = Snapshot::default();
    let mut last = String::new();
    for seconds in 1..=3 {
        let snapshot = live(&measurements(seconds)).after(&before);
        let text = rendered(&snapshot);
        let lines = text.lines().filter(|line| !line.starts_with('#')).count();
        let now = series(&text);
        assert_eq!(now.len(), lines);
        for (name, value) in series(&last) {
            let is_counter = ["_total", "_bucket", "_count", "_sum"]
                .iter()
                .any(|end| name.split('{').next().unwrap().ends_with(end));
            assert!(
                !is_counter || now[name] >= value,
                "{name} fell from {value} to {}",
                now[name]
            );
        }
        (before, last) = (snapshot, text);
    }
    // A command that was counted as it arrived has failed a moment later.
    let failed = |failed: u64| {
        let counters = BTreeMap::from([
            (counter::COMMANDS.to_owned(), 3),
            ("command_failed/404".to_owned(), failed),
        ]);
        let group = GroupStats {
            counters,
            ..GroupStats::default()
        };
        Snapshot::new([("g", &group)].into_iter(), std::iter::empty(), BTreeMap::new())
    };
    let later = failed(1).after(&failed(0));
    assert_eq!(
        (failed(1).groups["g"].commands_ok, later.groups["g"].commands_ok),
        (2, 3)
    );
}

/// Before the first line, and after what was expected.
#[test]
fn every_series_that_can_be_known_is_there_from_the_beginning() {
    let text = rendered(&Snapshot::default());
    let series = series(&text);
    for name in [
        "fleet_devices{group=\"thermostats\",state=\"online\"}",
        "fleet_connects_total{group=\"thermostats\",result=\"failed\"}",
        "fleet_reconnects_total{group=\"thermostats\",reason=\"closed\"}",
        "fleet_messages_dropped_total{group=\"thermostats\",reason=\"outbox_full\"}",
        "fleet_phase_duration_seconds_bucket{group=\"thermostats\",phase=\"publish\",le=\"+Inf\"}",
    ] {
        assert_eq!(series.get(name), Some(&0.0), "{name} in\n{text}");
    }
    for reason in SESSION_ENDS.iter().chain(&DROPS) {
        assert!(REASONS.contains(&reason.as_str()), "no device reports {reason}");
    }
}

/// Each process has its own share of them.
#[test]
fn devices_that_must_be_refused_are_counted_by_what_became_of_them() {
    let text = rendered(&live(&measurements(1)));
    let series = series(&text);
    for (result, count) in [
        ("refused", 4.0),
        ("refused_otherwise", 2.0),
        ("not_judged", 2.0),
        ("let_in", 2.0),
    ] {
        let name = format!("fleet_devices_negative{{group=\"strangers\",result=\"{result}\"}}");
        assert_eq!(series.get(&*name), Some(&count), "{name} in\n{text}");
    }
    // A group is of such devices, or of none.
    assert!(!text.contains("fleet_devices_negative{group=\"thermostats\""), "{text}");
}

/// At the end no data is a failure, unless it is allowed; before, it may yet come.
#[test]
fn a_threshold_without_data_fails_at_the_end() {
    let measurements = measurements(1);
    let series_of = |snapshot: &Snapshot| {
        let text = rendered(snapshot);
        series(&text)["fleet_threshold_passed{metric=\"publish_duration\",expression=\"p(99) < 2s\"}"]
    };
    assert!(series_of(&live(&measurements)).is_nan());
    assert!(series_of(&Snapshot::of_end(&measurements, &thresholds())) == 0.0);
}

#[test]
fn promtool_has_nothing_to_say() {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        let missing = "there is no promtool (Debian: prometheus)";
        assert!(std::env::var_os("FLEET_REQUIRE_REFEREES").is_none(), "{missing}");
        return;
    };
    let text = rendered(&live(&measurements(2)));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// The page lists what is served, with the words that are served.
#[test]
fn the_page_lists_every_metric() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("| `fleet_") || line.starts_with("| `process_"))
        .filter(|line| line.matches('|').count() == 5)
        .collect();
    let expected = catalog::ALL.iter().map(|entry| {
        let labels: Vec<_> = entry.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() {
            "–".to_owned()
        } else {
            labels.join(", ")
        };
        format!(
            "| `{}` | {} | {labels} | {} |",
            entry.name,
            entry.kind.word(),
            entry.help
        )
    });
    assert_eq!(rows, expected.collect::<Vec<_>>());
}
