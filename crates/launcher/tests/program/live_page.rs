//! The page of a live run in a real browser, until the final report stands in its place.

use std::collections::BTreeMap;
use std::path::Path;

use crate::axe::violations;
use crate::browser::Browser;
use crate::support::{Fleet, link};

const MANIFEST: &str = r#"
[fleet]
name = "live"
seed = 7

[target]
kind = "emulator"

[[group]]
id = "thermostats"
devices = { prefix = "thermo-", count = 30, first = 1, width = 4 }
telemetry = { interval = "1s", jitter = 0.1 }

[load]
register_rate = "100/s"
connect_rate = "100/s"
stages = ["100%@1s", "100%@10m"]

[thresholds]
publish_duration = ["p(95) < 1us", "p(99) < 1m"]
"#;

/// How many points the curves of the devices have.
const POINTS: &str = "document.querySelector('#devices details').querySelectorAll('tbody tr').length";

#[test]
fn a_live_run_is_watched_until_its_report_takes_its_place() {
    let Some(browser) = Browser::start() else { return };
    browser.screen(1280, 900, "light");
    let fleet = Fleet::new(MANIFEST);
    let mut running = fleet.start(&["run", "fleet.toml"]);
    let line = running.wait_for("watch the run: ");
    let page = link(&line);

    browser.go(page);
    assert_eq!(browser.value("document.title"), "Running · live");
    browser.wait_for("document.getElementById('pulse').textContent === 'live'");
    browser.wait_for("document.querySelector('h1').textContent === 'Running stage 2 of 2: 100%@10m'");
    browser.wait_for("/30 of 30 wanted/.test(document.getElementById('verdict').textContent)");
    browser.wait_for("document.getElementById('verdict').textContent.includes('1 threshold of 2 would fail it now')");
    browser.wait_for("document.getElementById('events').textContent.includes('stage 2 of 2')");

    // What a person opened stays open while everything around it changes.
    browser.value("document.querySelector('#devices details').open = true");
    let points = browser.value(POINTS).as_u64().unwrap();
    browser.wait_for(&format!("{POINTS} >= {}", points + 2));
    assert_eq!(browser.value("document.querySelector('#devices details').open"), true);
    assert_eq!(violations(&browser), [""; 0]);

    running.interrupt();
    browser.wait_for("document.getElementById('pulse').textContent === 'the run is over'");
    let heading = browser.value("document.querySelector('h1').textContent");
    assert_eq!(heading, "✗ Failed 1 of 2 thresholds");
    assert_eq!(browser.value("document.title.startsWith('Failed · live')"), true);
    assert_eq!(
        browser.value("document.getElementById('run').textContent.includes('Exit code99')"),
        true
    );
    assert_eq!(browser.complaints(), [""; 0]);
    let foreign = format!(
        "performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith('{page}'))"
    );
    assert_eq!(browser.value(&foreign).as_array().unwrap().len(), 0);
    assert_eq!(running.end().0, Some(99));
}

/// The values of each colour of a style, by day and by night.
fn colours(file: &str) -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let style = std::fs::read_to_string(path).unwrap();
    let screen = style.split("@media print").next().unwrap();
    let mut colours = BTreeMap::<_, Vec<_>>::new();
    for setting in screen.split(['{', ';', '}']) {
        if let Some((name, value)) = setting
            .trim()
            .strip_prefix("--")
            .and_then(|setting| setting.split_once(':'))
        {
            colours
                .entry(name.to_owned())
                .or_default()
                .push(value.trim().to_owned());
        }
    }
    colours
}

#[test]
fn what_both_pages_name_has_the_same_colour() {
    let (emulator, report) = (
        colours("emulator-page/src/assets/page.css"),
        colours("fleet-report/src/html/page.css"),
    );
    let both: Vec<_> = emulator.keys().filter(|name| report.contains_key(*name)).collect();
    assert!(both.len() >= 12, "{both:?}");
    for name in both {
        assert_eq!(emulator[name], report[name], "--{name}");
    }
}

#[test]
fn the_page_can_be_left_out_and_its_place_must_be_free() {
    let fleet = Fleet::new(MANIFEST);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = fleet.fleet(&["run", "fleet.toml", "--web", &address]).expect(2);
    let words = format!("error: --web: can't listen at {address}");
    assert!(refused.stderr.contains(&words), "{}", refused.stderr);
    assert!(!fleet.path("state").exists(), "nothing was begun");

    let refused = fleet.fleet(&["run", "fleet.toml", "--web", "everywhere"]).expect(2);
    assert!(
        refused.stderr.contains("such as 0.0.0.0:9464, or off"),
        "{}",
        refused.stderr
    );

    let quiet = fleet.fleet(&["run", "fleet.toml", "--web", "off", "--duration", "1s"]);
    assert!(!quiet.stderr.contains("watch the run"), "{}", quiet.stderr);
}
