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

struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

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

    /// Does it, or is refused.
    fn fleet(&self, line: &[&str]) -> Said {
        let output = self.cert(line);
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
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
            .filter(|name| name != ".lock")
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
fn what_is_made_is_named_with_its_password_unless_that_is_a_secret() {
    let folder = Folder::new();
    folder.done(&["root", "r"]);
    let made = folder.fleet(&["device", "thermo-1", "r"]);
    assert_eq!(made.stdout.lines().count(), 4, "{}", made.stdout);
    assert_eq!(
        made.stderr,
        "made with the common name `thermo-1`; password of the PFX file: 1234\n"
    );
    let made = folder.fleet(&["device", "thermo-2", "r", "--password", "s3cret", "--legacy-pfx"]);
    assert!(
        made.stderr.ends_with("password of the PFX file: the one given\n"),
        "{}",
        made.stderr
    );
    let said = folder.done(&["inspect", "thermo2.pfx", "--password", "s3cret", "--ca", "r_cert.pem"]);
    assert!(said.ends_with("Good.\n"), "{said}");
}

#[test]
fn a_name_that_azure_does_not_take_is_warned_of_as_inspect_does() {
    let folder = Folder::new();
    for (name, words) in [
        ("Device 42", "warning: `Device 42` can't be a registration id"),
        ("Device43", "warning: `Device43` has capital letters"),
        ("dev_44", "warning: IoT Central takes only letters, digits and `-`"),
        ("dév-45", "warning: `dév-45` can't be a registration id"),
    ] {
        let made = folder.fleet(&["device", name]);
        assert!(made.stderr.contains(words), "{}", made.stderr);
    }
    let many = folder.fleet(&["device", "pump_", "--count", "1"]);
    assert!(many.stdout.starts_with("1 certificate made in ."), "{}", many.stdout);
    assert!(many.stderr.contains("unlike `pump_0001`"), "{}", many.stderr);
}

#[test]
fn a_ca_in_another_folder_and_one_that_was_made_again() {
    let folder = Folder::new();
    folder.done(&["root", "r"]);
    folder.done(&["intermediate", "i", "r"]);
    folder.done(&[
        "device", "thermo-", "i", "--count", "3", "--out", "devices", "--ca-dir", ".",
    ]);
    folder.done(&["device", "b-1", "i"]);
    let again = folder.fleet(&["root", "r", "--force"]);
    assert!(
        again.stderr.starts_with(
            "warning: 2 certificates were signed below the former `r`, and no chain leads from them to the new one: \
             ./b1_cert.pem ./i_cert.pem\nhint: "
        ),
        "{}",
        again.stderr
    );
    let below = folder.fleet(&["device", "b-2", "i"]);
    assert!(
        below.stderr.contains("warning: `i` was signed by a former `r`")
            && below
                .stderr
                .contains("hint: `fleet cert intermediate \"i\" \"r\" --force`"),
        "{}",
        below.stderr
    );
}

#[test]
fn a_parent_is_a_path_or_a_name_that_is_looked_for_here_and_then_in_out() {
    let folder = Folder::new();
    folder.done(&["root", "My Root"]);
    // As the how-to has it: the CA is here, and the devices go elsewhere.
    folder.done(&["device", "t-1", "My Root", "--out", "devices"]);
    folder.done(&["device", "t-2", "myRoot_cert.pem", "--out", "devices"]);
    folder.done(&["intermediate", "between", "./myRoot", "--out", "devices"]);
    folder.done(&["device", "t-3", "between", "--out", "devices"]);
    folder.done(&["device", "t-4", "devices/between_cert.pem"]);
    folder.done(&["verification", "--ca", "My Root", "--nonce", "CODE"]);
    let proof = [
        "verification",
        "--ca",
        "devices/between_cert.pem",
        "--nonce",
        "CODE",
        "--out",
        "proof",
    ];
    folder.done(&proof);
    let unnamed = folder.fleet(&[
        "verification",
        "--ca",
        "devices/t1.pfx",
        "--nonce",
        "CODE",
        "--out",
        "proof",
    ]);
    assert_eq!(unnamed.code, Some(2));
    assert!(
        unnamed.stderr.contains("hint: --key FILE names it"),
        "{}",
        unnamed.stderr
    );

    // The same CA in both is no conflict, another one of the name is.
    for end in ["cert", "key", "fullchain"] {
        let name = format!("myRoot_{end}.pem");
        std::fs::copy(folder.path(&name), folder.path(&format!("devices/{name}"))).unwrap();
    }
    folder.done(&["device", "t-5", "My Root", "--out", "devices"]);
    folder.done(&["root", "My Root", "--out", "devices", "--force"]);
    let two = folder.fleet(&["device", "t-6", "My Root", "--out", "devices"]);
    assert_eq!(two.code, Some(2));
    let words = "there are two CAs called `My Root`: `./myRoot_cert.pem` and `devices/myRoot_cert.pem` are different";
    assert!(two.stderr.contains(words), "{}", two.stderr);
    folder.done(&["device", "t-6", "My Root", "--out", "devices", "--ca-dir", "devices"]);
    folder.done(&["device", "t-7", "devices/myRoot_cert.pem"]);
    folder.done(&["renew", "t-3", "--out", "devices"]);
    folder.done(&["root", "near"]);
    folder.done(&["device", "t-9", "near", "--out", "devices"]);
    folder.done(&["renew", "t-9", "--out", "devices"]);

    let missing = folder.fleet(&["device", "t-8", "nowhere", "--out", "devices"]);
    assert!(
        missing.stderr.contains("give the path of its certificate"),
        "{}",
        missing.stderr
    );
}

#[test]
fn an_expired_leaf_is_one_command_below_a_ca_that_was_just_made() {
    let folder = Folder::new();
    folder.done(&["root", "r"]);
    folder.done(&["device", "old", "r", "--expired"]);
    let seen = folder.fleet(&["inspect", "old_fullchain.pem", "--ca", "r_cert.pem"]);
    assert_eq!(seen.code, Some(1));
    assert!(seen.stdout.contains("expired"), "{}", seen.stdout);
    let both = folder.fleet(&["device", "other", "r", "--expired", "--days", "3"]);
    assert!(
        both.code == Some(2) && both.stderr.contains("cannot be used with"),
        "{}",
        both.stderr
    );
}

#[test]
fn a_second_proof_needs_no_force_and_its_code_may_come_with_braces() {
    let folder = Folder::new();
    folder.done(&["root", "r"]);
    let proof = |code: &str| {
        folder.fleet(&[
            "verification",
            "--ca",
            "r_cert.pem",
            "--key",
            "r_key.pem",
            "--nonce",
            code,
        ])
    };
    assert_eq!(proof("{AAAA} \n").code, Some(0));
    let second = proof("BBBB");
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(
        second
            .stderr
            .contains("note: the verification certificate for the earlier code `AAAA` was replaced"),
        "{}",
        second.stderr
    );
    assert_eq!(proof("{ }").code, Some(2));
}

#[test]
fn an_expired_certificate_can_be_made_and_wrong_dates_are_blamed_rightly() {
    let folder = Folder::new();
    folder.done(&["root", "old", "--not-before", "2026-01-01"]);
    let past = ["--not-before", "2026-01-01", "--not-after", "2026-02-01"];
    folder.done(&[&["device", "thermo-1", "old"][..], &past].concat());
    let reversed = folder.fleet(&["device", "thermo-2", "old", "--not-after", "2026-01-01"]);
    assert_eq!(reversed.code, Some(2));
    assert!(
        reversed
            .stderr
            .contains("it would end before it begins\nhint: without --not-before"),
        "{}",
        reversed.stderr
    );
    folder.done(&["root", "new"]);
    let outside = folder.fleet(&[&["device", "thermo-3", "new"][..], &past].concat());
    assert!(
        outside
            .stderr
            .contains("hint: no certificate is valid when its issuer is not"),
        "{}",
        outside.stderr
    );
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
fn inspect_reports_bad_with_its_exit_code_and_names_what_is_missing() {
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
fn inspect_shows_what_can_be_read_beside_what_can_not() {
    let folder = Folder::new();
    folder.done(&["root", "root"]);
    let said = folder.fleet(&["inspect", "nothing.pem", "root_cert.pem", "n\u{1b}[2J\nvalid: yes.pem"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stdout.contains("root_cert.pem (PEM)") && said.stdout.ends_with("Not good: see the errors.\n"));
    for words in ["cannot read `nothing.pem`", r"cannot read `n\u{1b}[2J\nvalid: yes.pem`"] {
        assert!(said.stderr.contains(words), "no {words} in {}", said.stderr);
    }
    let json = folder.fleet(&["inspect", "nothing.pem", "root_cert.pem", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["good"], false);
    assert_eq!(report["files"].as_array().unwrap().len(), 1);
    assert!(
        report["unreadable"][0].as_str().unwrap().contains("nothing.pem"),
        "{report}"
    );
}

/// A name of a file could clear the screen or forge a line of ours, wherever it is named.
#[test]
fn names_of_files_are_shown_and_not_obeyed() {
    let folder = Folder::new();
    let strange = "x\u{1b}[2J\nforged: yes";
    for line in [
        &["run", strange][..],
        &["plan", strange],
        &["report", "merge", strange],
        &["cert", "inspect", strange],
        &["cert", "status", strange],
        &["cert", "renew", "--out", strange],
        &["cert", "device", "a", "ca", "--ca-dir", strange],
        &[
            "cert",
            "verification",
            "--ca",
            strange,
            "--key",
            strange,
            "--nonce",
            "0A",
        ],
        &["device-sim", "--cert", strange, "--id-scope", "0ne00ABCDEF"],
        &["device-sim", "--plan", strange, "--shard", "0/1"],
        &["emulator", "--quota", strange],
        &["emulator", "--faults", strange],
        &["health", "emulator", strange],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_fleet"))
            .current_dir(folder.0.path())
            .args(line)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success(), "{line:?}: {said}");
        assert!(
            !said.contains('\u{1b}') && !said.contains("\nforged"),
            "{line:?}: {said:?}"
        );
    }
}

#[test]
fn many_certificates_are_made_at_once_and_again_only_where_they_are_missing() {
    let folder = Folder::new();
    folder.done(&["root", "root"]);
    let line = [
        "device", "thermo-", "root", "--count", "50", "--first", "10", "--width", "3", "--out", "leaves",
    ];
    let mut below_nothing = line;
    below_nothing[2] = "nothing";
    let said = folder.refused(&below_nothing, 2);
    assert!(said.contains("`leaves/nothing_cert.pem` is missing"), "{said}");
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
