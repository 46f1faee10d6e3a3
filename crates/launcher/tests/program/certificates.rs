//! What a manifest says about certificates, as the real program does it.

use std::fs;

use jiff::Timestamp;
use provisioning::identities::{GroupIdentities, Issuer};

use crate::support::{EMULATOR, Fleet, SHORT, manifest};

#[test]
fn a_fleet_with_secondary_certificates_enrolls_both_and_comes_with_either() {
    let text = manifest(EMULATOR, SHORT)
        .replace("count = 4 }", "count = 4 }\nsecondary = true")
        .replace("count = 2 }", "count = 2 }\nsecondary = true");
    let fleet = Fleet::new(&text);
    let first = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    for words in [
        "test CA made: `thermostats root 0002` and below it `thermostats intermediate 0002`",
        "CA `thermostats root` uploaded as primary certificate of group thermostats",
        "CA `thermostats root 0002` uploaded as secondary certificate of group thermostats",
        "4 self-signed certificates made, 0 reused",
        "2 certificates of device lab-0001 uploaded",
    ] {
        assert!(first.stderr.contains(words), "no `{words}` in\n{}", first.stderr);
    }
    assert_eq!(first.figure("connected"), 6, "{}", first.stdout);

    // DPS takes the secondary as well: from now on one device shows nothing else.
    fs::write(fleet.path("certs/small/individual/lab-0001/current"), "secondary\n").unwrap();
    let second = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    assert!(
        second.stderr.contains("0 self-signed certificates made, 4 reused"),
        "{}",
        second.stderr
    );
    assert_eq!(second.figure("connected"), 6, "{}", second.stdout);
    fleet.wait_until_nothing_runs();
}

const TWO_GROUPS: &str = r#"
[fleet]
name = "small"

[target]
kind = "emulator"

[[group]]
id = "main"
key = "p384"
validity = "12h"
devices = { prefix = "main-", count = 2 }

[[group]]
id = "annex"
root = "main"
devices = { prefix = "annex-", count = 2 }

[load]
stages = ["100%@1s", "100%@1s", "0%@500ms"]
"#;

#[test]
fn groups_that_share_a_root_are_enrolled_apart_and_what_is_on_disk_stays() {
    let fleet = Fleet::new(TWO_GROUPS);
    let first = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    for words in [
        "test CA made: `main root` and below it `main intermediate`",
        "test CA made below `main root`: `annex intermediate`",
        "CA `main root` uploaded as primary certificate of group main",
        "CA `annex intermediate` uploaded as primary certificate of group annex",
    ] {
        assert!(first.stderr.contains(words), "no `{words}` in\n{}", first.stderr);
    }
    assert_eq!(first.figure("connected"), 4, "{}", first.stdout);
    let leaf = fleet.path("certs/small/main/leaves/0001/main-0001_cert.pem");
    let shown = fleet.fleet(&["cert", "inspect", leaf.to_str().unwrap()]);
    assert!(shown.stdout.contains("P-384"), "{}", shown.stdout);

    let second = fleet
        .fleet(&["run", "fleet.toml", "--set", "group.main.key=p256"])
        .expect(0);
    for words in [
        "CA `main root` has another key than P-256, and stays as it is",
        "2 of them have other keys than P-256, and stay as they are",
    ] {
        assert!(second.stderr.contains(words), "no `{words}` in\n{}", second.stderr);
    }
    assert_eq!(second.figure("connected"), 4, "{}", second.stdout);
    fleet.wait_until_nothing_runs();
}

#[test]
fn two_groups_with_the_same_ca_are_refused_before_anything_starts() {
    let fleet = Fleet::new(&TWO_GROUPS.replace("root = \"main\"\n", ""));
    let certs = fleet.path("certs/small");
    fs::create_dir_all(certs.join("annex/ca")).unwrap();
    GroupIdentities::open_or_create(
        &certs,
        "main",
        Issuer::Intermediate,
        ["main-0001"],
        Timestamp::now(),
        &|_, _| {},
    )
    .unwrap();
    for file in ["root_cert.pem", "root_key.pem"] {
        fs::copy(certs.join("main/ca").join(file), certs.join("annex/ca").join(file)).unwrap();
    }
    let refused = fleet.fleet(&["run", "fleet.toml"]).expect(2);
    for words in [
        "the groups `main` and `annex` would enroll the same CA `main root`",
        "hint: enroll = \"intermediate\"",
    ] {
        assert!(refused.stderr.contains(words), "no `{words}` in\n{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("emulator ready"), "{}", refused.stderr);
}
