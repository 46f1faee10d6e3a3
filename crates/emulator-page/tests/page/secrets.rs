//! Secrets, and where they must not be.

use std::fs::File;
use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::{Program, program};
use testing::device::Device;
use testing::emulator::Place;
use testing::party::Party;
use testing::rest::Rest;

/// Secrets, which must be in no log: the parts of tokens that open, and the lines of keys.
fn secrets(state: &std::path::Path, tokens: &[&str]) -> Vec<String> {
    let signature = |token: &str| {
        token
            .split("sig=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned()
    };
    let key = std::fs::read_to_string(state.join("ca_key.pem")).unwrap();
    let lines = key.lines().filter(|line| !line.starts_with("-----")).map(Into::into);
    tokens.iter().map(|token| signature(token)).chain(lines).collect()
}

#[tokio::test]
async fn no_secret_is_in_the_log_the_journal_or_an_error_even_at_trace() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log) = (folder.path().join("state"), folder.path().join("log"));
    let mut command = program(&state);
    command
        .env("RUST_LOG", "trace")
        .stderr(Stdio::from(File::create(&log).unwrap()));
    let emulator = Program::start(command.arg("--stop-on-stdin-eof"));
    let token = emulator.token();
    let rest = Rest::new(&emulator);
    let role = json!({"roles": [{"role": "344138e9-8de4-4497-8c54-5237e96d6aaf"}]});
    let (status, made) = rest.put("apiTokens/ci", role).await;
    assert_eq!(status, 200, "{made}");
    let handed_out = made["token"].as_str().unwrap().to_owned();

    let root = Party::root("root");
    let as_ci = Rest::with_tls(&emulator).with_token(&handed_out);
    as_ci.enroll_group("g", &root).await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    device
        .publish("devices/t-1/messages/events/", r#"{"temperature":1}"#)
        .await;
    drop(device);
    let almost = format!("{token}x");
    let mut answers = String::new();
    for rest in [rest.clone(), as_ci.clone(), rest.clone().with_token(&almost)] {
        for (method, path, body) in [
            (Method::GET, "/api/devices?api-version=2022-07-31".to_owned(), None),
            (Method::GET, "/api/apiTokens?api-version=2022-07-31".to_owned(), None),
            (
                Method::PUT,
                "/api/apiTokens/ci?api-version=2022-07-31".to_owned(),
                Some(json!({"roles": [{"role": token}]})),
            ),
            (Method::GET, "/emulator/journal".to_owned(), None),
            (Method::GET, "/emulator/stats".to_owned(), None),
            (Method::GET, "/nowhere".to_owned(), None),
        ] {
            let answer = rest
                .response(method, &path, body.map(|body: Value| body.to_string()))
                .await;
            answers += &format!("{:?}", answer.headers());
            answers += &answer.text().await.unwrap();
        }
    }
    drop(emulator.child.lock().unwrap().stdin.take());
    let (stdout, ended_well) = emulator.end();
    assert!(ended_well);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("TRACE"), "the log is at trace: {log}");
    for secret in secrets(&state, &[&token, &handed_out]) {
        for (what, text) in [("log", &log), ("answers", &answers), ("stdout", &stdout)] {
            assert!(!text.contains(&secret), "{what}: {text}");
        }
    }
    // Nor is the one that was handed out anywhere in the state folder.
    let handed_out = secrets(&state, &[&handed_out]).remove(0);
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes
            .windows(handed_out.len())
            .any(|window| window == handed_out.as_bytes());
        assert!(!found, "{}", path.display());
    }
}
