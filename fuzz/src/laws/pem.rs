//! Files that are read as certificates or keys: whatever is wrong with one, nothing that is said of it holds a piece of a key,
//! and nothing of it is obeyed by a terminal.

use std::collections::BTreeSet;

use iot_emulator::fuzzing::pem_flaw;
use iot_protocol::shown;
use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::Password;
use provisioning::certificate::examine::{Enrolled, ExamineRequest, conclude, examine};
use provisioning::certificate::load::{Identity, certificates_in};
use provisioning::certificate::make::CertificateAuthority;

/// So many characters of base64 in a row are one too many.
const WINDOW: usize = 16;

/// Ends the BEGIN line of a key, whatever its kind.
const KEY: &[u8] = b"PRIVATE KEY-----";

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let secrets = secrets(data);
    for said in everything_said(data) {
        let leaked = said.as_bytes().windows(WINDOW).find(|window| secrets.contains(window));
        assert!(leaked.is_none(), "a piece of a key is shown: {said}");
    }
    let text = String::from_utf8_lossy(data);
    let tame = shown::text(&text).to_string();
    assert!(!tame.contains(char::is_control), "{tame:?} is not tame");
    assert!(!shown::is_pem(&tame), "{tame:?} still holds a secret");
}

/// All that any reader says of it: as an error for a person, as an error for a log, and as a report.
fn everything_said(data: &[u8]) -> Vec<String> {
    let mut said = Vec::new();
    let mut error = |error: &dyn std::error::Error| said.extend([error.to_string(), format!("{error:?}")]);
    let password = Password::new("fuzz");
    for password in [None, Some(&password)] {
        for key in [None, Some(data)] {
            if let Err(reason) = Identity::from_bytes(data, key, password) {
                error(&reason);
            }
        }
    }
    if let Err(reason) = certificates_in(data, "f") {
        error(&reason);
    }
    if let Err(reason) = CertificateAuthority::from_pem(data, "f", data, "f") {
        error(&reason);
    }
    let request = ExamineRequest {
        now: Timestamp::UNIX_EPOCH,
        soon: SignedDuration::from_hours(24),
        registration_id: Some("thermo-1"),
        enrolled: Enrolled::Unknown,
        password: None,
    };
    match examine(data, "f", &request) {
        Err(reason) => error(&reason),
        Ok(examined) => {
            let mut files = [examined];
            conclude(&mut files);
            said.push(serde_json::to_string(&files).expect("a report is JSON"));
        }
    }
    said.extend(pem_flaw(data));
    said
}

/// What stands behind the BEGIN of a key, wherever its lines end, in pieces as long as one too many.
fn secrets(data: &[u8]) -> BTreeSet<&[u8]> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let begins = data.windows(KEY.len()).enumerate().filter(|(_, window)| *window == KEY);
    begins
        .flat_map(|(at, _)| {
            let behind = &data[at + KEY.len()..];
            let end = behind.windows(5).position(|window| window == b"-----");
            let body = &behind[..end.unwrap_or(behind.len())];
            body.split(move |byte| !is_digit(byte))
                .flat_map(|run| run.windows(WINDOW))
        })
        .collect()
}
