//! `--metrics`: what a live run and a live sim serve, and how long.

use std::net::TcpListener;

use reqwest::{Method, Response};
use testing::rest::plain_client;
use testing::soon;
use tokio::runtime::Runtime;

use crate::figures::emulator;
use crate::support::{EMULATOR, Fleet, LONG, Running, SHORT, manifest};

/// A scraper of one address.
pub(crate) struct Scraper {
    runtime: Runtime,
    client: reqwest::Client,
    pub(crate) url: String,
}

impl Scraper {
    /// Waits until the program reports where its metrics are.
    pub(crate) fn of(running: &mut Running) -> Self {
        let line = running.wait_for("metrics: http://");
        Self {
            runtime: Runtime::new().unwrap(),
            client: plain_client(),
            url: line[line.find("http://").unwrap()..].to_owned(),
        }
    }

    fn request(&self, method: Method, url: &str) -> reqwest::Result<Response> {
        self.runtime.block_on(self.client.request(method, url).send())
    }

    /// All of it; nothing where the program has ended.
    pub(crate) fn text(&self) -> Option<String> {
        let response = self.request(Method::GET, &self.url).ok()?;
        assert!(response.status().is_success(), "{response:?}");
        self.runtime.block_on(response.text()).ok()
    }

    /// The sum of the series whose names and labels hold all of `words`.
    pub(crate) fn sum(&self, words: &[&str]) -> f64 {
        sum(&self.text().unwrap(), words)
    }

    /// Asks until the sum is as much.
    fn wait_for(&self, words: &[&str], least: f64) {
        let enough = async {
            loop {
                let response = self.client.get(&self.url).send().await.unwrap();
                if sum(&response.text().await.unwrap(), words) >= least {
                    return;
                }
            }
        };
        self.runtime.block_on(soon(&words.join(" "), enough));
    }
}

fn sum(text: &str, words: &[&str]) -> f64 {
    let lines = text.lines().filter(|line| words.iter().all(|word| line.contains(word)));
    let values = lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().1);
    values.map(|value| value.parse::<f64>().unwrap()).sum()
}

const ONLINE: &[&str] = &["fleet_devices{", "state=\"online\""];
const ACKNOWLEDGED: &[&str] = &["fleet_messages_acknowledged_total{"];

#[test]
fn a_run_serves_its_figures_and_after_its_end_the_last_ones() {
    let text = manifest(EMULATOR, SHORT)
        + "[thresholds]\ntelemetry_acked = [\"count > 0\"]\ntelemetry_lost = [\"rate == 0\"]\n";
    let fleet = Fleet::new(&text);
    let arguments = [
        "run",
        "fleet.toml",
        "--report",
        "report",
        "--metrics",
        "0",
        "--metrics-linger",
        "40s",
    ];
    let mut running = fleet.start(&arguments);
    let scraper = Scraper::of(&mut running);
    assert!(scraper.url.starts_with("http://127.0.0.1:"), "{}", scraper.url);
    // Before the first device is there, its group is.
    assert_eq!(scraper.sum(ONLINE), 0.0);
    running.wait_for("all 6 devices online");
    let live = scraper.text().unwrap();
    assert_eq!(
        (sum(&live, ONLINE), sum(&live, &["fleet_devices_wanted{"])),
        (6.0, 6.0),
        "{live}"
    );
    assert_eq!(
        sum(&live, &["fleet_registrations_total{", "result=\"ok\""]),
        6.0,
        "{live}"
    );

    let head = scraper.request(Method::HEAD, &scraper.url).unwrap();
    assert_eq!(
        head.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let health = scraper.url.replace("/metrics", "/healthz");
    assert_eq!(scraper.request(Method::GET, &health).unwrap().status(), 200);
    let root = scraper.url.replace("/metrics", "/");
    assert_eq!(scraper.request(Method::GET, &root).unwrap().status(), 404);
    assert_eq!(scraper.request(Method::POST, &scraper.url).unwrap().status(), 405);

    running.wait_for("the last figures stay at http://");
    let report = fleet.report();
    let last = scraper.text().unwrap();
    assert_eq!(
        Some(sum(&last, ACKNOWLEDGED)),
        report["telemetry"]["acked"].as_f64(),
        "{last}"
    );
    assert_eq!(
        (sum(&last, ONLINE), sum(&last, &["state=\"stopped\""])),
        (0.0, 6.0),
        "{last}"
    );
    // What is judged after the drain is judged now.
    assert_eq!(sum(&last, &["fleet_threshold_passed{"]), 2.0, "{last}");
    for group in ["thermostats", "individual"] {
        let series = format!("fleet_certificate_expiry_timestamp_seconds{{group=\"{group}\"}}");
        assert!(
            sum(&last, &[&series]) > sum(&last, &["process_start_time_seconds"]),
            "{last}"
        );
    }

    // A signal ends it, long before its time, and the run keeps its verdict.
    running.interrupt();
    let (code, words) = running.end_in_time();
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(scraper.text(), None);
}

/// As long as an end may take was asked for, and the drain has used a part of it.
#[test]
fn the_last_figures_do_not_stay_longer_than_an_end_may_take() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let arguments = [
        "run",
        "fleet.toml",
        "--metrics",
        "0",
        "--metrics-linger",
        "6s",
        "--stop-within",
        "6s",
    ];
    let mut running = fleet.start(&arguments);
    let scraper = Scraper::of(&mut running);
    running.wait_for("all 6 devices online");
    running.interrupt();
    let stay = running.wait_for("the last figures stay at http://");
    let left = stay.rsplit_once(" for ").unwrap().1.split_once('s').unwrap().0;
    assert!(left.parse::<f64>().unwrap() < 6.0, "{stay}");
    assert_eq!(scraper.sum(ONLINE), 0.0);
    assert_eq!(running.end_in_time().0, Some(130));
}

#[test]
fn a_sim_serves_the_figures_of_its_shards() {
    let fleet = Fleet::new("");
    let (mut emulator, target) = emulator(&fleet);
    std::fs::write(
        fleet.path("fleet.toml"),
        manifest(&target, LONG) + "register_rate = \"50/s\"\n",
    )
    .unwrap();
    fleet.fleet(&["prepare", "fleet.toml", "--plan", "plan.json"]).expect(0);
    let sim = ["sim", "--plan", "plan.json", "--results", "results", "--shards", "2"];
    let mut running = fleet.start(&[&sim[..], &["--metrics", "0", "--metrics-linger", "30s"]].concat());
    let scraper = Scraper::of(&mut running);
    scraper.wait_for(ONLINE, 6.0);
    scraper.wait_for(ACKNOWLEDGED, 1.0);
    let live = scraper.text().unwrap();
    assert!(
        live.contains("group=\"individual\"") && live.contains("target=\"localhost\""),
        "{live}"
    );
    assert!(
        sum(&live, &["fleet_scheduler_lag_seconds_count{shard=\"1\"}"]) > 0.0,
        "{live}"
    );
    assert!(
        !live.contains("fleet_stage") && !live.contains("fleet_threshold"),
        "{live}"
    );
    running.interrupt();
    running.wait_for("the last figures stay at http://");
    let last = scraper.text().unwrap();
    assert_eq!(sum(&last, ONLINE), 0.0, "{last}");
    assert!(sum(&last, ACKNOWLEDGED) >= sum(&live, ACKNOWLEDGED), "{last}");
    // Signals within half a second of the first belong to it.
    while scraper.text().is_some() {
        running.interrupt();
    }
    assert_eq!(running.end_in_time().0, Some(0));
    emulator.kill();
}

#[test]
fn what_can_not_be_served_is_refused_before_anything_starts() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().to_string();
    for (arguments, words) in [
        (
            &["--metrics", &busy][..],
            &*format!("--metrics: can't listen at {busy}: Address already in use"),
        ),
        // An address of documentation, which is that of no machine.
        (
            &["--metrics", "192.0.2.7:9464"],
            "hint: give an address of this machine, or a port alone",
        ),
        (
            &["--metrics", "example.com:9464"],
            "accepted: a port such as 9464, or an address and a port",
        ),
        (&["--metrics-linger", "5s"], "--metrics <ADDR>"),
        (&["--metrics", "0", "--metrics-linger", "5"], "`5`"),
        (
            &["--metrics", "0", "--metrics-linger", "46s"],
            "--metrics-linger 46s is longer than --stop-within 45s",
        ),
    ] {
        let run = fleet.fleet(&[&["run", "fleet.toml"], arguments].concat()).expect(2);
        assert!(run.stderr.contains(words), "{words} in\n{}", run.stderr);
        assert_eq!(
            (run.stdout.as_str(), fleet.entries()),
            ("", vec!["fleet.toml".to_owned()])
        );
    }
}
