use settings::{Document, Problem};

use super::*;

fn known() -> KnownLabels {
    KnownLabels {
        groups: vec!["thermostats".into(), "individual".into()],
        reasons: vec!["timeout".into()],
        stages: 2,
        shards: vec!["1".into(), "2".into()],
        limits: vec!["dps.registrations".into()],
        ..KnownLabels::default()
    }
}

/// What is read from a text, each as one line, and the problems.
fn read_all(written: &str, overrides: &[String]) -> (Vec<String>, Vec<Problem>) {
    let document = Document::parse("a manifest", "fleet.toml", written, overrides).unwrap();
    let root = document.root();
    let thresholds = read(&root, &document.problems, &known());
    root.finish();
    let shown = |threshold: &Threshold| {
        format!(
            "{} {} over {:?} abort {} after {:?} empty {}",
            threshold.selector,
            threshold.expression,
            threshold.over_s,
            threshold.abort_on_fail,
            threshold.delay_abort_eval,
            threshold.allow_empty
        )
    };
    (thresholds.iter().map(shown).collect(), document.problems.take())
}

/// The problems, each with the text that it underlines.
fn problems(written: &str) -> Vec<String> {
    use miette::{Diagnostic, SourceSpan};
    let (_, problems) = read_all(written, &[]);
    problems
        .iter()
        .map(|problem| {
            let span: SourceSpan = *problem.labels().unwrap().next().unwrap().inner();
            let at = &written[span.offset()..span.offset() + span.len()];
            format!("{at} | {}", problem.in_one_line())
        })
        .collect()
}

#[test]
fn texts_and_tables_are_read_in_the_order_of_the_file() {
    let (read, problems) = read_all(
        r#"
[thresholds]
publish_duration = ["p(95) < 500ms", "p(99.9) < 2s"]
"publish_duration{group=thermostats}" = ['p(95) < 300ms']
connect_duration = [{ threshold = "p(99) < 5s", over = "1m" }, "max < 1m"]
connect_failed = ["count <= 5"]
telemetry_lost = ["rate === 0"]
devices_online = [{ threshold = "value >= 98%", abort_on_fail = true, delay_abort_eval = "2m" }]
dps_throttled = [{ threshold = "rate < 1/s", allow_empty = true, abort_on_fail = false }]
"#,
        &[],
    );
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(
        read,
        [
            "publish_duration p(95) < 500ms over None abort false after 0ns empty false",
            "publish_duration p(99.9) < 2s over None abort false after 0ns empty false",
            "publish_duration{group:thermostats} p(95) < 300ms over None abort false after 0ns empty false",
            "connect_duration p(99) < 5s over Some(60) abort false after 0ns empty false",
            "connect_duration max < 1m over None abort false after 0ns empty false",
            "connect_failed count <= 5 over None abort false after 0ns empty false",
            "telemetry_lost rate == 0 over None abort false after 0ns empty false",
            "devices_online value >= 98% over None abort true after 120s empty false",
            "dps_throttled rate < 1/s over None abort false after 0ns empty true",
        ]
    );
}

#[test]
fn a_manifest_without_thresholds_has_none() {
    let (read, problems) = read_all("", &[]);
    assert!(read.is_empty() && problems.is_empty(), "{problems:?}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let written = r#"[thresholds]
publish_durations = ["p(95) < 500ms"]
publish_duration = ["p(95) < 500", "p95 < 1s", 5, { over = "1m" }, "p(95) < 1s", "p(95)<1s"]
"publish_duration{group:thermostat}" = ["p(95) < 1s"]
connect_duration = "p(99) < 5s"
report_duration = []
twin_get_duration = { threshold = "p(99) < 5s" }
reconnects = [{ threshold = "avg < 5", abortOnFail = true, allow_empty = "no", over = "90m", colour = 1 }]
connect_failed = [{ threshold = 5, over = "1.5s" }, { threshold = "count <= 5", delay_abort_eval = "1m" }]
telemetry_lost = [{ threshold = "rate == 0", over = "1m", abort_on_fail = true }]
devices_online = [{ threshold = "value >= 98%", over = "1m", abort_on_fail = 1, delay_abort_eval = "1m" }]
time_to_online = [{ threshold = "value < 5m", over = "10" }, { threshold = "value < 5m", over = "10s" }]
commands = [{ threshold = "count > 9", abort_on_fail = true }, { threshold = "count == 0", abort_on_fail = true }]
"#;
    let expected = [
        r#"publish_durations | `thresholds.publish_durations`: there is no metric `publish_durations`; accepted: a metric such as publish_duration; did you mean `publish_duration`?"#,
        r#"500 | `thresholds.publish_duration.0`: `500` has no unit; accepted: a time such as 500ms or 1.5s, in us, ms, s, m or h; k6 counts in milliseconds: write 500ms"#,
        r#"p95 | `thresholds.publish_duration.1`: `p95` is not an aggregation; accepted: avg, min, max, med, p(N), count of publish_duration; write p(95)"#,
        r#"5 | `thresholds.publish_duration.2` is an integer; accepted: a text such as "p(95) < 500ms", or a table { threshold = "p(95) < 500ms", over = "1m" }"#,
        r#"{ over = "1m" } | `thresholds.publish_duration.3.threshold` is missing; accepted: a text such as "p(95) < 500ms""#,
        r#""p(95)<1s" | `thresholds.publish_duration.5` is the same as `thresholds.publish_duration.4`; accepted: each threshold once"#,
        r#"thermostat | `thresholds.publish_duration{group:thermostat}`: there is no group `thermostat` in this run; accepted: thermostats, individual; did you mean `thermostats`?"#,
        r#""p(99) < 5s" | `thresholds.connect_duration` is a string; accepted: a list such as ["p(95) < 500ms"] or [{ threshold = "p(95) < 500ms", over = "1m" }]; write ["p(99) < 5s"]"#,
        r#"[] | `thresholds.report_duration` is empty; accepted: a list such as ["p(95) < 500ms"] or [{ threshold = "p(95) < 500ms", over = "1m" }]"#,
        r#"{ threshold = "p(99) < 5s" } | `thresholds.twin_get_duration` is a table; accepted: a list such as ["p(95) < 500ms"] or [{ threshold = "p(95) < 500ms", over = "1m" }]"#,
        r#"avg | `thresholds.reconnects.0.threshold`: `reconnects` is a counter, which has no `avg`; accepted: rate, count of reconnects"#,
        r#"abortOnFail | `thresholds.reconnects.0.abortOnFail` is not a key of a threshold; did you mean `abort_on_fail`?"#,
        r#""no" | `thresholds.reconnects.0.allow_empty` is a string; accepted: true or false"#,
        r#""90m" | `thresholds.reconnects.0.over`: `1h30m` is longer than an hour; accepted: a time of whole seconds from "1s" to "1h""#,
        r#"colour | `thresholds.reconnects.0.colour` is not a key of a threshold; accepted: threshold, over, abort_on_fail, delay_abort_eval, allow_empty"#,
        r#"5 | `thresholds.connect_failed.0.threshold` is an integer; accepted: a text such as "p(95) < 500ms""#,
        r#""1.5s" | `thresholds.connect_failed.0.over`: `1s500ms` has a part of a second; accepted: a time of whole seconds from "1s" to "1h""#,
        r#""1m" | `thresholds.connect_failed.1.delay_abort_eval` is of no use without abort_on_fail; accepted: beside abort_on_fail = true"#,
        r#""1m" | `thresholds.telemetry_lost.0.over` is of no use here: `telemetry_lost` is known only after the drain; accepted: a threshold without over"#,
        r#"true | `thresholds.telemetry_lost.0.abort_on_fail` is of no use here: `telemetry_lost` is known only after the drain; accepted: a threshold without abort_on_fail"#,
        r#""1m" | `thresholds.devices_online.0.over` is of no use here: `value` is judged in every second already; accepted: a threshold without over"#,
        r#"1 | `thresholds.devices_online.0.abort_on_fail` is an integer; accepted: true or false"#,
        r#""10" | `thresholds.time_to_online.0.over`: `10` has no unit; write 10s for seconds, 10m for minutes; accepted: a time of whole seconds from "1s" to "1h""#,
        r#""10s" | `thresholds.time_to_online.1.over` is of no use here: `time_to_online` has one value; accepted: a threshold without over"#,
        r#"true | `thresholds.commands.0.abort_on_fail` would end the run at once: a count begins at 0; accepted: beside delay_abort_eval = "5m", say"#,
    ];
    let found = problems(written);
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn thresholds_that_are_no_table_are_refused() {
    assert_eq!(
        problems("thresholds = 5\n"),
        [
            r#"5 | `thresholds` is an integer; accepted: a table [thresholds] such as publish_duration = ["p(95) < 500ms"]"#
        ]
    );
}

#[test]
fn a_place_within_a_text_is_known_where_it_is_written_plainly() {
    // Escapes and lines of their own move the bytes, so the whole text is shown.
    for (written, at) in [
        (r#"reconnects = ["count < x"]"#, "x"),
        (r"reconnects = ['count < x']", "x"),
        (r#"reconnects = ["count \u003c x"]"#, r#""count \u003c x""#),
        (r#"reconnects = ["""count < x"""]"#, r#""""count < x""""#),
        (r#""reconnects{stage:9}" = ["count < 1"]"#, "9"),
        (r#"'reconnects{stage:9}' = ["count < 1"]"#, "9"),
        (r#"reconnects = ["count < é"]"#, "é"),
    ] {
        let found = problems(&format!("[thresholds]\n{written}\n"));
        assert!(found[0].starts_with(&format!("{at} | ")), "{written}: {found:?}");
    }
}

#[test]
fn a_threshold_can_be_set_on_the_command_line() {
    let set = |argument: &str| read_all("", &[argument.to_owned()]);
    let (read, problems) = set(r#"thresholds.reconnects=["count < 5"]"#);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(read.len(), 1);
    let (_, problems) = set(r#"thresholds.reconnects=["count < 5ms"]"#);
    assert_eq!(
        problems[0].in_one_line(),
        "`thresholds.reconnects.0`: `ms` is not a unit of a number; accepted: a number such as 5"
    );
}
