//! `fleet cert`, as a person uses it.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn cert(&self, line: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_fleet"))
            .current_dir(self.0.path())
            .arg("cert")
            .args(line)
            .env("NO_COLOR", "1")
            .env_remove("FLEET_PFX_PASSWORD")
            .output()
            .unwrap()
    }

    /// Does it, and gives what was said on stdout.
    #[track_caller]
    fn done(&self, line: &[&str]) -> String {
        let output = self.cert(line);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Is refused with `code`, and gives what was said on stderr.
    #[track_caller]
    fn refused(&self, line: &[&str], code: i32) -> String {
        let output = self.cert(line);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        stderr
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn the_how_to_s_four_commands_leave_the_how_to_s_files() {
    let folder = Folder::new();
    folder.done(&["root", "mytestrootcert"]);
    folder.done(&["device", "sample-device-01", "mytestrootcert"]);
    folder.done(&["device", "mytestselfcertprimary"]);
    let said = folder.done(&[
        "verification",
        "--ca",
        "mytestrootcert_cert.pem",
        "--key",
        "mytestrootcert_key.pem",
        "--nonce",
        "75B86466DA34D2B04C0C4C9557A119687ADAE7D4732BDDB3",
    ]);
    assert!(said.starts_with("./verification_cert.pem\n"), "{said}");
    let expected: Vec<_> = [
        "mytestrootcert",
        "mytestselfcertprimary",
        "sampleDevice01",
        "verification",
    ]
    .iter()
    .flat_map(|stem| [".pfx", "_cert.pem", "_fullchain.pem", "_key.pem"].map(|end| format!("{stem}{end}")))
    .collect();
    assert_eq!(folder.names(), expected);

    let said = folder.done(&[
        "inspect",
        "sampleDevice01_fullchain.pem",
        "sampleDevice01_key.pem",
        "sampleDevice01.pfx",
        "--ca",
        "mytestrootcert_cert.pem",
        "--registration-id",
        "sample-device-01",
    ]);
    assert!(said.ends_with("Good.\n"), "{said}");
    #[cfg(unix)]
    for name in ["sampleDevice01_key.pem", "sampleDevice01.pfx"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn nothing_is_overwritten_unasked() {
    let folder = Folder::new();
    folder.done(&["root"]);
    let before = fs::read(folder.path("testRootCert_key.pem")).unwrap();
    let said = folder.refused(&["root", "test-root-cert"], 2);
    assert!(
        said.contains("error: `./testRootCert_cert.pem` exists already\n"),
        "{said}"
    );
    assert!(said.contains("hint: --force overwrites"), "{said}");
    assert_eq!(fs::read(folder.path("testRootCert_key.pem")).unwrap(), before);
    folder.done(&["root", "test-root-cert", "--force"]);
    assert_ne!(fs::read(folder.path("testRootCert_key.pem")).unwrap(), before);
}

#[test]
fn a_missing_parent_and_wrong_dates_are_refused_before_anything_is_written() {
    let folder = Folder::new();
    let said = folder.refused(&["device", "thermo-1", "My Root"], 2);
    assert!(
        said.contains("there is no `My Root` here: `./myRoot_cert.pem` is missing"),
        "{said}"
    );
    let said = folder.refused(&["root", "--not-after", "someday"], 2);
    assert!(said.contains("expected a date such as `2026-11-23`"), "{said}");
    let said = folder.refused(&["root", "--not-before", "2027-01-01", "--not-after", "2026-01-01"], 2);
    assert!(
        said.contains("a certificate can't be valid from 2027-01-01T00:00:00Z to 2026-01-01"),
        "{said}"
    );
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn inspect_says_bad_with_its_exit_code_and_names_what_is_missing() {
    let folder = Folder::new();
    folder.done(&["root", "root"]);
    folder.done(&["intermediate", "middle", "root"]);
    folder.done(&["device", "thermo-1", "middle"]);
    folder.done(&["device", "stranger"]);
    let output = folder.cert(&[
        "inspect",
        "thermo1_cert.pem",
        "stranger_key.pem",
        "--ca",
        "root_cert.pem",
        "--format",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["good"], false);
    let text = |file: usize| report["files"][file]["findings"][0]["text"].as_str().unwrap();
    assert_eq!(
        text(0),
        "the chain does not lead to the enrolled CA `root`: after `thermo-1` the certificate of `CN=middle` is missing"
    );
    assert_eq!(text(1), "the key belongs to none of the certificates");
    assert!(!String::from_utf8(output.stdout).unwrap().contains("PRIVATE KEY"));
    let said = folder.refused(&["inspect", "nothing.pem"], 2);
    assert!(said.starts_with("error: cannot read `nothing.pem`"), "{said}");
}

#[test]
fn many_certificates_are_made_at_once_and_again_only_where_they_are_missing() {
    let folder = Folder::new();
    folder.done(&["root", "root"]);
    let line = [
        "device", "thermo-", "root", "--count", "50", "--first", "10", "--width", "3", "--out", "leaves",
    ];
    let said = folder.refused(&line, 2);
    assert!(said.contains("`leaves/root_cert.pem` is missing"), "{said}");
    let line = &line[..9];
    assert!(folder.done(line).starts_with("50 certificates made"));
    assert!(folder.path("thermo-059_fullchain.pem").exists() && !folder.path("thermo-059.pfx").exists());
    assert!(
        folder
            .done(line)
            .starts_with("0 certificates made in ., 50 were there already")
    );
}

#[test]
fn what_expires_is_shown_and_renewed() {
    let folder = Folder::new();
    folder.done(&["root", "root"]);
    folder.done(&["device", "fresh", "root"]);
    folder.done(&["device", "stale", "root", "--days", "3"]);
    let status = folder.done(&["status"]);
    assert!(
        status.contains("  stale  ") && !status.contains("  fresh  "),
        "{status}"
    );
    assert!(status.ends_with("0 expired, 1 ending within 30 days\n"), "{status}");

    let said = folder.done(&["renew", "--expiring-within", "30"]);
    assert!(said.starts_with("stale: valid until"), "{said}");
    assert!(
        folder
            .done(&["status"])
            .ends_with("0 expired, 0 ending within 30 days\n")
    );
    folder.done(&[
        "inspect",
        "stale_fullchain.pem",
        "stale_key.pem",
        "--ca",
        "root_cert.pem",
    ]);

    let said = folder.refused(&["renew", "root"], 2);
    assert!(said.contains("is a CA: everything below it"), "{said}");
    // An expired one makes `status` say so to scripts.
    folder.done(&[
        "device",
        "gone",
        "--not-before",
        "2020-01-01",
        "--not-after",
        "2021-01-01",
    ]);
    assert_eq!(folder.cert(&["status"]).status.code(), Some(1));
}
