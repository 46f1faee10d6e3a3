//! Debian's Prometheus scrapes a real run, and every query of the dashboard is asked of it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use reqwest::{Client, Url};
use serde_json::Value;
use tempfile::TempDir;
use testing::rest::plain_client;
use tokio::runtime::Runtime;

use crate::metrics::Scraper;
use crate::support::{EMULATOR, Fleet, manifest};

/// A Prometheus with a folder of its own.
struct Prometheus {
    runtime: Runtime,
    client: Client,
    process: Child,
    // Kept open: a closed pipe would make its next line an error.
    _stderr: BufReader<ChildStderr>,
    url: String,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `target` every second; `None` where it is missing, unless it must not be.
    fn start(target: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, configuration(target)).unwrap();
        let started = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut process) = started else {
            let missing = "there is no prometheus (Debian: prometheus)";
            assert!(std::env::var_os("FLEET_REQUIRE_REFEREES").is_none(), "{missing}");
            eprintln!("skipped: {missing}");
            return None;
        };
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let address = address(&mut stderr);
        Some(Self {
            runtime: Runtime::new().unwrap(),
            client: plain_client(),
            process,
            _stderr: stderr,
            url: format!("http://{address}/api/v1"),
            _folder: folder,
        })
    }

    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = Url::parse_with_params(&format!("{}/{path}", self.url), query).unwrap();
        let request = self.client.get(url);
        let answer = self
            .runtime
            .block_on(async { request.send().await.unwrap().json::<Value>().await.unwrap() });
        assert_eq!(answer["status"], "success", "{path} {query:?}: {answer:#}");
        answer["data"].clone()
    }

    /// Whether a query has a number, at any second since the run began.
    fn has_numbers(&self, query: &str, since: &str) -> bool {
        let end = self.ask("query", &[("query", "time()")])["result"][1]
            .as_str()
            .unwrap()
            .to_owned();
        let range = [("query", query), ("start", since), ("end", &end), ("step", "1")];
        let series = self.ask("query_range", &range)["result"].as_array().unwrap().clone();
        let mut values = series.iter().flat_map(|series| series["values"].as_array().unwrap());
        values.any(|value| value[1].as_str().unwrap().parse::<f64>().is_ok_and(f64::is_finite))
    }

    /// The values of a label, for a variable of the dashboard.
    fn values(&self, metric: &str, label: &str) -> Vec<String> {
        let values = self.ask(&format!("label/{label}/values"), &[("match[]", metric)]);
        values
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The configuration of the compose file, for one address and more often.
fn configuration(target: &str) -> String {
    let shipped = std::fs::read_to_string(root().join("docker/prometheus/prometheus.yml")).unwrap();
    let (head, _) = shipped.split_once("    dns_sd_configs:").unwrap();
    let head = head.replace("scrape_interval: 5s", "scrape_interval: 1s");
    format!("{head}    static_configs:\n      - targets: [\"{target}\"]\n")
}

/// Where it listens, as it logs it.
fn address(stderr: &mut impl BufRead) -> String {
    let mut heard = String::new();
    loop {
        let from = heard.len();
        assert!(stderr.read_line(&mut heard).unwrap() > 0, "it ended: {heard}");
        if let Some((_, address)) = heard[from..].split_once("msg=\"Listening on\" address=") {
            return address.trim().to_owned();
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn dashboard() -> Value {
    let path = root().join("docker/grafana/dashboards/fleet.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Each query with the title of its panel.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let of = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets
            .into_iter()
            .map(move |target| (title.clone(), target["expr"].as_str().unwrap().to_owned()))
    };
    panels.iter().flat_map(of).collect()
}

/// Six devices that meet a fault of each kind soon, with a limit and a threshold.
fn troubled_fleet() -> Fleet {
    let target = format!("{EMULATOR}\nquota = \"iot-central\"\nfaults = \"rules.toml\"");
    let stages = r#""100%@1s", "100%@5m""#;
    let fleet = Fleet::new(&(manifest(&target, stages) + "[thresholds]\npublish_duration = [\"p(95) < 30s\"]\n"));
    let rules = r#"
[[rule]]
id = "throttled"
phase = "register"
device = "lab-*"
count_per_device = 1
verdict = "answer"
status = 429
retry_after = "1s"

[[rule]]
id = "refused"
phase = "hub-connect"
device = "thermo-0001"
count_per_device = 1
verdict = "drop"
"#;
    std::fs::write(fleet.path("rules.toml"), rules).unwrap();
    fleet
}

#[test]
fn every_panel_of_the_dashboard_has_figures_of_a_run() {
    let fleet = troubled_fleet();
    let mut running = fleet.start(&["run", "fleet.toml", "--metrics", "0"]);
    let scraper = Scraper::of(&mut running);
    let target = scraper.url.trim_start_matches("http://").trim_end_matches("/metrics");
    let Some(prometheus) = Prometheus::start(target) else {
        running.interrupt();
        return;
    };
    running.wait_for("all 6 devices online");
    let started = scraper.sum(&["process_start_time_seconds"]).to_string();

    // Each progress line, a few seconds after the one before, is an occasion to look again.
    let mut missing = queries(&dashboard());
    assert!(missing.len() > 30, "{missing:#?}");
    for _ in 0..20 {
        let (runs, groups) = (
            prometheus.values("fleet_run_info", "run_id"),
            prometheus.values("fleet_devices", "group"),
        );
        let filled = |query: &str| {
            // A panel that shows 0 where there is nothing would be filled by anything.
            let query = query
                .trim_end_matches(" or vector(0)")
                .trim_end_matches(" or on () vector(0)");
            let query = query.replace("$__rate_interval", "4s");
            query
                .replace("$run", &runs.join("|"))
                .replace("$group", &groups.join("|"))
        };
        missing.retain(|(_, query)| !prometheus.has_numbers(&filled(query), &started));
        if missing.is_empty() {
            assert_eq!((runs.len(), groups.join(" ").as_str()), (1, "individual thermostats"));
            break;
        }
        running.wait_for(" acknowledged");
    }
    assert!(
        missing.is_empty(),
        "no figures for {missing:#?} in\n{}",
        scraper.text().unwrap()
    );
    running.interrupt();
    assert_eq!(running.end_in_time().0, Some(130));
}

/// Links to the dashboard go by its uid, and its panels ask whatever Prometheus was chosen.
#[test]
fn the_dashboard_is_found_by_its_uid_and_asks_the_chosen_source() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "fleet-run");
    let variables: Vec<_> = dashboard["templating"]["list"].as_array().unwrap().iter().collect();
    let names: Vec<_> = variables
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["datasource", "run", "group"]);
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
    }
    let mut ids: Vec<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), panels.len());
    for (title, query) in queries(&dashboard) {
        assert!(
            query.contains("fleet_run_info{run_id=~\"$run\"}"),
            "{title} shows all runs: {query}"
        );
    }
}

#[test]
fn the_shipped_scrape_configuration_is_one() {
    let config = root().join("docker/prometheus/prometheus.yml");
    let checked = Command::new("promtool").args(["check", "config"]).arg(config).output();
    let Ok(checked) = checked else {
        let missing = "there is no promtool (Debian: prometheus)";
        assert!(std::env::var_os("FLEET_REQUIRE_REFEREES").is_none(), "{missing}");
        eprintln!("skipped: {missing}");
        return;
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
