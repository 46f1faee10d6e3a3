use std::time::Duration;

use iot_protocol::shown;
use serde_json::json;

use super::*;

fn faults(seed: u64, toml: &str) -> (Faults, Instant) {
    let start = Instant::now();
    (Faults::new(seed, FaultRules::parse(toml).unwrap(), start), start)
}

fn rule(rest: &str) -> String {
    format!("[[rule]]\nid = \"r\"\nphase = \"telemetry\"\nverdict = \"drop\"\n{rest}")
}

/// Of these devices, which meet the rule at their first message.
fn struck(seed: u64, rest: &str, devices: u32) -> Vec<u32> {
    let (mut faults, now) = faults(seed, &rule(rest));
    (0..devices)
        .filter(|n| {
            let hits = faults.ask(Phase::Telemetry, Some(&format!("t-{n}")), now);
            !hits.is_empty()
        })
        .collect()
}

#[test]
fn a_rule_is_about_its_phase_its_devices_and_its_time() {
    let rest = "device = \"t-1*\"\nafter = \"10s\"\nfor = \"5s\"";
    for (phase, device, second, expected) in [
        (Phase::Telemetry, Some("t-1"), 10, true),
        (Phase::Telemetry, Some("t-12"), 14, true),
        (Phase::Telemetry, Some("t-1"), 9, false),
        (Phase::Telemetry, Some("t-1"), 15, false),
        (Phase::Telemetry, Some("t-2"), 12, false),
        (Phase::Telemetry, None, 12, false),
        (Phase::TwinGet, Some("t-1"), 12, false),
    ] {
        let (mut faults, start) = faults(7, &rule(rest));
        let hits = faults.ask(phase, device, start + Duration::from_secs(second));
        assert_eq!(!hits.is_empty(), expected, "{phase:?} {device:?} {second}");
    }
}

#[test]
fn counts_are_in_all_and_for_each_device() {
    assert_eq!(struck(7, "count = 3", 10), [0, 1, 2]);
    let (mut faults, now) = faults(7, &rule("count_per_device = 2"));
    let mut hits = |device| faults.ask(Phase::Telemetry, Some(device), now).len();
    assert_eq!(
        [hits("a"), hits("a"), hits("a"), hits("b"), hits("b"), hits("b")],
        [1, 1, 0, 1, 1, 0]
    );
    assert_eq!(faults.show("r").unwrap()["hits"], json!(4));
}

#[test]
fn a_share_is_of_devices_and_a_probability_of_occasions() {
    let share = struck(7, "share = 0.3", 1000);
    assert!((250..350).contains(&share.len()), "{}", share.len());
    let (mut faults, now) = faults(7, &rule("share = 0.3\nprobability = 0.5"));
    let mut hits = |n: u32| {
        (0..100)
            .filter(|_| !faults.ask(Phase::Telemetry, Some(&format!("t-{n}")), now).is_empty())
            .count()
    };
    let inside = hits(share[0]);
    assert!((30..70).contains(&inside), "{inside}");
    let outside = (0..1000).find(|n| !share.contains(n)).unwrap();
    assert_eq!(hits(outside), 0);
}

#[test]
fn the_same_seed_makes_the_same_decisions_and_another_one_others() {
    // Whatever the order in which devices come: what happens to each is its own.
    let decisions = |seed, backwards: bool| {
        let (mut faults, now) = faults(seed, &rule("share = 0.5\nprobability = 0.5"));
        let mut devices: Vec<u32> = (0..50).collect();
        if backwards {
            devices.reverse();
        }
        let mut decided: Vec<(u32, Vec<Vec<Hit>>)> = devices
            .into_iter()
            .map(|n| {
                let device = format!("t-{n}");
                (
                    n,
                    (0..20)
                        .map(|_| faults.ask(Phase::Telemetry, Some(&device), now))
                        .collect(),
                )
            })
            .collect();
        decided.sort_by_key(|(n, _)| *n);
        decided
    };
    assert_eq!(decisions(7, false), decisions(7, true));
    assert_ne!(decisions(7, false), decisions(8, false));
}

#[test]
fn delays_add_up_and_the_first_other_verdict_decides() {
    let toml = "
        [[rule]]
        phase = \"telemetry\"
        verdict = \"delay\"
        by = \"1s\"
        [[rule]]
        phase = \"telemetry\"
        verdict = \"no-ack\"
        count = 1
        [[rule]]
        phase = \"telemetry\"
        verdict = \"drop\"";
    let (mut faults, now) = faults(7, toml);
    let mut verdicts = || -> Vec<&str> {
        let hits = faults.ask(Phase::Telemetry, Some("t"), now);
        hits.iter().map(|hit| hit.verdict.as_str()).collect()
    };
    assert_eq!(verdicts(), ["delay", "no-ack"]);
    assert_eq!(verdicts(), ["delay", "drop"]);
}

#[test]
fn rules_come_and_go_and_can_be_switched_off() {
    let (mut faults, now) = faults(7, "");
    assert!(!faults.are_on());
    let drop = || FaultRules::parse("[[rule]]\nphase = \"poll\"\nverdict = \"drop\"").unwrap();
    assert_eq!(faults.add(drop(), now), Ok(vec!["rule-1".into()]));
    assert_eq!(faults.add(drop(), now), Ok(vec!["rule-2".into()]));
    let named = || FaultRules::parse(&rule("")).unwrap();
    assert_eq!(faults.add(named(), now), Ok(vec!["r".into()]));
    assert_eq!(faults.add(named(), now), Err(Taken("r".into())));
    assert!(faults.remove(Some("rule-1")) && !faults.remove(Some("rule-1")));
    assert!(faults.switch("rule-2", false) && faults.switch("r", false) && !faults.switch("rule-1", false));
    assert!(!faults.are_on());
    assert!(faults.ask(Phase::Telemetry, Some("t"), now).is_empty());
    assert!(faults.switch("r", true) && faults.are_on());
    assert_eq!(faults.ask(Phase::Telemetry, Some("t"), now).len(), 1);
    assert!(faults.remove(None));
    assert_eq!(faults.show_all(), [] as [Value; 0]);
}

#[test]
fn a_rule_is_shown_as_it_can_be_written() {
    let written = json!({"id": "r", "phase": "register", "enabled": false, "device": "t-*", "share": 0.5, "probability": 0.25,
        "count": 3, "count_per_device": 1, "after": "10s", "for": "500ms",
        "verdict": "answer", "status": 429, "error_code": 429_001, "retry_after": "5s"});
    let rules = FaultRules::from_json(written.as_object().unwrap()).unwrap();
    assert_eq!(Value::from(rules.0[0].json()), written);
}

#[test]
fn every_verdict_can_be_written_where_it_is_possible_and_only_there() {
    for (phase, verdict, more) in [
        ("accept", "slow", "by = [\"50ms\", \"100ms\"]"),
        ("tls", "black-hole", ""),
        ("dps-connect", "refuse", "code = 3"),
        ("register", "answer", "status = 500"),
        ("poll", "no-ack", ""),
        ("hub-connect", "expire", ""),
        ("subscribe", "drop-before-ack", ""),
        ("telemetry", "restart", "down = \"30s\""),
        ("twin-get", "answer", "status = 429\nerror_code = 429001"),
        ("twin-report", "drop-after-ack", ""),
        ("method-response", "delete", ""),
        ("subscribe", "move", "hub = \"b.localhost\""),
        ("c2d", "delay", "by = \"2s\""),
        ("rest", "answer", "status = 503\nretry_after = \"2s\""),
        ("command", "stop-reading", ""),
    ] {
        let toml = format!("[[rule]]\nphase = \"{phase}\"\nverdict = \"{verdict}\"\n{more}");
        let read = FaultRules::parse(&toml);
        assert_eq!(read.is_ok(), phase != "command", "{phase}: {read:?}");
    }
}

#[test]
fn everything_that_is_wrong_with_rules_is_reported_at_once() {
    let toml = r#"
        [[rule]]
        phase = "telemetry"
        verdict = "refuse"
        probabilty = 0.5
        [[rule]]
        id = "a b"
        phase = "register"
        verdict = "answer"
        status = 200
        share = 0
        [[rule]]
        phase = "accept"
        device = "t-*"
        verdict = "drop"
        [[rule]]
        phase = "conect"
        verdict = "delay""#;
    let wrong = FaultRules::parse(toml).unwrap_err();
    let text = wrong.to_string();
    for part in [
        "faults:4: `rule.0.verdict`: `refuse` is not one of them; accepted: at `telemetry`: drop, delay, black-hole, \
         stop-reading, restart, drop-before-ack, drop-after-ack, no-ack, move, expire, disable, delete",
        "faults:5: `rule.0.probabilty` is not a key of a file of rules; did you mean `probability`?",
        "faults:7: `rule.1.id`: `a b` is no id; accepted: a text of letters, digits, `-`, `_` and `.`, at most 64",
        "faults:10: `rule.1.status`: 200 is too small; accepted: an HTTP status from 400 to 599",
        "faults:11: `rule.1.share`: 0 is too small; accepted: a number above 0 and at most 1",
        "faults:14: `rule.2.device` has no meaning at `accept`",
        "faults:17: `rule.3.phase`: `conect` is not one of them; accepted: accept, tls, dps-connect",
        "faults:16: `rule.3.by` is missing; accepted: a time such as \"2s\", or two such as",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    assert_eq!(wrong.problems.len(), 8, "{text}");
}

/// As in manifests: the reader is the same.
#[test]
fn a_time_is_written_as_in_manifests() {
    let delay = |by: &str| FaultRules::parse(&format!("id = \"r\"\nphase = \"c2d\"\nverdict = \"delay\"\nby = {by}"));
    for (text, milliseconds) in [
        ("\"50ms\"", 50),
        ("\"1m30s\"", 90_000),
        ("\"1.5s\"", 1500),
        ("\"10m\"", 600_000),
    ] {
        let by = Duration::from_millis(milliseconds);
        let rules = delay(text).unwrap();
        assert_eq!(rules.0[0].verdict, Verdict::Delay { by: Span(by, by) }, "{text}");
        let shown = FaultRules::from_json(&rules.0[0].json()).unwrap();
        assert_eq!(shown, rules, "{text}");
    }
    for (bad, reason) in [
        ("\"2\"", "has no unit"),
        ("2", "is an integer"),
        ("\"-2s\"", "is negative"),
        ("\"11m\"", "it is longer than 10m"),
        ("\"100us\"", "it is not whole milliseconds"),
        ("[\"2s\", \"1s\"]", "the first time is the longer one"),
        ("[\"2s\"]", "it has 1 times"),
    ] {
        let text = delay(bad).unwrap_err().to_string();
        assert!(
            text.contains(reason) && text.starts_with("faults:4: `by`"),
            "{bad}: {text}"
        );
    }
}

#[test]
fn an_id_is_given_once() {
    let toml = format!("{}{}", rule(""), rule("").replace("telemetry", "c2d"));
    let text = FaultRules::parse(&toml).unwrap_err().to_string();
    assert!(
        text.contains("`rule.1.id`: `r` is already the id of `rule.0.id`"),
        "{text}"
    );
    let preset = FaultRules::load("lost-acks").unwrap();
    let id = &preset.0[0].id;
    let toml = format!(
        "preset = \"lost-acks\"\n{}",
        rule("").replace("\"r\"", &format!("{id:?}"))
    );
    let text = FaultRules::parse(&toml).unwrap_err().to_string();
    assert!(
        text.contains(&format!("`{id}` is already the id of `preset`")),
        "{text}"
    );
}

#[test]
fn the_files_that_are_shipped_can_be_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/presets");
    let mut read = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let rules = FaultRules::load(path.to_str().unwrap()).unwrap();
        assert!(!rules.0.is_empty(), "{}", shown::path(&path));
        read += 1;
    }
    assert_eq!(read, FaultRules::presets().count());
    for name in FaultRules::presets() {
        let preset = FaultRules::load(name).unwrap();
        assert_eq!(preset, FaultRules::load(&format!("{folder}/{name}.toml")).unwrap());
        assert_eq!(preset, FaultRules::parse(&format!("preset = {name:?}")).unwrap());
    }
    let missing = FaultRules::load("no-such-file").unwrap_err().to_string();
    assert!(
        missing.contains("accepted: slow-network, lost-acks, throttled-dps, hub-move, outage, or a file of rules"),
        "{missing}"
    );
}
