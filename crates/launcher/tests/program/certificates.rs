//! What a manifest says about certificates, as the real program does it.

use std::fs;

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
