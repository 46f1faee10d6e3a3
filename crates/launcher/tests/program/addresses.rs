//! More devices than one address of this machine has ports for, in a network of the test's own that has few of them.

use std::process::{Command, Stdio};

use testing::skip;

use crate::support::{Finished, Fleet, failures};

/// A network in which 100 connections may begin at each address. What a registration leaves behind in TIME_WAIT is used again,
/// as it is on loopback by default.
const FEW_PORTS: &str = "ip link set lo up && cd /proc/sys/net/ipv4 && echo 40000 40099 > ip_local_port_range \
                         && echo 1 > tcp_tw_reuse && cd - >/dev/null && exec \"$@\"";

const MANIFEST: &str = r#"
[fleet]
name = "addresses"
[target]
kind = "emulator"
[[group]]
id = "thermostats"
devices = { prefix = "t-", count = 350 }
[load]
register_rate = "1000/s"
connect_rate = "1000/s"
stages = ["100%@2s", "100%@5s"]
"#;

/// Runs the fleet in such a network; `None` where a network can't be made.
fn run(load: &str) -> Option<(Finished, Fleet)> {
    let fleet = Fleet::new(&format!("{MANIFEST}{load}"));
    let inside = fleet.command(&[
        "run",
        "fleet.toml",
        "--report",
        "report",
        "--ui",
        "lines",
        "--web",
        "off",
        "--keep-going",
    ]);
    let mut command = Command::new("unshare");
    command
        .args(["--net", "sh", "-c", FEW_PORTS, "sh"])
        .arg(inside.get_program())
        .args(inside.get_args())
        .current_dir(fleet.path("."));
    let made = Command::new("unshare")
        .args(["--net", "sh", "-c", FEW_PORTS, "sh", "true"])
        .stdin(Stdio::null())
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        skip("a network of its own takes root, `unshare` and `ip`");
        return None;
    }
    Some((command.output().unwrap().into(), fleet))
}

#[test]
fn devices_beyond_the_ports_of_one_address_begin_at_several() {
    let Some((finished, fleet)) = run("source_addresses = [\"127.0.0.2-127.0.0.4\", \"127.0.0.9\"]\n") else {
        return;
    };
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let report = fleet.report();
    assert_eq!(report["devices"]["connected"], 350, "{:#}", report["devices"]);
    assert_eq!(failures(&report, "devices_failed", Some("tcp_no_local_port")), 0);
}

#[test]
fn without_them_it_is_the_ports_that_are_missing() {
    let Some((finished, fleet)) = run("") else { return };
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let report = fleet.report();
    assert!(
        report["devices"]["connected"].as_u64() <= Some(100),
        "{:#}",
        report["devices"]
    );
    assert!(
        failures(&report, "devices_failed", Some("tcp_no_local_port")) > 0,
        "{:#}",
        report["errors"]
    );
}

#[test]
fn addresses_of_other_machines_are_refused_before_anything_is_made() {
    // 198.51.100.0/24 is for documentation, and no machine's.
    let fleet = Fleet::new(&format!(
        "{MANIFEST}source_addresses = [\"127.0.0.2\", \"198.51.100.7\"]\n"
    ));
    let refused = fleet.fleet(&["run", "fleet.toml"]).expect(2);
    insta::assert_snapshot!(refused.stderr);
    assert_eq!(fleet.entries(), ["fleet.toml"]);
}
