//! What `fleet doctor` finds about gateways and Edge CAs.

use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::make::{self, KeyType, Validity};
use serde_json::Value;

use super::{manifest, service};
use crate::support::{EMULATOR, Fleet, SHORT};

/// What `fleet doctor` has found, each as subject, verdict, words and remedy.
fn examined(fleet: &Fleet, arguments: &[&str], code: i32) -> Vec<[String; 4]> {
    let arguments = [&["doctor", "fleet.toml", "--format=json"], arguments].concat();
    let found: Value = serde_json::from_str(&fleet.fleet(&arguments).expect(code).stdout).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = found["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| ["subject", "verdict", "words", "remedy"].map(|key| text(finding, key)))
        .collect()
}

#[track_caller]
fn about<'a>(findings: &'a [[String; 4]], subject: &str) -> [&'a str; 3] {
    let found = findings.iter().find(|[of, ..]| of == subject);
    let [_, verdict, words, remedy] = found.unwrap_or_else(|| panic!("nothing about {subject} in {findings:#?}"));
    [verdict, words, remedy]
}

#[test]
fn doctor_tries_gateways_as_the_devices_behind_them_do() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT, ""));
    let mut service = service(&fleet);
    let port = service.gateways;
    let write = |address: &str| {
        let edge = format!("gateway_address = \"{address}\"");
        let text = manifest(&service.dps, SHORT, &edge).replace("via = \"gw-2\"", "via = \"gw-1\"");
        std::fs::write(fleet.path("fleet.toml"), text).unwrap();
    };
    let gateway = format!("gw-1.gw.local at localhost port {port}");
    write(&format!("localhost:{port}"));
    let before = fleet.entries();
    let findings = examined(&fleet, &[], 0);
    assert_eq!(fleet.entries(), before);
    let [verdict, words, _] = about(&findings, &gateway);
    assert_eq!(verdict, "good", "{words}");
    assert!(
        words.contains("addresses: ") && words.contains("shows `gw-1.gw.local`"),
        "{words}"
    );
    // The devices of this group are real, and their files are looked at all the same.
    let [verdict, words, _] = about(&findings, "leaves of gateways");
    assert!(verdict == "good" && words.starts_with("3 certificates"), "{words}");
    let [verdict, words, _] = about(&findings, "Edge CAs of gateways");
    assert!(verdict == "good" && words.starts_with("3 certificates"), "{words}");

    // The name of another device, which is not the one in the certificate.
    let findings = examined(&fleet, &["--set=group.gateways.hostname={device_id}.elsewhere"], 2);
    let [verdict, words, remedy] = about(&findings, &gateway.replace("gw.local", "elsewhere"));
    assert!(verdict == "broken" && words.contains("is for another name"), "{words}");
    assert_eq!(remedy, "check `group.gateways.hostname`");

    // A root that is not the gateway's, such as that of another generation.
    let bundle = fleet.path("certs/edge/gateways/edge/0001/gw-1/trust_bundle.pem");
    let root = std::fs::read(&bundle).unwrap();
    fleet.fleet(&["cert", "root", "other"]).expect(0);
    std::fs::copy(fleet.path("other_cert.pem"), &bundle).unwrap();
    let findings = examined(&fleet, &[], 2);
    let [verdict, words, remedy] = about(&findings, &gateway);
    assert!(verdict == "broken" && words.contains("trust_bundle.pem"), "{words}");
    assert!(
        remedy.contains("`fleet edge-config MANIFEST --device gw-1` lists the files"),
        "{remedy}"
    );

    // Before anything is made, there is nothing to verify a gateway by.
    let findings = examined(&fleet, &["--set=fleet.certs=none"], 0);
    let [verdict, words, remedy] = about(&findings, &gateway);
    assert!(verdict == "warning" && words.contains("is not made yet"), "{words}");
    assert!(remedy.contains("--device gw-1` makes it"), "{remedy}");
    let [verdict, ..] = about(&findings, "Edge CAs of gateways");
    assert_eq!(verdict, "unknown");

    std::fs::write(&bundle, root).unwrap();
    service.running.kill();
    let findings = examined(&fleet, &[], 2);
    let [verdict, words, remedy] = about(&findings, &gateway);
    let refused = format!("localhost refuses connections on port {port}\naddresses: ");
    assert!(verdict == "broken" && words.starts_with(&refused), "{words}");
    assert!(remedy.starts_with("check `group.gateways.gateway_address`"), "{remedy}");
    let text = fleet.fleet(&["doctor", "fleet.toml"]).expect(2).stdout;
    let line = format!("  failed  {gateway}: localhost refuses connections on port {port}\n");
    assert!(text.contains(&line), "{text}");
}

/// Puts a certificate of other dates in the place of an Edge CA.
fn end_edge_ca(fleet: &Fleet, device: &str, validity: Validity) {
    let ends = make::self_signed("edge CA", KeyType::P256, validity).unwrap();
    let path = format!("certs/edge/gateways/edge/0001/{device}/edge_ca_cert.pem");
    std::fs::write(fleet.path(&path), ends.cert_pem()).unwrap();
}

#[test]
fn doctor_names_each_edge_ca_that_has_to_be_replaced() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT, ""));
    let nothing = examined(&fleet, &[], 0);
    assert_eq!(about(&nothing, "Edge CAs of gateways")[0], "unknown");
    assert!(about(&nothing, "target")[1].contains("stands for the gateways"));
    fleet.fleet(&["edge-config", "fleet.toml", "--device=gw-1"]).expect(0);

    let now = Timestamp::now();
    end_edge_ca(&fleet, "gw-2", Validity::days(now - SignedDuration::from_hours(48), 1));
    end_edge_ca(&fleet, "gw-3", Validity::days(now, 2));
    let findings = examined(&fleet, &[], 2);
    let [verdict, words, _] = about(&findings, "Edge CAs of gateways");
    assert!(verdict == "good" && words.starts_with("1 certificate,"), "{words}");
    for (device, expected, ending) in [("gw-2", "broken", "1 expired"), ("gw-3", "warning", "")] {
        let [verdict, words, remedy] = about(&findings, &format!("Edge CA of {device}"));
        assert!(verdict == expected && words.ends_with(ending), "{verdict}: {words}");
        let words = format!("edge/0001/{device}`: `fleet edge-config MANIFEST --device {device}` makes it again");
        assert!(remedy.contains(&words), "{remedy}");
    }
    // The remedy is one.
    for device in ["gw-2", "gw-3"] {
        let folder = format!("certs/edge/gateways/edge/0001/{device}");
        std::fs::remove_dir_all(fleet.path(&folder)).unwrap();
    }
    fleet.fleet(&["edge-config", "fleet.toml", "--device=gw-2"]).expect(0);
    let findings = examined(&fleet, &[], 0);
    assert!(about(&findings, "Edge CAs of gateways")[1].starts_with("3 certificates,"));

    let broken = fleet.path("certs/edge/gateways/edge/0001/gw-1/trust_bundle.pem");
    std::fs::write(broken, "no certificate").unwrap();
    let findings = examined(&fleet, &[], 2);
    let [verdict, words, _] = about(&findings, "Edge CA of gw-1");
    assert!(verdict == "broken" && words.contains("trust_bundle.pem"), "{words}");
}
