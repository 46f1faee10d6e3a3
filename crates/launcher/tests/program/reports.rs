//! `fleet report`: what is made of a report when its run is over.

use std::fs;

use crate::support::{EMULATOR, Fleet, SHORT, manifest};

fn with(thresholds: &str) -> String {
    format!("{}\n[thresholds]\n{thresholds}\n", manifest(EMULATOR, SHORT))
}

#[test]
fn a_run_is_judged_and_printed_again_from_its_report_alone() {
    let fleet = Fleet::new(&with(r#"publish_duration = ["p(95) < 1us"]"#));
    let arguments = ["run", "fleet.toml", "--report", "report", "--formats", "csv"];
    let run = fleet.fleet(&arguments).expect(99);
    let files = fs::read_dir(fleet.path("report"))
        .unwrap()
        .map(|file| file.unwrap().file_name());
    let mut files: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
    files.sort();
    assert_eq!(
        files,
        [
            "devices.csv",
            "junit.xml",
            "report.html",
            "report.json",
            "summary.md",
            "summary.txt"
        ]
    );

    // The same summary, in plain marks, on a pipe.
    let text = fleet.fleet(&["report", "text", "report"]).expect(0);
    assert_eq!(text.stdout, run.stdout);
    assert_eq!(
        fs::read_to_string(fleet.path("report/summary.txt")).unwrap(),
        run.stdout
    );
    let markdown = fleet.fleet(&["report", "md", "report/report.json"]).expect(0);
    assert_eq!(
        markdown.stdout,
        fs::read_to_string(fleet.path("report/summary.md")).unwrap()
    );
    assert!(
        markdown.stdout.starts_with("## FAILED: 1 of 1 threshold\n"),
        "{}",
        markdown.stdout
    );
    let junit = fleet.fleet(&["report", "junit", "report"]).expect(0).stdout;
    assert_eq!(junit, fs::read_to_string(fleet.path("report/junit.xml")).unwrap());
    assert!(
        junit.contains("tests=\"2\" skipped=\"0\" failures=\"1\" errors=\"0\""),
        "{junit}"
    );
    let html = fleet.fleet(&["report", "html", "report"]).expect(0).stdout;
    assert_eq!(html, fs::read_to_string(fleet.path("report/report.html")).unwrap());
    assert!(html.starts_with("<!DOCTYPE html>"), "{html}");
    let csv = fs::read_to_string(fleet.path("report/devices.csv")).unwrap();
    assert_eq!(csv.lines().count(), 7, "{csv}");

    // A run is not different from itself.
    let compare = fleet.fleet(&["report", "compare", "report", "report"]).expect(0);
    assert!(compare.stdout.starts_with("NO DIFFERENCE; "), "{}", compare.stdout);
    let json = fleet
        .fleet(&["report", "compare", "report", "report", "--format", "json"])
        .expect(0);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["differences"], serde_json::json!([]), "{json:#}");
    assert!(
        json["quantiles"].as_array().is_some_and(|rows| !rows.is_empty()),
        "{json:#}"
    );

    // The emulator needs no manifest of the run: only the thresholds of this one are read.
    let looser = with(
        r#"publish_duration = ["p(95) < 20s"]
           "connect_failed{group:thermostats}" = ["rate == 0"]
           devices_online = ["value >= 50%"]
           scheduler_lag = ["p(50) < 10s"]"#,
    );
    fs::write(fleet.path("looser.toml"), looser).unwrap();
    let check = ["report", "check", "report", "looser.toml", "--report", "again"];
    let again = fleet.fleet(&check).expect(0);
    assert!(
        again.stdout.starts_with("PASSED: 4 thresholds\n  ok   "),
        "{}",
        again.stdout
    );
    let text = fs::read_to_string(fleet.path("again/summary.txt")).unwrap();
    assert!(text.starts_with("PASSED: 4 thresholds\n"), "{text}");
    let stricter = fleet.fleet(&["report", "check", "report", "fleet.toml"]).expect(99);
    assert!(
        stricter.stdout.starts_with("FAILED: 1 of 1 threshold\n"),
        "{}",
        stricter.stdout
    );
}

#[test]
fn what_is_no_report_or_can_not_be_judged_is_refused_with_a_hint() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    fs::write(fleet.path("old.json"), "{\"schema_version\": 1}").unwrap();
    fs::write(fleet.path("cut.json"), "{\"schema_version\": 2, ").unwrap();
    for (arguments, words) in [
        (&["report", "text", "none.json"][..], "can't read `none.json`"),
        (&["report", "md", "."], "can't read `./report.json`"),
        (
            &["report", "junit", "old.json"],
            "`old.json`: this report is of version 1, and this build reads version 2\nhint: use the version of fleet that \
             wrote it, or run again",
        ),
        (
            &["report", "text", "cut.json"],
            "`cut.json`: this is no report of a run: EOF while parsing",
        ),
        (
            &["report", "check", "cut.json", "fleet.toml"],
            "this is no report of a run",
        ),
        (&["run", "fleet.toml", "--formats", "csv"], "--report <DIR>"),
        (
            &["report", "compare", "old.json"],
            "hint: `fleet report compare BASE NEW`",
        ),
        (
            &["report", "compare", "a", "b", "--bound", "much"],
            "a share in percent, such as 10%",
        ),
    ] {
        let refused = fleet.fleet(arguments).expect(2);
        assert!(refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
    }
}
