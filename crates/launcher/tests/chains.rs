//! The golden chains in `tests/chains`, judged by `cert inspect`, by the checks before a run, by a device before it connects,
//! by the emulator and by OpenSSL: they agree. See the README there.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use iot_emulator::fuzzing::{self, KnownCertificate};
use iot_protocol::id::RegistrationId;
use jiff::Timestamp;
use provisioning::certificate::CertificateError;
use provisioning::certificate::examine::{Enrolled, ExamineRequest, Examined, Level, examine};
use provisioning::certificate::load::Identity;
use provisioning::identities::{BroughtCa, BroughtFiles, BroughtGroup, BroughtIndividual, GroupFolder, Problems};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const ID: &str = "thermo-1";

/// What `case.toml` says, and the files beside it.
struct Case {
    folder: PathBuf,
    expected: toml::Table,
}

impl Case {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chains");
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let cases: Vec<_> = entries
            .filter(|path| path.is_dir())
            .map(|folder| Self {
                expected: fs::read_to_string(folder.join("case.toml")).unwrap().parse().unwrap(),
                folder,
            })
            .collect();
        assert!(cases.len() >= 58, "{} cases", cases.len());
        cases
    }

    fn name(&self) -> &str {
        self.folder.file_name().unwrap().to_str().unwrap()
    }

    fn word(&self, key: &str) -> Option<&str> {
        self.expected.get(key).map(|value| value.as_str().unwrap())
    }

    fn is_refused(&self) -> bool {
        self.word("verdict").unwrap() == "refuse"
    }

    fn certificates(&self, file: &str) -> Vec<CertificateDer<'static>> {
        let path = self.folder.join(file);
        if !path.exists() {
            return Vec::new();
        }
        let pem = fs::read(path).unwrap();
        CertificateDer::pem_slice_iter(&pem).map(Result::unwrap).collect()
    }

    /// What is wrong with the finding that ought to be there.
    fn compare(&self, level: Level, findings: impl IntoIterator<Item = (Level, String, String)>) -> Option<String> {
        let serious: Vec<_> = findings
            .into_iter()
            .filter(|(level, ..)| *level > Level::Note)
            .collect();
        let said = |serious: &[(Level, String, String)]| Some(format!("{}: {serious:?}", self.name()));
        let Some(code) = self.word("code") else {
            return (!serious.is_empty()).then(|| said(&serious)).flatten();
        };
        let subject = self.word("subject").unwrap_or_default();
        let is_said = |(of, is, text): &(Level, String, String)| *of == level && is == code && text.contains(subject);
        (!serious.iter().any(is_said) || serious.iter().any(|(of, ..)| *of > level))
            .then(|| said(&serious))
            .flatten()
    }
}

fn now() -> Timestamp {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

/// All that went wrong, at once.
fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn inspect_gives_each_chain_its_verdict_with_its_code_and_names_the_certificate() {
    let mut wrong = Vec::new();
    for case in Case::all() {
        let authorities = case.certificates("ca.pem");
        let request = ExamineRequest {
            registration_id: Some(ID),
            enrolled: match authorities.as_slice() {
                [] => Enrolled::Individually,
                authorities => Enrolled::Below(authorities),
            },
            ..ExamineRequest::at(now())
        };
        let Examined { findings, .. } =
            examine(&fs::read(case.folder.join("chain.pem")).unwrap(), "chain.pem", &request).unwrap();
        let level = if case.is_refused() {
            Level::Error
        } else {
            Level::Warning
        };
        let findings = findings.into_iter().map(|it| (it.level, it.code.to_owned(), it.text));
        wrong.extend(case.compare(level, findings));
    }
    assert_none(wrong);
}

#[test]
fn the_program_agrees_with_the_library() {
    let mut wrong = Vec::new();
    for case in Case::all() {
        let mut inspect = Command::new(env!("CARGO_BIN_EXE_fleet"));
        inspect.args([
            "cert",
            "inspect",
            "chain.pem",
            "key.pem",
            "--registration-id",
            ID,
            "--soon",
            "0",
            "--format",
            "json",
        ]);
        if case.folder.join("ca.pem").exists() {
            inspect.args(["--ca", "ca.pem"]);
        }
        let output = inspect.current_dir(&case.folder).output().unwrap();
        if output.status.code() != Some(i32::from(case.is_refused())) {
            wrong.push(format!("{}: {output:?}", case.name()));
        }
    }
    assert_none(wrong);
}

#[test]
fn the_checks_before_a_run_refuse_and_warn_as_inspect_does() {
    let mut wrong = Vec::new();
    for case in Case::all() {
        let files = BroughtFiles {
            certificate: case.folder.join("chain.pem"),
            key: Some(case.folder.join("key.pem")),
            password: None,
        };
        let ca = case.folder.join("ca.pem");
        let result = if ca.exists() {
            let group = BroughtGroup {
                files,
                ca: Some(BroughtCa {
                    certificate: ca,
                    key: None,
                }),
                secondary: None,
            };
            let folder = GroupFolder::new(&case.folder, "g");
            group.open(folder, [ID], now(), &|_, _| {}).map(|group| group.warnings)
        } else {
            let individual = BroughtIndividual {
                primary: files,
                secondary: None,
            };
            individual.open(ID, now()).map(|individual| individual.warnings)
        };
        match result {
            Ok(warnings) if !case.is_refused() => {
                let codes: Vec<_> = warnings.iter().map(|(code, _)| code).collect();
                let is_right = match case.word("code") {
                    Some(code) => codes.contains(&code),
                    None => codes.is_empty(),
                };
                if !is_right {
                    wrong.push(format!("{}: warned of {codes:?}", case.name()));
                }
            }
            Err(Problems(problems)) if case.is_refused() && problems.len() == 1 => {
                let problem = problems[0].to_string();
                if !problem.contains(".pem`") {
                    wrong.push(format!("{}: names no file: {problem}", case.name()));
                }
            }
            other => wrong.push(format!("{}: {other:?}", case.name())),
        }
    }
    assert_none(wrong);
}

#[test]
fn a_device_does_not_even_try_with_what_no_waiting_mends() {
    // What depends on the time or on what is enrolled is for the service to judge.
    let passing = ["expired", "not-yet-valid", "issuer-missing", "another-of-the-name"];
    let elsewhere = [
        "authority-below-group",
        "version-1-root",
        "path-length-of-root-exceeded",
    ];
    let mut wrong = Vec::new();
    for case in Case::all() {
        let read = |name: &str| fs::read(case.folder.join(name)).unwrap();
        let identity = Identity::from_pem(&read("chain.pem"), "chain.pem", &read("key.pem"), "key.pem");
        let result = identity.and_then(|identity| identity.check_form(now()));
        let is_refused =
            case.is_refused() && !passing.contains(&case.word("code").unwrap()) && !elsewhere.contains(&case.name());
        match (is_refused, result) {
            (false, Ok(())) => {}
            (true, Err(CertificateError::Unfit { .. } | CertificateError::LeafNotFirst { .. })) => {}
            // A key that can't be used is refused when it is read.
            (true, Err(CertificateError::UnsupportedKey { .. })) if case.word("code") == Some("key") => {}
            (_, other) => wrong.push(format!("{}: {other:?}", case.name())),
        }
    }
    assert_none(wrong);
}

#[test]
fn the_emulator_agrees_without_sharing_any_code() {
    let id = RegistrationId::new(ID).unwrap();
    let known = |der: &CertificateDer<'_>| KnownCertificate::from_der(der).unwrap();
    let mut wrong = Vec::new();
    for case in Case::all() {
        let chain: Vec<_> = case.certificates("chain.pem").iter().map(known).collect();
        let authority = case.certificates("ca.pem").first().map(known);
        let enrolled = match &authority {
            Some(authority) => fuzzing::Enrolled::Below(authority),
            None => fuzzing::Enrolled::Individually(&chain[0]),
        };
        let refusal = fuzzing::refusal(enrolled, &id, &chain, now());
        let words = [case.word("emulator"), case.word("subject")];
        let is_right = match &refusal {
            None => !case.is_refused(),
            Some(reason) => case.is_refused() && words.into_iter().flatten().all(|words| reason.contains(words)),
        };
        if !is_right {
            wrong.push(format!("{}: {refusal:?}", case.name()));
        }
    }
    assert_none(wrong);
}

#[test]
fn openssl_agrees_where_it_has_an_opinion() {
    let is_there = Command::new("openssl")
        .arg("version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !is_there {
        return testing::skip("there is no openssl: nothing is compared");
    }
    let mut wrong = Vec::new();
    for case in Case::all() {
        let Some(words) = case.word("openssl") else { continue };
        let ca = if case.folder.join("ca.pem").exists() {
            "ca.pem"
        } else {
            "chain.pem"
        };
        let time = now().as_second().to_string();
        let verified = Command::new("openssl")
            .args([
                "verify",
                "-purpose",
                "sslclient",
                "-partial_chain",
                "-attime",
                &time,
                "-CAfile",
                ca,
            ])
            .args(["-untrusted", "chain.pem", "chain.pem"])
            .current_dir(&case.folder)
            .output()
            .unwrap();
        let said = [verified.stdout, verified.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if !said.contains(words) || verified.status.success() != (words == "OK") {
            wrong.push(format!("{}: {said}", case.name()));
        }
    }
    assert_none(wrong);
}
