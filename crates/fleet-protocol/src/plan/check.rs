//! The check of a plan's values. A launcher has checked its manifest already, with better messages; a plan that was
//! made by hand has only this check, which finds all of its problems together. Pure.

mod fault;
mod profile;

use std::collections::HashMap;

use iot_protocol::id::{MAX_COMMON_NAME, RegistrationId};
use iot_protocol::shown;

use super::{CredentialSource, Devices, Gateway, Group, LONGEST_MS, Model, Plan, Range, Target};

/// As many as one DPS instance holds. <https://learn.microsoft.com/azure/iot-dps/about-iot-dps#quotas-and-limits>
pub const MAX_DEVICES: u32 = 1_000_000;
/// The most digits that the number in a device id can be padded to.
const MAX_WIDTH: usize = 20;
/// Up to here, a number is exact in every arithmetic.
const MOST_MESSAGES: u64 = 1 << 52;
/// One per hour. Anything slower is a typing error: a run would not get beyond its first device.
const LEAST_RATE: f64 = 1.0 / 3600.0;
/// More than a person can keep apart, and few enough for any number of devices.
const MOST_PROFILES: usize = 100;
/// Names that are part of folders, topics or user names are no longer than this.
const LONGEST_NAME: usize = 255;

/// The values that no fleet can have, each with its key and what is accepted.
pub(super) fn problems(plan: &Plan) -> Vec<String> {
    let mut problems = Problems::default();
    if !is_name(&plan.run_id, "-_.", 64) || plan.run_id.starts_with('.') {
        // Folders and message ids begin with it.
        problems.push(
            "run_id",
            "it must be 1 to 64 letters, digits, `-`, `_` and `.`, and not begin with `.`",
        );
    }
    target(&plan.target, &mut problems);
    problems.rate("rates.register_per_s", plan.rates.register_per_s);
    problems.rate("rates.connect_per_s", plan.rates.connect_per_s);
    for (index, stage) in plan.stages.iter().enumerate() {
        problems.fraction(&format!("stages[{index}].share"), stage.share);
        problems.millis(&format!("stages[{index}].over_ms"), stage.over_ms, 0);
    }
    if plan.messages.is_some_and(|messages| messages > MOST_MESSAGES) {
        problems.push("messages", format!("it must be at most {MOST_MESSAGES}"));
    }
    if plan.groups.is_empty() {
        problems.push("groups", "it is empty, and there must be at least one group of devices");
    }
    for (index, one) in plan.groups.iter().enumerate() {
        group(&format!("groups[{index}]"), one, &mut problems);
        if let Model::Own(model) = one.model
            && usize::from(model) >= plan.models.len()
        {
            let models = plan.models.len();
            let key = format!("groups[{index}].model");
            problems.push(&key, format!("{model}, and `models` has {models}, counted from 0"));
        }
    }
    if !plan.groups.is_sorted_by_key(|group| group.expect.is_some()) {
        problems.push(
            "groups",
            "those whose devices must be refused (`expect`) have to be the last ones",
        );
    }
    let counts = plan.groups.iter().map(|group| group.devices.count());
    let devices: u64 = counts.clone().map(u64::from).sum();
    // A count that is too large by itself has been named already.
    if devices > u64::from(MAX_DEVICES) && counts.max() <= Some(MAX_DEVICES) {
        problems.push(
            "groups",
            format!("they have {devices} devices together, it must be at most {MAX_DEVICES}"),
        );
    }
    if problems.0.is_empty() {
        // Only valid ids can be compared.
        unique(&plan.groups, &mut problems);
    }
    problems.0
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn push(&mut self, key: &str, what: impl std::fmt::Display) {
        self.0.push(format!("`{key}`: {what}"));
    }

    fn rate(&mut self, key: &str, value: f64) {
        if !value.is_finite() || value < LEAST_RATE {
            self.push(
                key,
                format!("{value} a second, it must be at least one in an hour, {LEAST_RATE:.6}"),
            );
        }
    }

    fn fraction(&mut self, key: &str, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.push(key, format!("{value}, it must be from 0 to 1"));
        }
    }

    fn millis(&mut self, key: &str, value: u64, least: u64) {
        if !(least..=LONGEST_MS).contains(&value) {
            self.push(
                key,
                format!("{value}, it must be from {least} to {LONGEST_MS}, a century"),
            );
        }
    }

    fn host(&mut self, key: &str, value: &str) {
        if !is_name(value, "-._:[]", LONGEST_NAME) {
            self.push(
                key,
                "it must be a host name or an address, without scheme, port and path",
            );
        }
    }

    fn port(&mut self, key: &str, value: u16) {
        if value == 0 {
            self.push(key, "0, it must be a TCP port, from 1 to 65535");
        }
    }
}

fn is_name(text: &str, extra: &str, longest: usize) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
    (1..=longest).contains(&text.len()) && text.chars().all(legal)
}

fn target(target: &Target, problems: &mut Problems) {
    problems.host("target.dps_endpoint", &target.dps_endpoint);
    problems.port("target.port", target.port);
    if let Some(host) = &target.connect_host {
        problems.host("target.connect_host", host);
    }
}

fn group(key: &str, group: &Group, problems: &mut Problems) {
    if !is_name(&group.name, "-", LONGEST_NAME) {
        problems.push(
            &format!("{key}.name"),
            format!("it must be 1 to {LONGEST_NAME} letters, digits and `-`"),
        );
    }
    match &group.devices {
        Devices::Range(range) => numbered(&format!("{key}.devices.range"), range, problems),
        Devices::Ids(ids) => listed(&format!("{key}.devices.ids"), ids, problems),
    }
    for (name, accepted) in group.room.problems() {
        problems.push(&format!("{key}.room.{name}"), format!("it must be {accepted}"));
    }
    problems.millis(&format!("{key}.telemetry.interval_ms"), group.telemetry.interval_ms, 1);
    problems.fraction(&format!("{key}.telemetry.jitter"), group.telemetry.jitter);
    if group.profiles.len() > MOST_PROFILES {
        problems.push(
            &format!("{key}.profiles"),
            format!("there are {}, it must be at most {MOST_PROFILES}", group.profiles.len()),
        );
    }
    for (index, one) in group.profiles.iter().enumerate() {
        profile::problems_of(&format!("{key}.profiles[{index}]"), one, problems);
    }
    fault::problems_of(&format!("{key}.faults"), &group.faults, problems);
    credentials(&format!("{key}.credentials"), &group.credentials, problems);
    if let Some(gateway) = &group.gateway {
        behind(key, gateway, problems);
        if group.hub.is_none() {
            problems.push(
                &format!("{key}.hub"),
                "it is missing, and devices behind a gateway have to name their hub there",
            );
        }
    }
}

fn numbered(key: &str, range: &Range, problems: &mut Problems) {
    if !(1..=MAX_DEVICES).contains(&range.count) {
        problems.push(
            &format!("{key}.count"),
            format!("{}, it must be from 1 to {MAX_DEVICES}", range.count),
        );
    }
    if range.width > MAX_WIDTH {
        problems.push(
            &format!("{key}.width"),
            format!("{}, it must be from 0 to {MAX_WIDTH}", range.width),
        );
    } else if let Err(what) = device_id(&range.id(range.count.saturating_sub(1))) {
        // The ids differ in their numbers only, and the last one is the longest.
        problems.push(
            &format!("{key}.prefix"),
            format!("it makes an id that no device can have: {what}"),
        );
    }
}

fn listed(key: &str, ids: &[RegistrationId], problems: &mut Problems) {
    if ids.is_empty() {
        problems.push(key, "it is empty, and a group must have at least one device");
    }
    for (index, id) in ids.iter().enumerate() {
        if let Err(what) = device_id(id.as_str()) {
            problems.push(&format!("{key}[{index}]"), what);
        }
    }
}

/// A registration id that can be the common name of a certificate.
fn device_id(text: &str) -> Result<(), String> {
    RegistrationId::new(text).map_err(|error| error.to_string())?;
    match text.len() {
        ..=MAX_COMMON_NAME => Ok(()),
        length => Err(format!(
            "`{text}` has {length} characters; the common name of its certificate can have {MAX_COMMON_NAME}"
        )),
    }
}

fn credentials(key: &str, source: &CredentialSource, problems: &mut Problems) {
    let (key, path) = match source {
        CredentialSource::Group(path) => (format!("{key}.group"), path),
        CredentialSource::Individual(path) => (format!("{key}.individual"), path),
        CredentialSource::Files(files) | CredentialSource::Pattern(files) => {
            let name = match source {
                CredentialSource::Files(_) => "files",
                _ => "pattern",
            };
            // An invalid name may be the password itself, so it is not shown.
            if files
                .password_variable
                .as_deref()
                .is_some_and(|name| !shown::is_variable(name))
            {
                problems.push(
                    &format!("{key}.{name}.password_variable"),
                    "it must be the name of an environment variable",
                );
            }
            (format!("{key}.{name}.certificate"), &files.certificate)
        }
    };
    if path.as_os_str().is_empty() {
        problems.push(&key, "it is empty, and must be a path");
    }
}

fn behind(key: &str, gateway: &Gateway, problems: &mut Problems) {
    problems.host(&format!("{key}.gateway.connect_host"), &gateway.connect_host);
    problems.host(&format!("{key}.gateway.server_name"), &gateway.server_name);
    problems.port(&format!("{key}.gateway.port"), gateway.port);
}

/// Two clients with one id would disconnect each other. DPS ignores case.
fn unique(groups: &[Group], problems: &mut Problems) {
    let mut taken: HashMap<String, String> = HashMap::new();
    let mut ranges: Vec<(String, &Range)> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        match &group.devices {
            Devices::Range(range) => ranges.push((format!("groups[{index}].devices.range"), range)),
            Devices::Ids(ids) => {
                for (place, id) in ids.iter().enumerate() {
                    let key = format!("groups[{index}].devices.ids[{place}]");
                    if let Some(other) = taken.insert(id.folded(), key.clone()) {
                        problems.push(&key, format!("the device id `{id}` is already taken by `{other}`"));
                    }
                }
            }
        }
    }
    for (place, (key, range)) in ranges.iter().enumerate() {
        let listed = taken.iter().find(|(id, _)| has(range, id));
        if let Some((id, other)) = listed {
            problems.push(key, format!("the device id `{id}` is already taken by `{other}`"));
        }
        for (other, before) in &ranges[..place] {
            if let Some(id) = shared(before, range) {
                problems.push(key, format!("the device id `{id}` is already taken by `{other}`"));
            }
        }
    }
}

/// Whether a range contains the id, which is in lower case. Without a list of all its ids, which each of many processes
/// would need.
fn has(range: &Range, id: &str) -> bool {
    let Some(digits) = id.strip_prefix(&range.prefix.to_ascii_lowercase()) else {
        return false;
    };
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = digits.parse::<u64>().ok().filter(|_| all_digits) else {
        return false;
    };
    let index = number
        .checked_sub(u64::from(range.first))
        .filter(|index| *index < u64::from(range.count));
    index.is_some_and(|index| {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        range.id(index).eq_ignore_ascii_case(id)
    })
}

/// An id that both contain.
fn shared(one: &Range, other: &Range) -> Option<String> {
    let (a, b) = (one.prefix.to_ascii_lowercase(), other.prefix.to_ascii_lowercase());
    if !a.starts_with(&b) && !b.starts_with(&a) {
        return None;
    }
    let (few, many) = if one.count <= other.count {
        (one, other)
    } else {
        (other, one)
    };
    let mut ids = (0..few.count).map(|index| few.id(index).to_ascii_lowercase());
    ids.find(|id| has(many, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Profile, Stage, Telemetry};

    fn plan() -> Plan {
        serde_json::from_str(include_str!("../../tests/data/plan.json")).unwrap()
    }

    fn range(plan: &mut Plan) -> &mut Range {
        match &mut plan.groups[0].devices {
            Devices::Range(range) => range,
            Devices::Ids(_) => panic!("the first group of the committed plan is a range"),
        }
    }

    /// A good profile with some of its keys replaced.
    fn profile(keys: serde_json::Value) -> Profile {
        let mut profile = serde_json::json!({
            "name": "p", "weight": 1.0, "telemetry": { "interval_ms": 5000, "jitter": 0.1 },
        });
        for (key, value) in keys.as_object().unwrap() {
            profile[key] = value.clone();
        }
        serde_json::from_value(profile).unwrap()
    }

    fn faults(json: &str) -> Vec<crate::plan::DeviceFault> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_good_plan_has_no_problem() {
        assert_eq!(problems(&plan()), [""; 0]);
        let mut most = plan();
        range(&mut most).count = MAX_DEVICES - 2;
        range(&mut most).width = MAX_WIDTH;
        most.groups[0].telemetry.interval_ms = LONGEST_MS;
        most.groups[0].profiles = vec![profile(serde_json::json!({})); MOST_PROFILES];
        most.messages = Some(MOST_MESSAGES);
        most.rates.register_per_s = LEAST_RATE;
        most.rates.connect_per_s = f64::MAX;
        most.stages.clear();
        assert_eq!(problems(&most), [""; 0]);
    }

    #[test]
    fn each_value_that_no_fleet_can_have_is_named_by_its_key() {
        type Spoil = fn(&mut Plan);
        let cases: [(&str, Spoil); 45] = [
            ("run_id", |plan| plan.run_id.clear()),
            ("run_id", |plan| plan.run_id = "../r1".into()),
            ("run_id", |plan| plan.run_id = "..".into()),
            ("target.dps_endpoint", |plan| {
                plan.target.dps_endpoint = "https://dps/".into()
            }),
            ("target.port", |plan| plan.target.port = 0),
            ("target.connect_host", |plan| {
                plan.target.connect_host = Some(String::new())
            }),
            ("rates.register_per_s", |plan| plan.rates.register_per_s = -1.0),
            ("rates.register_per_s", |plan| plan.rates.register_per_s = f64::NAN),
            ("rates.connect_per_s", |plan| plan.rates.connect_per_s = f64::INFINITY),
            ("rates.connect_per_s", |plan| plan.rates.connect_per_s = 1e-300),
            ("stages[1].share", |plan| plan.stages[1].share = 1.5),
            ("stages[0].share", |plan| plan.stages[0].share = f64::NAN),
            ("stages[2].over_ms", |plan| plan.stages[2].over_ms = u64::MAX),
            ("groups", |plan| plan.groups.clear()),
            ("groups[0].name", |plan| plan.groups[0].name = "a/b".into()),
            ("groups[0].devices.range.count", |plan| range(plan).count = u32::MAX),
            ("groups[0].devices.range.count", |plan| range(plan).count = 0),
            ("groups", |plan| range(plan).count = MAX_DEVICES),
            ("groups[0].devices.range.width", |plan| {
                range(plan).width = 1_000_000_000
            }),
            ("groups[0].devices.range.prefix", |plan| {
                range(plan).prefix = "a b".into()
            }),
            ("groups[0].devices.range.prefix", |plan| {
                range(plan).prefix = "x".repeat(61)
            }),
            ("groups[1].devices.ids", |plan| {
                plan.groups[1].devices = Devices::Ids(Vec::new())
            }),
            ("groups[1].devices.ids[0]", |plan| {
                plan.groups[1].devices = Devices::Ids(vec![RegistrationId::new(&"x".repeat(65)).unwrap()]);
            }),
            ("groups[0].room.time_constant_h", |plan| {
                plan.groups[0].room.time_constant_h = Some(0.0)
            }),
            ("groups[0].room.heating_k_per_h", |plan| {
                plan.groups[0].room.heating_k_per_h = Some(1e308)
            }),
            ("groups[0].room.noise_k", |plan| {
                plan.groups[0].room.noise_k = Some(f64::NAN)
            }),
            ("groups[1].telemetry.interval_ms", |plan| {
                plan.groups[1].telemetry.interval_ms = 0
            }),
            ("groups[0].telemetry.interval_ms", |plan| {
                plan.groups[0].telemetry.interval_ms = u64::MAX
            }),
            ("groups[0].telemetry.jitter", |plan| {
                plan.groups[0].telemetry.jitter = -0.1
            }),
            ("messages", |plan| plan.messages = Some(u64::MAX)),
            ("groups[0].profiles[0].weight", |plan| {
                plan.groups[0].profiles = vec![profile(serde_json::json!({ "weight": 0.0 }))]
            }),
            ("groups[0].profiles[0].burst", |plan| {
                plan.groups[0].profiles = vec![profile(serde_json::json!({ "burst": 1000 }))]
            }),
            ("groups[0].profiles[1].day.online", |plan| {
                let day = serde_json::json!({ "shape": "office", "online": 2.0, "length_ms": 86_400_000 });
                let office = profile(serde_json::json!({ "day": day }));
                plan.groups[0].profiles = vec![profile(serde_json::json!({})), office];
            }),
            ("groups[0].profiles[0].payload", |plan| {
                plan.groups[0].profiles = vec![profile(serde_json::json!({ "payload": { "bytes": 300_000 } }))]
            }),
            ("groups[0].profiles[0].telemetry.interval_ms", |plan| {
                let never = serde_json::json!({ "telemetry": { "interval_ms": 0, "jitter": 0.1 } });
                plan.groups[0].profiles = vec![profile(never)]
            }),
            ("groups", |plan| {
                plan.groups[0].expect = Some("refused".parse().unwrap())
            }),
            ("groups[0].faults[0].share", |plan| {
                plan.groups[0].faults = faults(r#"[{"share":0,"fault":{"cut":{"every_ms":1000}}}]"#)
            }),
            ("groups[0].faults[0].fault", |plan| {
                plan.groups[0].faults = faults(r#"[{"share":1,"fault":{"slow":{"latency_ms":99999999}}}]"#)
            }),
            ("groups[1].faults[0].fault", |plan| {
                plan.groups[1].faults = faults(r#"[{"share":1,"fault":{"stalled":{"every_ms":1000,"for_ms":1000}}}]"#)
            }),
            ("groups[0].faults", |plan| {
                let twice =
                    r#"[{"share":0.6,"fault":{"clock":{"ahead_s":1}}},{"share":0.6,"fault":{"clock":{"ahead_s":2}}}]"#;
                plan.groups[0].faults = faults(twice)
            }),
            ("groups[0].credentials.group", |plan| {
                plan.groups[0].credentials = CredentialSource::Group("".into());
            }),
            ("groups[0].credentials.pattern.password_variable", |plan| {
                plan.groups[0].credentials = CredentialSource::Pattern(crate::plan::Files {
                    certificate: "a.pfx".into(),
                    key: None,
                    password_variable: Some("hunter 2".into()),
                    password_file: None,
                });
            }),
            ("groups[1].devices.ids[1]", |plan| {
                let ids = ["Lab-1", "lab-1"].map(|id| RegistrationId::new(id).unwrap());
                plan.groups[1].devices = Devices::Ids(ids.into());
            }),
            ("groups[0].devices.range", |plan| {
                plan.groups[1].devices = Devices::Ids(vec![RegistrationId::new("THERMO-0100").unwrap()]);
            }),
            ("groups[1].devices.range", |plan| {
                let range = Range {
                    prefix: "thermo-00".into(),
                    count: 5,
                    first: 96,
                    width: 2,
                };
                plan.groups[1].devices = Devices::Range(range);
            }),
        ];
        for (key, spoil) in cases {
            let mut plan = plan();
            spoil(&mut plan);
            let found = problems(&plan);
            assert_eq!(found.len(), 1, "{key}: {found:?}");
            assert!(found[0].starts_with(&format!("`{key}`: ")), "{key}: {found:?}");
            assert!(!found[0].contains("hunter"), "{found:?}");
        }
    }

    #[test]
    fn ids_that_only_look_alike_are_not_the_same() {
        let other = |prefix: &str, count, first, width| {
            let mut plan = plan();
            let prefix = prefix.to_owned();
            plan.groups[1].devices = Devices::Range(Range {
                prefix,
                count,
                first,
                width,
            });
            problems(&plan)
        };
        // The first group has thermo-0001 to thermo-0100.
        assert_eq!(other("thermo-", 50, 101, 4), [""; 0]);
        assert_eq!(other("thermo-", 50, 1, 5), [""; 0]);
        assert_eq!(other("thermo-", 99, 1, 2), [""; 0]);
        assert_eq!(other("thermo-x-", 100, 1, 4), [""; 0]);
        assert_eq!(other("thermo-", 50, 100, 2), [""; 0], "thermo-100 is not thermo-0100");
    }

    #[test]
    fn a_plan_with_many_problems_has_them_all_said() {
        let mut plan = plan();
        range(&mut plan).width = usize::MAX;
        plan.rates.connect_per_s = 0.0;
        plan.groups[1].telemetry = Telemetry {
            interval_ms: 0,
            jitter: 2.0,
        };
        plan.stages.push(Stage {
            share: -1.0,
            over_ms: 0,
        });
        assert_eq!(problems(&plan).len(), 5);
    }
}
