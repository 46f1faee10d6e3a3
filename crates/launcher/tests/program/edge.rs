//! Fleets behind IoT Edge gateways, and the configuration of a real Edge device.

mod doctor;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use jiff::Timestamp;
use mqtt_link::TrustRoots;
use provisioning::central::{ApiToken, Central};
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::certificate::load::Identity;
use provisioning::certificate::make::{CertificateAuthority, KeyType, Validity};
use serde_json::Value;
use testing::emulator::Place;

use crate::support::{EMULATOR, Finished, Fleet, LONG, Running, SHORT, central, dps};

const CHILDREN: [&str; 4] = ["down-0001", "down-0002", "down-lab", "other-0001"];

/// Two gateways with devices behind them, of a group and individual ones, and two devices beside.
fn manifest(target: &str, stages: &str, edge: &str) -> String {
    format!(
        r#"
[fleet]
name = "edge"
seed = 7

[target]
{target}

[[group]]
id = "gateways"
kind = "edge"
devices = {{ prefix = "gw-", count = 3, width = 1 }}
{edge}

[[group]]
id = "downstream"
via = "gw-1"
devices = {{ prefix = "down-", count = 2 }}
telemetry = {{ interval = "500ms" }}

[[group]]
id = "others"
via = "gw-2"
issuer = "root"
devices = {{ prefix = "other-", count = 1 }}
telemetry = {{ interval = "500ms" }}

[[individual]]
device_id = "down-lab"
via = "gw-1"
telemetry = {{ interval = "500ms" }}

[[individual]]
devices = {{ prefix = "lab-", count = 2 }}
telemetry = {{ interval = "500ms" }}

[load]
stages = [{stages}]
"#
    )
}

/// What an emulator answers on its port without TLS.
fn ask(address: &str, token: &Path, path: &str) -> Value {
    let token = std::fs::read_to_string(token).unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "GET {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: {}\r\n\r\n",
        token.trim()
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    serde_json::from_str(body).unwrap()
}

/// The devices of which the journal holds such an event, with the value of one of its fields.
fn journal_of(journal: &Value, event: &str, field: &str) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = journal.as_array().unwrap().iter();
    entries
        .filter(|entry| entry["event"] == event)
        .map(|entry| (text(&entry["device"]), text(&entry[field])))
        .collect()
}

fn set(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn children_come_through_their_gateways_and_the_others_do_not() {
    let target = format!("{EMULATOR}\nhubs = 2");
    let fleet = Fleet::new(&manifest(&target, LONG, "hostname = \"{device_id}.factory.local\""));
    let mut running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    let line = running.wait_for("look at it: http://");
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    running.wait_for("gateway gw-1: gw-1.factory.local on 127.0.0.1:");
    running.wait_for("3 children of gw-1: 3 new, 0 known");
    running.wait_for("all 9 devices online");
    running.wait_for("acknowledged");

    let journal = ask(
        &address,
        &fleet.path("state/edge/emulator/api_token"),
        "/emulator/journal?since=0",
    );
    let through = journal_of(&journal, "through_gateway", "gateway");
    let expected = [
        ("down-0001", "gw-1"),
        ("down-0002", "gw-1"),
        ("down-lab", "gw-1"),
        ("other-0001", "gw-2"),
    ];
    assert_eq!(through, set(&expected), "{journal:#}");
    // The Edge devices have registered like others, and none of those behind one.
    let registered = journal_of(&journal, "registered", "device");
    let registered: Vec<&str> = registered.iter().map(|(device, _)| device.as_str()).collect();
    assert_eq!(registered, ["gw-1", "gw-2", "gw-3", "lab-0001", "lab-0002"]);

    running.interrupt();
    let (code, progress) = running.end();
    assert_eq!(code, Some(130), "{progress}");
    let report = fleet.report();
    assert_eq!(report["devices"]["failed"], 0);
    assert_eq!(report["target"]["received_unique"], report["telemetry"]["acked"]);
    // Nothing was made twice, and the children are remembered.
    let again = fleet.fleet(&["run", "fleet.toml", "--duration=4s"]).expect(0);
    assert!(
        again.stderr.contains("3 children of gw-1: 0 new, 3 known"),
        "{}",
        again.stderr
    );
    assert!(!again.stderr.contains("Edge CAs"), "{}", again.stderr);
    assert_eq!(again.figure("connected"), 9);
}

/// An emulator of its own with gateways below the fleet's Edge CAs, and the two ends of manifests for it.
struct Service {
    running: Running,
    http: String,
    central: String,
    dps: String,
    gateways: u16,
}

fn service(fleet: &Fleet) -> Service {
    for device in ["gw-1", "gw-2"] {
        fleet
            .fleet(&["edge-config", "fleet.toml", "--device", device])
            .expect(0);
    }
    let mut arguments = vec![
        "emulator".to_owned(),
        "--dps-retry-after=1".into(),
        "--state=emulator".into(),
    ];
    arguments.extend(["mqtt", "https", "http"].map(|port| format!("--{port}=127.0.0.1:0")));
    for device in ["gw-1", "gw-2"] {
        arguments.push(format!("--gateway={device}@{device}.gw.local=127.0.0.1:0"));
        arguments.push(format!("--edge-ca={device}=certs/edge/gateways/edge/0001/{device}"));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (running, ready) = fleet.start_emulator(&arguments);
    Service {
        running,
        http: ready.http().to_string(),
        central: central(&ready),
        dps: format!("kind = \"dps\"\nid_scope = {}\n{}", ready.0["id_scope"], dps(&ready)),
        gateways: ready.gateway(0).port(),
    }
}

#[test]
fn a_device_that_is_no_child_any_more_is_parked_with_the_reason() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT, ""));
    let mut service = service(&fleet);
    let address = format!("simulated = true\ngateway_address = \"127.0.0.1:{}\"", service.gateways);
    // One gateway is enough here.
    let write = |name: &str, target: &str| {
        let text = manifest(target, SHORT, &address).replace("via = \"gw-2\"", "via = \"gw-1\"");
        std::fs::write(fleet.path(name), text).unwrap();
    };
    write("central.toml", &service.central);
    write("dps.toml", &service.dps);

    // As IoT Central has it: a device behind a gateway gets its hub by registering once, past the gateway.
    let run = fleet.fleet(&["run", "central.toml"]).expect(0);
    assert_eq!(
        (run.figure("connected"), run.figure("failed")),
        (9, 0),
        "{}",
        run.stdout
    );
    assert_eq!(run.figure("received"), run.figure("acknowledged"));
    assert!(
        run.stderr.contains("4 devices behind gw-1 registered past it"),
        "{}",
        run.stderr
    );
    let token = fleet.path("emulator/api_token");
    let journal = ask(&service.http, &token, "/emulator/journal?since=0");
    let through = journal_of(&journal, "through_gateway", "gateway");
    assert_eq!(through, set(&CHILDREN.map(|child| (child, "gw-1"))), "{journal:#}");
    let group = ask(
        &service.http,
        &token,
        "/api/enrollmentGroups/gateways?api-version=2022-07-31",
    );
    assert_eq!(group["type"], "iotEdge");

    let token = std::fs::read_to_string(token).unwrap();
    let central = Central::new(
        &format!("http://{}", service.http),
        &ApiToken::new(&token),
        TrustRoots::WebPki,
    )
    .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime
        .block_on(central.delete_relationship("gw-1", "down-0002"))
        .unwrap();
    // With real Edge devices, the fleet is that much smaller.
    let set = "--set=group.gateways.simulated=false";
    let run: Finished = fleet.fleet(&["run", "dps.toml", set]).expect(1);
    assert_eq!(
        (run.figure("connected"), run.figure("failed")),
        (5, 1),
        "{}",
        run.stdout
    );
    let why = "down-0002 is parked: the gateway gw-1 refuses it (";
    assert!(run.stderr.contains(why), "{}", run.stderr);
    assert!(run.stderr.contains("it has to be a child of gw-1"), "{}", run.stderr);
    assert!(run.stdout.contains("gateway_refused"), "{}", run.stdout);
    service.running.kill();
}

/// The keys that a configuration of IoT Edge may have here, with those that it must have.
fn check_keys(table: &toml::Table, required: &[&str], optional: &[&str]) {
    for key in required {
        assert!(table.contains_key(*key), "{key} is missing in {table}");
    }
    for key in table.keys() {
        assert!(
            required.contains(&key.as_str()) || optional.contains(&key.as_str()),
            "{key}"
        );
    }
}

/// The file behind a `file://` address.
fn file(table: &toml::Table, key: &str) -> std::path::PathBuf {
    let url = reqwest::Url::parse(table[key].as_str().unwrap()).unwrap();
    assert_eq!(url.scheme(), "file", "{url}");
    let path = url.to_file_path().unwrap();
    assert!(path.is_absolute(), "{url}");
    path
}

#[test]
fn a_configuration_of_iot_edge_is_one_and_its_certificates_are_those_of_the_device() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT, ""));
    let command = ["edge-config", "fleet.toml", "--device=gw-2", "--id-scope=0ne00ABCDEF"];
    let written = fleet.fleet(&command).expect(0);
    let config: toml::Table = written.stdout.parse().unwrap();
    check_keys(
        &config,
        &["hostname", "trust_bundle_cert", "provisioning", "edge_ca"],
        &["auto_reprovisioning_mode"],
    );
    assert_eq!(config["hostname"].as_str(), Some("gw-2.gw.local"));
    let modes = ["Dynamic", "AlwaysOnStartup", "OnErrorOnly"];
    assert!(modes.contains(&config["auto_reprovisioning_mode"].as_str().unwrap()));
    let provisioning = config["provisioning"].as_table().unwrap();
    check_keys(
        provisioning,
        &["source", "global_endpoint", "id_scope", "attestation"],
        &[],
    );
    assert_eq!(provisioning["source"].as_str(), Some("dps"));
    let endpoint = "https://global.azure-devices-provisioning.net";
    assert_eq!(provisioning["global_endpoint"].as_str(), Some(endpoint));
    assert_eq!(provisioning["id_scope"].as_str(), Some("0ne00ABCDEF"));
    let attestation = provisioning["attestation"].as_table().unwrap();
    check_keys(
        attestation,
        &["method", "identity_cert", "identity_pk"],
        &["registration_id"],
    );
    assert_eq!(attestation["method"].as_str(), Some("x509"));
    assert_eq!(attestation["registration_id"].as_str(), Some("gw-2"));

    // Leaf first, named like the registration id, with the key that belongs to it.
    let identity = Identity::load(&file(attestation, "identity_cert"), &file(attestation, "identity_pk")).unwrap();
    identity.check("gw-2", Timestamp::now()).unwrap();
    assert_eq!(identity.chain().len(), 2, "the leaf and its intermediate");
    let edge_ca = config["edge_ca"].as_table().unwrap();
    check_keys(edge_ca, &["cert", "pk"], &[]);
    let edge_ca = CertificateAuthority::load(&file(edge_ca, "cert"), &file(edge_ca, "pk")).unwrap();
    let root = std::fs::read(file(&config, "trust_bundle_cert")).unwrap();
    let root = CertificateFacts::from_pem(&root, "trust_bundle_cert").unwrap();
    assert!(root.is_ca && edge_ca.facts().is_ca);
    assert_eq!(root.issuer_common_name, root.common_name);
    assert_eq!(edge_ca.facts().issuer_common_name, root.common_name);
    // The runtime makes its server certificates below it.
    edge_ca
        .leaf("gw-2.gw.local", KeyType::P256, Validity::leaf(Timestamp::now()))
        .unwrap();

    // A second time it is the same, elsewhere on the device it is named there, and a file is not overwritten.
    assert_eq!(fleet.fleet(&command).expect(0).stdout, written.stdout);
    let mut command = command.to_vec();
    command.extend(["--prefix=/var/aziot", "--no-registration-id", "--out=config.toml"]);
    let written = fleet.fleet(&command).expect(0);
    assert_eq!(written.stdout, "");
    let config: toml::Table = std::fs::read_to_string(fleet.path("config.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let attestation = config["provisioning"]["attestation"].as_table().unwrap();
    assert!(!attestation.contains_key("registration_id"));
    let identity = "file:///var/aziot/certs/gw-2_fullchain.pem";
    assert_eq!(attestation["identity_cert"].as_str(), Some(identity));
    let copy = "gw-2/edge_ca_key.pem -> /var/aziot/secrets/edge_ca_key.pem";
    assert!(written.stderr.contains(copy), "{}", written.stderr);
    let again = fleet.fleet(&command).expect(2);
    assert!(
        again.stderr.contains("`config.toml` exists already"),
        "{}",
        again.stderr
    );
}

#[test]
fn a_configuration_is_for_edge_devices_of_the_manifest_only() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT, ""));
    for (device, words) in [
        (
            "gw1",
            "there is no device `gw1` in the manifest\nhint: did you mean `gw-1`?",
        ),
        ("GW-1", "did you mean `gw-1`?"),
        (
            "down-0001",
            "down-0001 is no IoT Edge device\nhint: those are in a [[group]] with kind = \"edge\"",
        ),
        ("lab-0001", "lab-0001 is no IoT Edge device"),
    ] {
        let refused = fleet
            .fleet(&["edge-config", "fleet.toml", "--device", device])
            .expect(2);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let relative = fleet.fleet(&["edge-config", "fleet.toml", "--device=gw-1", "--prefix=secrets"]);
    let words = "--prefix `secrets` is not an absolute path";
    assert!(relative.expect(2).stderr.contains(words));
    assert_eq!(fleet.entries(), ["fleet.toml"], "nothing was made");
}
