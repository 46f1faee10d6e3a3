//! A collector, real sims with real devices, and an emulator.

use std::path::Path;

use serde_json::Value;

use crate::support::{Fleet, ON_FREE_PORTS, Running, central};

const SHARDS: [u32; 4] = [0, 1, 2, 3];

fn manifest(target: &str) -> String {
    format!(
        r#"
[fleet]
name = "cluster"
seed = 7

[target]
{target}

[[group]]
id = "thermostats"
devices = {{ prefix = "thermo-", count = 60 }}
telemetry = {{ interval = "500ms", jitter = 0.1 }}

[load]
register_rate = "50/s"
stages = ["100%@2s", "100%@15s", "0%@1s"]

[thresholds]
telemetry_lost = ["count == 0"]
"#
    )
}

fn sim(fleet: &Fleet, shard: u32, address: &str) -> Running {
    let (shard, results) = (format!("{shard}/4"), format!("results-{shard}"));
    let arguments = [
        "sim",
        "--plan=plan.json",
        "--shard",
        &shard,
        "--results",
        &results,
        "--collector",
        address,
    ];
    fleet.start(&arguments)
}

fn collector(fleet: &Fleet, listen: &str) -> (Running, String) {
    let fixed = [
        "collect",
        "fleet.toml",
        "--plan=plan.json",
        "--shards=4",
        "--report=report",
    ];
    let mut collector = fleet.start(&[&fixed[..], &["--listen", listen]].concat());
    let line = collector.wait_for("collecting at ");
    let port = line.rsplit_once(':').unwrap().1;
    (collector, format!("localhost:{port}"))
}

/// The telemetry that the sims have in their own records.
fn recorded(fleet: &Fleet) -> u64 {
    let results = SHARDS.map(|shard| format!("results-{shard}"));
    let mut arguments = vec!["report", "merge"];
    arguments.extend(results.iter().map(String::as_str));
    for folder in &results {
        assert!(Path::new(&fleet.path(folder)).exists());
    }
    fleet.fleet(&arguments).expect(0).figure("acknowledged")
}

#[test]
fn the_account_closes_when_the_collector_is_killed_while_four_sims_go_on() {
    let fleet = Fleet::new("");
    let (mut emulator, ready) = fleet.start_emulator(&[ON_FREE_PORTS, &["--dps-retry-after=1"]].concat());
    std::fs::write(fleet.path("fleet.toml"), manifest(&central(&ready))).unwrap();
    let prepare = [
        "prepare",
        "fleet.toml",
        "--plan=plan.json",
        "--collector=localhost",
        "--shards=4",
    ];
    fleet.fleet(&prepare).expect(0);
    let (mut first, address) = collector(&fleet, "0");
    let mut sims = SHARDS.map(|shard| sim(&fleet, shard, &address));
    first.wait_for("all 4 shards are there: the stages begin in ");
    first.wait_for("all 60 devices online");
    first.kill();
    let port = address.rsplit_once(':').unwrap().1;
    let (mut second, _) = collector(&fleet, port);
    second.wait_for("the run is going on: its stages began ");
    let (code, words) = second.end_in_time();
    assert_eq!(code, Some(0), "{words}");
    for sim in &mut sims {
        sim.wait_for("is back");
    }
    for sim in sims {
        let (code, words) = sim.end_in_time();
        assert_eq!(code, Some(0), "{words}");
    }
    let report = fleet.report();
    let telemetry = |name: &str| report["telemetry"][name].as_u64().unwrap();
    assert_eq!(report["devices"]["connected"], 60, "{report:#}");
    assert_eq!(
        telemetry("offered"),
        telemetry("acked") + telemetry("dropped") + telemetry("lost")
    );
    assert_eq!((telemetry("lost"), telemetry("unreported")), (0, 0));
    assert_eq!(
        telemetry("acked"),
        recorded(&fleet),
        "as the sims have it in their own files"
    );
    let received = report["target"]["received_unique"].as_u64().unwrap();
    assert!(
        telemetry("acked") > 0 && telemetry("acked") <= received,
        "{received}: {report:#}"
    );
    let marks: Vec<&Value> = report["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mark| &mark["kind"])
        .collect();
    assert!(marks.contains(&&Value::from("collector_restarted")), "{marks:?}");
    emulator.kill();
}
