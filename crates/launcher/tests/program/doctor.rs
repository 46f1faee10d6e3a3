//! `fleet doctor` finds what a run would stop at, all of it at once, and changes nothing.

use serde_json::Value;

use crate::figures::emulator;
use crate::support::{EMULATOR, Fleet, SHORT, manifest};

fn findings(fleet: &Fleet, arguments: &[&str], code: i32) -> Vec<Value> {
    let finished = fleet
        .fleet(&[&["doctor"], arguments, &["--format", "json"]].concat())
        .expect(code);
    let all: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(all["can_run"], code == 0, "{all:#}");
    all["findings"].as_array().unwrap().clone()
}

#[track_caller]
fn about<'a>(findings: &'a [Value], area: &str, subject: &str) -> &'a Value {
    let mut all = findings.iter();
    let found = all.find(|finding| finding["area"] == area && finding["subject"].as_str().unwrap().contains(subject));
    found.unwrap_or_else(|| panic!("nothing about {subject} in {findings:#?}"))
}

#[test]
fn a_target_that_works_is_found_good_with_what_it_shows() {
    let fleet = Fleet::new("");
    let (_emulator, target) = emulator(&fleet);
    std::fs::write(fleet.path("fleet.toml"), manifest(&target, SHORT)).unwrap();
    let before = fleet.entries();
    let findings = findings(&fleet, &["fleet.toml"], 0);
    assert_eq!(fleet.entries(), before);
    for (area, subject) in [
        ("machine", "file handles"),
        ("machine", "memory"),
        ("network", "way to localhost"),
        ("token", "enrollment groups"),
    ] {
        assert_eq!(about(&findings, area, subject)["verdict"], "good", "{subject}");
    }
    let shown = about(&findings, "network", "localhost port")["words"].as_str().unwrap();
    assert!(shown.contains("is trusted") && shown.contains("issued by"), "{shown}");
    assert_eq!(
        about(&findings, "certificates", "leaves of thermostats")["verdict"],
        "unknown"
    );
    // The clocks of one machine are one.
    let clocks: Vec<_> = findings
        .iter()
        .filter(|finding| finding["subject"] == "clock")
        .collect();
    assert!(
        clocks
            .iter()
            .any(|clock| clock["words"].as_str().unwrap().contains("application")),
        "{clocks:?}"
    );
    let text = fleet.fleet(&["doctor", "fleet.toml"]).expect(0).stdout;
    assert!(
        text.contains("\nNetwork\n") && text.contains("nothing keeps a run from working"),
        "{text}"
    );
}

#[test]
fn all_that_keeps_a_run_from_working_is_found_at_once_with_its_remedy() {
    let fleet = Fleet::new("");
    let (_emulator, target) = emulator(&fleet);
    fleet.fleet(&["cert", "root", "other"]).expect(0);
    let target = target
        .replace("emulator/ca_cert.pem", "other_cert.pem")
        .replace("file = \"emulator/api_token\"", "env = \"NO_SUCH_TOKEN\"");
    std::fs::write(fleet.path("fleet.toml"), manifest(&target, SHORT)).unwrap();
    let findings = findings(
        &fleet,
        &["fleet.toml", "--set", "target.quota=hub-f1", "--max-quota", "0.001%"],
        2,
    );
    let network: Vec<_> = findings
        .iter()
        .filter(|finding| finding["area"] == "network" && finding["verdict"] == "broken")
        .collect();
    assert_eq!(network.len(), 2, "{network:#?}");
    for finding in network {
        assert!(
            finding["remedy"].as_str().unwrap().contains("`target.ca`"),
            "{finding:#}"
        );
        // What is not trusted is shown all the same.
        assert!(finding["words"].as_str().unwrap().contains("shows `"), "{finding:#}");
    }
    let token = about(&findings, "token", "token");
    assert_eq!(token["verdict"], "broken");
    assert!(
        token["remedy"].as_str().unwrap().starts_with("export NO_SUCH_TOKEN="),
        "{token:#}"
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding["area"] == "quotas" && finding["verdict"] == "broken")
    );
}

#[test]
fn certificates_that_are_wrong_on_purpose_keep_no_run_from_working() {
    let wrong = r#"
[[group]]
id = "expired"
devices = { prefix = "expired-", count = 2 }
expect = "refused"
certificate = "expired"

[load]"#;
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT).replace("\n[load]", wrong));
    fleet.fleet(&["run", "fleet.toml"]).expect(0);
    let findings = findings(&fleet, &["fleet.toml"], 0);
    let leaves = about(&findings, "certificates", "leaves of expired");
    assert_eq!(leaves["verdict"], "good", "{leaves:#}");
    assert_eq!(leaves["words"], "2 certificates, of devices that must be refused");
}

#[test]
fn without_a_manifest_this_machine_is_looked_at_and_nothing_else() {
    let fleet = Fleet::new("");
    let findings = findings(&fleet, &[], 0);
    assert_eq!(about(&findings, "network", "target")["verdict"], "unknown");
    assert!(!findings.iter().any(|finding| finding["area"] == "token"));
    fleet.fleet(&["doctor", "missing.toml"]).expect(2);
    let recorded = Fleet::new(&manifest(EMULATOR, SHORT));
    let refused = recorded
        .fleet(&["doctor", "fleet.toml", "--record", "answers"])
        .expect(2);
    assert!(
        refused.stderr.contains("keeps the answers of Azure"),
        "{}",
        refused.stderr
    );
}

#[test]
fn recorded_answers_hold_nothing_of_the_application() {
    let fleet = Fleet::new("");
    let (_emulator, target) = emulator(&fleet);
    let target = format!("{target}\nid_scope = \"0ne00EMULATOR\"");
    std::fs::write(fleet.path("fleet.toml"), manifest(&target, SHORT)).unwrap();
    fleet.fleet(&["run", "fleet.toml"]).expect(0);
    fleet.fleet(&["doctor", "fleet.toml", "--record", "answers"]).expect(0);
    let text = std::fs::read_to_string(fleet.path("answers/answers.json")).unwrap();
    let token = std::fs::read_to_string(fleet.path("emulator/api_token")).unwrap();
    for secret in [token.trim(), "thermo", "lab-", "0ne00EMULATOR", "localhost"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let answers: Value = serde_json::from_str(&text).unwrap();
    let answers = answers["answers"].as_array().unwrap();
    let of = |asked: &str| {
        let mut all = answers.iter();
        &all.find(|answer| answer["asked"].as_str().unwrap().ends_with(asked))
            .unwrap()["answer"]
    };
    assert_eq!(of("GET /api/devices")["status"], 200);
    assert_eq!(of("GET /api/devices")["body"]["value"].as_array().unwrap().len(), 6);
    assert_eq!(of("GET /api/devices/fleet-doctor-unknown")["status"], 404);
    assert_eq!(of("a certificate that is not enrolled")["connack"], 5);
    assert_eq!(of("another id scope")["connack"], 5);
    assert_eq!(of("a user name that is none")["connack"], 4);
}
