//! What one more device of a model holds beside one more thermostat, counted on the heap while both are online. The emulator has
//! a process of its own, so that all that is counted is the devices'.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::path::Path;
use std::process::Command;

use cap::Cap;
use device_sim::fleet::{Fleet, Input, Settings};
use fleet_protocol::lines::{Line, Stats};
use fleet_protocol::plan::Plan;
use serde_json::json;
use tempfile::TempDir;
use testing::emulator::{Place, Ready};
use testing::process::Running;
use testing::soon;
use tokio::sync::mpsc;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Two sizes of a fleet: what they differ by is the devices', and not the process's.
const FEW: u32 = 20;
const MANY: u32 = 100;
/// So many bytes may a device with twenty capabilities hold beyond a thermostat.
const MOST: i64 = 1_024;
/// Figures come every second; the least of some is that of a moment with few messages on their way.
const LOOKS: usize = 3;

fn fleet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.current_dir(folder).env_remove("RUST_LOG");
    command
}

fn stdout(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = fleet(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Twenty capabilities: numbers, flags, and properties that can be written.
fn model() -> serde_json::Value {
    let contents = (0..20).map(|index| match index % 4 {
        0 => json!({"@type": "Telemetry", "name": format!("temperature{index}"), "schema": "double"}),
        1 => json!({"@type": "Telemetry", "name": format!("count{index}"), "schema": "long"}),
        2 => json!({"@type": "Telemetry", "name": format!("open{index}"), "schema": "boolean"}),
        _ => json!({"@type": "Property", "name": format!("limit{index}"), "schema": "double", "writable": true}),
    });
    json!({"@context": "dtmi:dtdl:context;2", "@id": "dtmi:a:twenty;1", "@type": "Interface",
        "contents": contents.collect::<Vec<_>>()})
}

fn manifest(ready: &Ready, name: &str, model: &str) -> String {
    format!(
        r#"
[fleet]
name = "{name}"

[target]
kind = "iot-central"
app = "https://localhost:{}"
api_token = {{ file = "emulator/api_token" }}
id_scope = {}
dps_endpoint = "localhost"
port = {}
ca = "emulator/ca_cert.pem"

[[group]]
id = "{name}"
devices = {{ prefix = "{name}-", count = {MANY} }}
model = {model}
telemetry = {{ interval = "1s", jitter = 0 }}

[load]
register_rate = "500/s"
connect_rate = "500/s"
stages = ["100%@1s", "100%@10m"]
"#,
        ready.https().port(),
        ready.0["id_scope"],
        ready.mqtt().port()
    )
}

/// What the devices hold while all of them are online and have sent.
async fn held(plan: Plan) -> i64 {
    let before = HEAP.allocated();
    let devices = u64::from(plan.groups[0].devices.count());
    let (sender, mut lines) = mpsc::unbounded_channel();
    let (input, receiver) = mpsc::unbounded_channel();
    let fleet = Fleet::new(plan, "0/1".parse().unwrap(), Settings::default(), sender).unwrap();
    let running = tokio::spawn(fleet.run(receiver));
    let have_sent = |stats: &Stats| {
        let acked = stats.counters.get("telemetry_acked").copied().unwrap_or(0);
        acked >= 2 * devices
    };
    let mut looks = Vec::new();
    while looks.len() < LOOKS {
        let line = soon("figures", lines.recv()).await.unwrap();
        if matches!(&line, Line::Stats(stats) if have_sent(stats)) {
            drop(line);
            looks.push(HEAP.allocated());
        }
    }
    input.send(Input::Stop).unwrap();
    soon("the end", running).await.unwrap();
    let least = looks.into_iter().min().unwrap();
    i64::try_from(least).unwrap() - i64::try_from(before).unwrap()
}

#[tokio::test]
async fn a_device_with_twenty_capabilities_holds_at_most_a_kibibyte_more_than_a_thermostat() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let ports = ["--mqtt=127.0.0.1:0", "--https=127.0.0.1:0", "--http=127.0.0.1:0"];
    let mut command = fleet(folder);
    command.args(["emulator", "--state=emulator"]).args(ports);
    let mut emulator = Running::spawn_service(command);
    let ready = Ready::parse(&emulator.wait_for("\"ready\":true"));
    std::fs::write(folder.join("twenty.json"), model().to_string()).unwrap();
    let plans = |name: &str, model: &str| {
        let file = format!("{name}.toml");
        std::fs::write(folder.join(&file), manifest(&ready, name, model)).unwrap();
        stdout(folder, &["enroll", &file]);
        [FEW, MANY].map(|count| {
            let count = format!("group.{name}.devices.count={count}");
            let plan = stdout(folder, &["plan", &file, "--json", "--set", &count]);
            let plan: Plan = serde_json::from_slice(&plan).unwrap();
            Plan { state: None, ..plan }
        })
    };
    let (thermostats, twenty) = (
        plans("thermo", "\"thermostat\""),
        plans("twenty", "{ dtdl = \"twenty.json\" }"),
    );
    // What is made once is made before.
    held(thermostats[0].clone()).await;
    let mut each = Vec::new();
    for [few, many] in [thermostats, twenty] {
        let (few, many) = (held(few).await, held(many).await);
        each.push((many - few) / i64::from(MANY - FEW));
    }
    let more = each[1] - each[0];
    eprintln!(
        "a thermostat holds {} bytes, a device with twenty capabilities {more} more",
        each[0]
    );
    // A thermostat has its record of readings on the heap, which takes more than the numbers of twenty capabilities.
    assert!(each[0] > 1_000, "devices are online: {each:?}");
    assert!(more <= MOST, "{more} bytes more: {each:?}");
    emulator.interrupt();
    assert_eq!(emulator.end().0, Some(0));
}
