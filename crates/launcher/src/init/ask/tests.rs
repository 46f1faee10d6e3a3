use std::collections::VecDeque;

use provisioning::central::schema::response::EnrollmentGroup;
use serde_json::json;

use super::super::{answers, of_templates};
use super::*;

/// A token must not be at hand: the application would be asked.
const UNSET: &str = "A_VARIABLE_THAT_IS_NOT_SET";

struct Script {
    answers: VecDeque<&'static str>,
    asked: Vec<String>,
    refused: Vec<String>,
}

impl Answerer for Script {
    fn answer(&mut self, question: &str) -> io::Result<String> {
        self.asked.push(question.to_owned());
        let next = self.answers.pop_front().ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(next.to_owned())
    }

    fn refuse(&mut self, why: &str) -> bool {
        self.refused.push(why.to_owned());
        true
    }
}

fn open() -> Options {
    Options {
        file: "fleet.toml".into(),
        name: None,
        target: None,
        app: None,
        token_variable: None,
        id_scope: None,
        groups: Vec::new(),
        templates: Vec::new(),
        devices: None,
        ca: None,
        dps_endpoint: None,
        interval: None,
        stay: None,
        force: false,
        yes: false,
        stdout: false,
    }
}

fn script(answers: &[&'static str]) -> Script {
    Script {
        answers: answers.iter().copied().collect(),
        asked: Vec::new(),
        refused: Vec::new(),
    }
}

#[tokio::test]
async fn what_is_not_understood_is_asked_again() {
    let mut person = script(&[
        "my fleet",
        "lab",
        "central",
        "iot-central",
        "ftp://x",
        "contoso.azureiotcentral.com",
        UNSET,
        "",
        "1m",
        "",
    ]);
    let answers = answers(&open(), &mut person).await.unwrap();
    assert_eq!(answers.name, "lab");
    assert_eq!(
        answers.target,
        TargetAnswer::IotCentral {
            app: "https://contoso.azureiotcentral.com".to_owned(),
            token_variable: UNSET.to_owned(),
            emulator: None,
        }
    );
    assert_eq!(answers.groups, ["lab-thermostats=10".parse().unwrap()]);
    assert_eq!(
        (answers.interval.to_string(), answers.stay.to_string()),
        ("1m".into(), "5m".into())
    );
    assert_eq!(person.refused.len(), 3, "{:?}", person.refused);
}

#[tokio::test]
async fn flags_are_not_asked_about_and_without_a_terminal_nothing_is() {
    let flags = Options {
        name: Some("lab".to_owned()),
        target: Some(TargetKind::Emulator),
        groups: vec!["a=1".parse().unwrap()],
        interval: Some("5s".parse().unwrap()),
        stay: Some("1m".parse().unwrap()),
        ..open()
    };
    let mut person = script(&[]);
    answers(&flags, &mut person).await.unwrap();
    assert!(person.asked.is_empty(), "{:?}", person.asked);
    assert_eq!(
        answers(&open(), &mut Defaults).await.unwrap().target,
        TargetAnswer::Emulator
    );
    let central = Options {
        target: Some(TargetKind::IotCentral),
        ..open()
    };
    let error = answers(&central, &mut Defaults).await.unwrap_err().to_string();
    assert!(error.starts_with("--app is missing"), "{error}");
    // The end of input ends the questions.
    assert!(answers(&open(), &mut script(&["lab"])).await.is_err());
}

/// An application with two templates, and an enrollment group in the way.
fn application() -> (Catalog, Vec<EnrollmentGroup>) {
    let template = |name: &str| {
        json!({"@id": format!("dtmi:c:{name};1"), "displayName": name, "@type": "ModelDefinition", "capabilityModel": {
            "@context": "dtmi:dtdl:context;2", "@id": format!("dtmi:c:{name};1"), "@type": "Interface",
            "contents": [{"@type": "Telemetry", "name": "a", "schema": "double"}]}})
    };
    let group = json!({"id": "lab-meter", "displayName": "Theirs", "attestation": {"type": "x509"}});
    (
        Catalog::of(&[template("pump"), template("meter")]),
        vec![serde_json::from_value(group).unwrap()],
    )
}

fn central() -> (String, TargetAnswer) {
    let target = TargetAnswer::IotCentral {
        app: "https://contoso.azureiotcentral.com".to_owned(),
        token_variable: UNSET.to_owned(),
        emulator: None,
    };
    ("lab".to_owned(), target)
}

#[test]
fn a_person_picks_templates_and_an_interval_within_the_quota() {
    let (catalog, existing) = application();
    // 2,000 messages a second are more than the application's 200; one in 30 s is the first usual interval that is not.
    let mut person = script(&["3", "meter, 1", "none", "5000", "1s", "", ""]);
    let answers = of_templates(&open(), central(), &catalog, &existing, &mut person).unwrap();
    let ids: Vec<_> = answers.groups.iter().map(|group| group.id.as_str()).collect();
    assert_eq!(ids, ["lab-meter-2", "lab-pump"]);
    assert_eq!(answers.groups.iter().map(|group| group.count).sum::<u32>(), 10_000);
    assert_eq!(answers.interval.to_string(), "1m");
    assert!(
        person.asked.iter().any(|asked| asked.ends_with("[1m] ")),
        "{:?}",
        person.asked
    );
    let refused = person.refused.last().unwrap();
    assert!(
        refused.contains("messages: 10,000 of 200/s, 5000 % (central.messages)")
            && refused
                .ends_with("hint: an interval of 1m is within the quota, and so may be fewer devices (--devices)"),
        "{refused}"
    );
}

#[test]
fn flags_pick_too_and_a_rate_beyond_the_quota_is_refused() {
    let (catalog, existing) = application();
    let flags = |devices, interval: Option<&str>| Options {
        templates: vec!["Pump".to_owned()],
        devices: Some(devices),
        interval: interval.map(|interval| interval.parse().unwrap()),
        ..open()
    };
    let made = |options: &Options| of_templates(options, central(), &catalog, &existing, &mut Defaults);
    let answers = made(&flags(100, None)).unwrap();
    assert_eq!(
        (answers.groups.len(), answers.interval.to_string()),
        (1, "10s".to_owned())
    );
    assert_eq!(made(&flags(100, Some("500ms"))).unwrap().interval.to_string(), "500ms");
    for (options, words) in [
        (flags(100, Some("499ms")), "central.messages"),
        (flags(1, Some("50ms")), "central.device_messages"),
        (flags(200_001, None), "central.devices"),
    ] {
        let error = made(&options).unwrap_err();
        assert_eq!(error.code(), crate::exit::REFUSED);
        assert!(error.to_string().contains(words), "{error}");
    }
    let wrong = Options {
        templates: ["pmup", "metre"].map(str::to_owned).to_vec(),
        ..open()
    };
    insta::assert_snapshot!(made(&wrong).unwrap_err().to_string());
    let of_nothing = of_templates(&wrong, central(), &Catalog::of(&[]), &existing, &mut Defaults);
    assert_eq!(
        of_nothing.unwrap_err().to_string().lines().next(),
        Some("the application has no device template")
    );
}
