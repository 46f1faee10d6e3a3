//! The program: its one line, its files, its ends, and what it refuses.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Command;

use iot_emulator::Quota;

use crate::process::{Program, program};

#[test]
fn one_line_names_every_address_and_the_end_of_stdin_is_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut program = Program::start(program(&state).args([
        "--ws",
        "127.0.0.1:0",
        "--gateway",
        "gw.local=127.0.0.1:0",
        "--stop-on-stdin-eof",
    ]));
    let ready = &program.ready.0;
    assert_eq!(ready["ready"], true);
    assert_eq!(
        (&ready["hostname"], &ready["id_scope"]),
        (&"localhost".into(), &"0ne00EMULATOR".into())
    );
    for address in ["mqtt", "ws", "https", "http"] {
        assert_ne!(program.ready.address(address).port(), 0);
    }
    let gateway = &ready["gateways"][0];
    assert_eq!(
        (&gateway["device"], &gateway["hostname"]),
        (&"gw".into(), &"gw.local".into())
    );
    assert_ne!(program.ready.gateway(0).port(), 0);
    assert_eq!(ready["state"], state.to_str().unwrap());
    assert!(program.read("ca").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(program.read("api_token_file").starts_with("SharedAccessSignature sr="));
    drop(program.child.get_mut().unwrap().stdin.take());
    assert_eq!(program.end(), (String::new(), true));
}

#[cfg(unix)]
#[test]
fn sigterm_ends_it_in_good_order_while_stdin_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(program(folder.path()).arg("--stop-on-stdin-eof"));
    let kill = Command::new("kill")
        .args(["-TERM", &program.child.lock().unwrap().id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    assert_eq!(program.end(), (String::new(), true));
}

#[test]
fn a_busy_port_is_named_with_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_iot-emulator"))
        .args([
            "--mqtt",
            &address,
            "--https",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--state",
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains(&format!("can't listen on {address} (`--mqtt`)")),
        "{words}"
    );
    assert!(output.stdout.is_empty() && !output.status.success());
}

#[test]
fn a_state_folder_is_for_one_program_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Program::start(&mut program(folder.path()));
    let output = program(folder.path()).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("emulator.redb is in use by another emulator") && words.lines().count() == 1,
        "{words}"
    );
    assert!(output.stdout.is_empty() && !output.status.success());
    first.kill();
    Program::start(&mut program(folder.path())).kill();
}

#[test]
fn what_makes_no_sense_is_refused_with_the_code_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_iot-emulator"))
        .args([
            "--mqtt",
            "127.0.0.1:0",
            "--https",
            "127.0.0.1:0",
            "--http",
            "0.0.0.0:0",
            "--state",
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("`--http 0.0.0.0:0` is not a loopback address"),
        "{stderr}"
    );
}

#[tokio::test]
async fn the_program_refuses_bad_settings_and_reports_all_of_them() {
    let error = Quota::load("iot-centrl").unwrap_err();
    assert!(error.to_string().starts_with("iot-centrl: can't be read"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[hub]\nconnects = 1\nmesages = \"2/s\"\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_iot-emulator"))
        .args(["--quota".as_ref(), file.as_os_str()])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("bad.toml:2: `hub.connects` is an integer; accepted: a rate such as")
            && stderr.contains("`hub.mesages`"),
        "{stderr}"
    );
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_iot-emulator"))
        .args(["--quota=hub-s3", "--units=11", "--state"])
        .arg(folder.path().join("state"))
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("`--units`: hub-s3 has from 1 to 10 units"), "{told}");
}

#[test]
fn the_link_begins_where_people_reach_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(program(folder.path()).arg("--page-url=https://localhost:18443/"));
    let mut line = String::new();
    BufReader::new(program.child.get_mut().unwrap().stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(
        line.starts_with("look at it: https://localhost:18443/sign-in?code="),
        "{line}"
    );
    program.kill();

    for wrong in [
        "localhost:8443",
        "ftp://localhost",
        "https://a@localhost",
        "https://localhost/?a=b",
        "https:///x",
    ] {
        let refused = Command::new(env!("CARGO_BIN_EXE_iot-emulator"))
            .arg(format!("--page-url={wrong}"))
            .output()
            .unwrap();
        let words = String::from_utf8(refused.stderr).unwrap();
        assert!(words.contains("such as https://localhost:8443"), "{wrong}: {words}");
        assert_eq!(refused.status.code(), Some(2));
    }
}
