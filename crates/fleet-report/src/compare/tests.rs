use std::collections::BTreeMap;

use fleet_protocol::lines::{GroupStats, Phase, Stats, counter};
use serde_json::json;

use super::*;
use crate::measurements::Measurements;
use crate::report::{Circumstances, Run};
use crate::thresholds::Second;
use crate::totals::{Decoded, Times};

/// A run of forty seconds with 50 messages each, which take so many milliseconds, give or take a tenth.
fn report(id: &str, millis: f64, failed: u64) -> Report {
    let mut measurements = Measurements::new(1, &[]);
    for at_s in 1..=40_u32 {
        let group = GroupStats {
            counters: BTreeMap::from([
                (counter::TELEMETRY_OFFERED.to_owned(), u64::from(at_s) * 50),
                (counter::TELEMETRY_ACKED.to_owned(), u64::from(at_s) * 50 - failed),
            ]),
            ..GroupStats::default()
        };
        let mut line = Decoded::from(Stats {
            groups: BTreeMap::from([("g".to_owned(), group)]),
            ..Stats::default()
        });
        let mut values = Phase::histogram();
        for message in 0..50_u32 {
            let around = 0.9 + f64::from((message * 7 + at_s * 13) % 21) / 100.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is some milliseconds"
            )]
            values.record((millis * around * 1_000.0) as u64).unwrap();
        }
        line.times.push(Times {
            phase: Phase::Publish,
            group: "g".to_owned(),
            values: (&values).into(),
        });
        measurements.line(0, line, f64::from(at_s));
        measurements.second(Second {
            at_s: u64::from(at_s),
            stage: None,
        });
    }
    let circumstances = Circumstances {
        run: Run {
            id: id.to_owned(),
            ..Run::default()
        },
        manifest: Some(json!({ "fleet": { "name": id }, "target": { "kind": "emulator" } })),
        ..Circumstances::default()
    };
    let report = Report::new(circumstances, &measurements);
    // As it comes from a file.
    Report::read(&serde_json::to_vec(&report).unwrap()).unwrap()
}

fn changes(base: &[Report], new: &[Report]) -> Vec<(f64, Change)> {
    let rows = compare(base, new, Bounds::default()).quantiles;
    rows.into_iter().map(|row| (row.quantile, row.change)).collect()
}

#[test]
fn what_is_slower_is_said_and_what_has_too_few_values_is_not_judged() {
    let (base, new) = ([report("a", 50.0, 0)], [report("b", 80.0, 0)]);
    use Change::{Better, None, TooFew, Worse};
    // 2,000 values: enough for the 95th percentile, and too few for the 99th.
    assert_eq!(
        changes(&base, &new),
        [(0.5, Worse), (0.9, Worse), (0.95, Worse), (0.99, TooFew)]
    );
    assert_eq!(
        changes(&new, &base),
        [(0.5, Better), (0.9, Better), (0.95, Better), (0.99, TooFew)]
    );
    assert_eq!(
        changes(&base, &base),
        [(0.5, None), (0.9, None), (0.95, None), (0.99, TooFew)]
    );
}

#[test]
fn a_difference_that_is_small_or_within_the_bound_is_none() {
    let base = [report("a", 50.0, 0)];
    // 8 % slower; and 40 % of 2 ms.
    assert!(!compare(&base, &[report("b", 54.0, 0)], Bounds::default()).is_regression());
    let quick = [report("c", 2.0, 0)];
    assert!(!compare(&quick, &[report("d", 2.8, 0)], Bounds::default()).is_regression());
    let strict = Bounds {
        ratio: 0.05,
        min_difference_s: 0.000_1,
    };
    assert!(compare(&base, &[report("b", 54.0, 0)], strict).is_regression());
    assert!(compare(&quick, &[report("d", 2.8, 0)], strict).is_regression());
}

#[test]
fn several_runs_are_compared_by_how_much_they_differ() {
    let runs = |millis: [f64; 3]| millis.map(|millis| report("r", millis, 0));
    let spread = runs([40.0, 55.0, 75.0]);
    assert!(!compare(&spread, &runs([45.0, 62.0, 80.0]), Bounds::default()).is_regression());
    assert!(compare(&runs([50.0, 51.0, 52.0]), &runs([70.0, 71.0, 72.0]), Bounds::default()).is_regression());
}

#[test]
fn more_failures_are_a_regression_and_a_few_more_are_noise() {
    let base = [report("a", 50.0, 2)];
    let lost = |failed: u64| {
        let comparison = compare(&base, &[report("b", 50.0, failed)], Bounds::default());
        let row = comparison
            .ratios
            .iter()
            .find(|row| row.metric == crate::metric::Metric::TelemetryLost);
        row.unwrap().change
    };
    assert_eq!(
        (lost(2), lost(4), lost(40)),
        (Change::None, Change::None, Change::Worse)
    );
}

#[test]
fn in_what_the_sides_are_not_alike_is_said_first() {
    let base = report("a", 50.0, 0);
    let mut new = report("b", 80.0, 0);
    new.manifest.as_mut().unwrap()["target"]["faults"] = json!("slow-network");
    new.tool.version = "9.9.9".to_owned();
    new.devices.reused = 3;
    let comparison = compare(&[base], &[new], Bounds::default());
    let words = text(&comparison, Show::Changes).replace(env!("CARGO_PKG_VERSION"), "0.0.0");
    assert_eq!(
        words.split("\n\n").next().unwrap(),
        "REGRESSION: 3 figures are worse; 1 without a difference, 1 with too few values\n\
         \x20 not alike: version: 0.0.0 before, 9.9.9 now\n\
         \x20 not alike: assignments: all devices registered before, some from an earlier run now\n\
         \x20 not alike: target.faults: - before, slow-network now"
    );
    let rows = words.split("\n\n").nth(2).unwrap();
    assert!(rows.contains("publish{group:g}  p(95)  "), "{words}");
    assert!(rows.contains("slower"), "{words}");
    assert!(!rows.contains("too few"), "{words}");
    assert!(text(&comparison, Show::Everything).contains("too few"));
}
