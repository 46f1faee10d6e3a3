//! The referee between the two ends of the wire: golden cases with literal topics and payloads, written from the public
//! documentation. A new case is a new folder under `tests/wire` and no code.
//!
//! | file | holds |
//! | --- | --- |
//! | `source.md` | the public source |
//! | `topic.txt` | the topic, topic filter or user name, as it goes over the wire |
//! | `payload.json` | the body, where there is one |
//! | `expect.json` | `kind`; `parsed`: what our type holds; `canonical`: what we would write, where it differs from `topic.txt`; `payload_as`: the type of the body; `payload_read`: what we keep of it, where it is not all |

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use iot_protocol::dps::{Registration, RegistrationRequest, RequestTopic, ResponseTopic, ServiceError};
use iot_protocol::hub::{FromHub, Subscription, ToHub};
use iot_protocol::twin::{Section, TwinDocument};
use iot_protocol::username::{DpsUserName, HubUserName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    cases
}

/// What a text parses to, and how that is displayed.
fn read<T: FromStr<Err: Display> + Display + Serialize>(text: &str) -> Result<(Value, String), String> {
    let parsed: T = text.parse().map_err(|error: T::Err| error.to_string())?;
    Ok((serde_json::to_value(&parsed).unwrap(), parsed.to_string()))
}

/// What a body is read as, written again.
fn body<T: DeserializeOwned + Serialize>(payload: &[u8]) -> Result<(Value, String), String> {
    let body: T = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    Ok((
        serde_json::to_value(&body).unwrap(),
        serde_json::to_string(&body).unwrap(),
    ))
}

#[test]
fn every_golden_case_reads_and_writes_as_documented() {
    let cases = cases();
    assert!(cases.len() >= 34, "only {} cases were found", cases.len());
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let text =
            |file: &str| fs::read_to_string(case.join(file)).unwrap_or_else(|error| panic!("{name}/{file}: {error}"));
        assert!(
            text("source.md").contains("https://") || text("source.md").contains("GitHub "),
            "{name} names no source"
        );
        let topic = text("topic.txt");
        let topic = topic.trim_end();
        let expect: Value = serde_json::from_str(&text("expect.json")).unwrap();

        let result = match expect["kind"].as_str().unwrap() {
            "dps_user_name" => read::<DpsUserName>(topic),
            "hub_user_name" => read::<HubUserName>(topic),
            "dps_request" => read::<RequestTopic>(topic),
            "dps_response" => read::<ResponseTopic>(topic),
            "to_hub" => read::<ToHub>(topic),
            "from_hub" => read::<FromHub>(topic),
            "subscription" => read::<Subscription>(topic),
            other => panic!("{name}: unknown kind {other}"),
        };
        let (parsed, displayed) = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(parsed, expect["parsed"], "{name}: parsed");
        assert_eq!(
            displayed,
            expect["canonical"].as_str().unwrap_or(topic),
            "{name}: displayed"
        );

        let Some(payload_as) = expect["payload_as"].as_str() else {
            assert!(
                !case.join("payload.json").exists(),
                "{name} has a payload that nothing reads"
            );
            continue;
        };
        let payload = text("payload.json");
        let result = match payload_as {
            "registration" => body::<Registration>(payload.as_bytes()),
            "registration_request" => body::<RegistrationRequest>(payload.as_bytes()),
            "service_error" => body::<ServiceError>(payload.as_bytes()),
            "twin" => body::<TwinDocument>(payload.as_bytes()),
            "desired_patch" => body::<Section>(payload.as_bytes()),
            "json" => body::<Value>(payload.as_bytes()),
            other => panic!("{name}: unknown payload_as {other}"),
        };
        let (read, written) = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        if matches!(payload_as, "twin" | "desired_patch") {
            // Here the order of the members is part of the case.
            assert_eq!(written, payload.trim_end(), "{name}: payload, byte by byte");
        }
        let whole: Value = serde_json::from_str(&payload).unwrap();
        let expected = expect.get("payload_read").unwrap_or(&whole);
        assert_eq!(&read, expected, "{name}: payload");
    }
}
