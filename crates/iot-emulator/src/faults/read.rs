//! Rules as people write them: TOML in files, the same in JSON over REST.

use std::collections::HashMap;
use std::time::Duration;

use iot_protocol::id::HubHost;
use serde_json::{Map, Value};
use settings::reading::{boolean, number, parsed, text, whole, word};
use settings::{At, DeValue, Document, Invalid, Table, Unreadable};

use super::rule::{Rule, Span, Verdict};
use crate::phase::Phase;

/// The sets of rules that have a name.
pub(super) static PRESETS: [(&str, &str); 5] = [
    ("slow-network", include_str!("../../presets/slow-network.toml")),
    ("lost-acks", include_str!("../../presets/lost-acks.toml")),
    ("throttled-dps", include_str!("../../presets/throttled-dps.toml")),
    ("hub-move", include_str!("../../presets/hub-move.toml")),
    ("outage", include_str!("../../presets/outage.toml")),
];
/// What the file is called in problems.
const KIND: &str = "a file of rules";
const SHARE: &str = "a number above 0 and at most 1";
const COUNT: &str = "a whole number from 1";
const ID: &str = "a text of letters, digits, `-`, `_` and `.`, at most 64";
const TIME: &str = r#"a time such as "50ms", "1m30s" or "2h", at most 24h"#;
const SPAN: &str = r#"a time such as "2s", or two such as ["50ms", "100ms"], at most 10m"#;
const LONGEST: Duration = Duration::from_secs(86_400);
/// A client gives up a connection that is held longer than this.
const LONGEST_DELAY: Duration = Duration::from_secs(600);

pub(super) fn load(preset_or_file: &str) -> Result<Vec<Rule>, Invalid> {
    if let Some((_, text)) = PRESETS.iter().find(|(name, _)| *name == preset_or_file) {
        return from_toml(preset_or_file, text);
    }
    let text = std::fs::read_to_string(preset_or_file).map_err(|error| {
        let accepted = format!("{}, or a file of rules", preset_names());
        Invalid::whole(preset_or_file, format!("can't be read: {error}"), &accepted)
    })?;
    from_toml(preset_or_file, &text)
}

pub(super) fn from_toml(name: &str, text: &str) -> Result<Vec<Rule>, Invalid> {
    let invalid = |problems| Invalid {
        name: name.into(),
        problems,
    };
    let document = Document::parse(KIND, name, text, &[]).map_err(invalid)?;
    let rules = rules(&document);
    match document.problems.take() {
        none if none.is_empty() => Ok(rules),
        problems => Err(invalid(problems)),
    }
}

/// JSON is read by way of TOML, which lacks only its null.
pub(super) fn from_json(name: &str, table: &Map<String, Value>) -> Result<Vec<Rule>, Invalid> {
    let text = toml::to_string(table)
        .map_err(|_| Invalid::whole(name, "a value is null".into(), "a value, or the key left out"))?;
    from_toml(name, &text)
}

fn preset_names() -> String {
    PRESETS.map(|(name, _)| name).join(", ")
}

/// A document is a single rule, or it has a preset and a list of rules.
fn rules(document: &Document<'_>) -> Vec<Rule> {
    let root = document.root();
    let mut ids = HashMap::new();
    if root.has("phase") || root.has("verdict") {
        return rule(root, &mut ids, document).into_iter().collect();
    }
    let preset = root.read("preset", &preset_names(), |value| {
        let name = text(value)?;
        let preset = PRESETS.iter().find(|(known, _)| *known == name);
        preset.ok_or_else(|| Unreadable::Value(format!("`{name}` is not one of them")))
    });
    let mut rules = Vec::new();
    if let Some(At { value, span, key }) = preset {
        match from_toml(value.0, value.1) {
            Ok(built_in) => rules.extend(built_in),
            Err(wrong) => document.problems.push(span, wrong.to_string(), Vec::new()),
        }
        ids.extend(rules.iter().map(|rule: &Rule| (rule.id.clone(), key.clone())));
    }
    for table in root.tables("rule") {
        rules.extend(rule(table, &mut ids, document));
    }
    root.finish();
    rules
}

/// `ids` has the rules before this one, each with the key that gave it its id.
fn rule(table: Table<'_>, ids: &mut HashMap<String, String>, document: &Document<'_>) -> Option<Rule> {
    // A rule without an id gets one when it is put into force.
    let id = table.read("id", ID, id);
    if let Some(id) = &id
        && let Some(other) = ids.insert(id.value.to_owned(), id.key.clone())
    {
        let message = format!("`{}`: `{}` is already the id of `{other}`", id.key, id.value);
        document
            .problems
            .push(id.span.clone(), message, vec![format!("accepted: {ID}")]);
    }
    let enabled = table.read("enabled", "true or false", boolean);
    let device = table.read(
        "device",
        r#"a pattern such as "thermo-*", at most 256 characters"#,
        pattern,
    );
    let share = table.read("share", SHARE, self::share);
    let phases: Vec<_> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
    let phase = table.read_required("phase", &phases.join(", "), |value| {
        word(value, &Phase::ALL.map(|phase| (phase.as_str(), phase)))
    });
    let phase = phase.map(|phase| phase.value);
    let probability = table.read("probability", SHARE, self::share);
    let count = table.read("count", COUNT, self::count);
    let count_per_device = table.read("count_per_device", COUNT, self::count);
    let after = table.read("after", TIME, time);
    let lasts = table.read("for", TIME, time);
    let verdict = verdict(&table, phase);
    if phase == Some(Phase::Accept) {
        table.out_of_place(
            &["device", "share", "count_per_device"],
            "has no meaning at `accept`, where a connection has no name yet; accepted: the phase `tls`, or `probability` \
             or `count` instead",
        );
    }
    table.finish();
    Some(Rule {
        id: id.map(|id| id.value.to_owned()).unwrap_or_default(),
        enabled: enabled.is_none_or(|enabled| enabled.value),
        // A star matches every device.
        device: device
            .map(|at| at.value)
            .filter(|pattern| *pattern != "*")
            .map(Into::into),
        share: share.map_or(1.0, |share| share.value),
        phase: phase?,
        probability: probability.map_or(1.0, |probability| probability.value),
        count: count.map(|count| count.value),
        count_per_device: count_per_device.map(|count| count.value),
        after: after.map(|after| after.value).unwrap_or_default(),
        lasts: lasts.map(|lasts| lasts.value),
        verdict: verdict?,
    })
}

fn verdict(table: &Table<'_>, phase: Option<Phase>) -> Option<Verdict> {
    let possible = phase.map_or_else(|| VERDICTS.to_vec(), verdicts_at);
    let place = phase.map_or(String::new(), |phase| format!("at `{}`: ", phase.as_str()));
    let accepted = format!("{place}{}", possible.join(", "));
    let verdict = table.read_required("verdict", &accepted, |value| {
        word(value, &possible.iter().map(|word| (*word, *word)).collect::<Vec<_>>())
    });
    Some(match verdict?.value {
        "drop" => Verdict::Drop,
        "drop-before-ack" => Verdict::DropBeforeAck,
        "drop-after-ack" => Verdict::DropAfterAck,
        "no-ack" => Verdict::NoAck,
        "refuse" => Verdict::Refuse {
            code: required(table, "code", "a return code of CONNACK, from 1 to 5", |value| {
                bounded(value, 1, 5)
            })?,
        },
        "answer" => answer(table, phase)?,
        "delay" => Verdict::Delay {
            by: required(table, "by", SPAN, span)?,
        },
        "slow" => Verdict::Slow {
            by: required(table, "by", SPAN, span)?,
        },
        "black-hole" => Verdict::BlackHole,
        "stop-reading" => Verdict::StopReading,
        "move" => Verdict::Move {
            hub: table
                .read(
                    "hub",
                    "the name of a hub of `--hubs`; left out for the next one",
                    |value| HubHost::new(text(value)?).map_err(|error| Unreadable::Value(error.to_string())),
                )
                .map(|hub| hub.value),
        },
        "expire" => Verdict::Expire,
        "disable" => Verdict::Disable,
        "delete" => Verdict::Delete,
        "restart" => Verdict::Restart {
            down: required(table, "down", TIME, time)?,
        },
        _ => return None,
    })
}

fn answer(table: &Table<'_>, phase: Option<Phase>) -> Option<Verdict> {
    let status = required(table, "status", "an HTTP status from 400 to 599", |value| {
        bounded::<u16>(value, 400, 599)
    });
    let is_mqtt = !matches!(phase, Some(Phase::Rest | Phase::Command));
    let error_code = is_mqtt.then(|| {
        table.read(
            "error_code",
            "the status and three more digits, such as 429001",
            |value| {
                let code: u32 = bounded(value, 0, u32::MAX.into())?;
                match status.is_none_or(|status| code / 1000 == u32::from(status)) {
                    true => Ok(code),
                    false => Err(Unreadable::Value(format!("{code} does not begin with the status"))),
                }
            },
        )
    });
    // The hub's answers about twins have no place for it.
    let has_retry_after = !matches!(phase, Some(Phase::TwinGet | Phase::TwinReport));
    let retry_after =
        has_retry_after.then(|| table.read("retry_after", r#"whole seconds such as "5s""#, whole_seconds));
    Some(Verdict::Answer {
        status: status?,
        error_code: error_code.flatten().map(|code| code.value),
        retry_after: retry_after.flatten().map(|after| after.value),
    })
}

const VERDICTS: [&str; 15] = [
    "drop",
    "drop-before-ack",
    "drop-after-ack",
    "no-ack",
    "refuse",
    "answer",
    "delay",
    "slow",
    "black-hole",
    "stop-reading",
    "move",
    "expire",
    "disable",
    "delete",
    "restart",
];

/// What can happen at a phase.
fn verdicts_at(phase: Phase) -> Vec<&'static str> {
    let drops = ["drop", "delay", "black-hole", "stop-reading", "restart"];
    let acks = ["drop-before-ack", "drop-after-ack", "no-ack"];
    let device = ["move", "expire", "disable", "delete"];
    let more: &[&[&str]] = match phase {
        Phase::Accept => &[&drops, &["slow"]],
        Phase::Tls => &[&drops],
        Phase::DpsConnect => &[&drops, &["drop-after-ack", "refuse", "disable"]],
        Phase::Register => &[&drops, &acks, &["answer", "disable"]],
        Phase::Poll => &[&drops, &acks, &["answer"]],
        Phase::HubConnect => &[&drops, &["drop-after-ack", "refuse"], &device],
        Phase::Subscribe | Phase::Telemetry | Phase::MethodResponse => &[&drops, &acks, &device],
        Phase::TwinGet | Phase::TwinReport => &[&drops, &acks, &["answer"], &device],
        Phase::C2d => &[&drops, &["drop-after-ack"], &device],
        Phase::Rest | Phase::Command => &[&["answer", "delay", "black-hole", "restart"]],
    };
    more.concat()
}

fn required<'a, T>(
    table: &Table<'a>,
    key: &'static str,
    accepted: &str,
    read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Unreadable>,
) -> Option<T> {
    table.read_required(key, accepted, read).map(|at| at.value)
}

fn id<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Unreadable> {
    let id = text(value)?;
    let is_plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    match (1..=64).contains(&id.len()) && is_plain {
        true => Ok(id),
        false => Err(Unreadable::Value(format!("`{id}` is no id"))),
    }
}

fn pattern<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Unreadable> {
    match text(value)? {
        "" => Err(Unreadable::Value("it is empty".into())),
        long if long.len() > 256 => Err(Unreadable::Value("it is too long".into())),
        pattern => Ok(pattern),
    }
}

fn share(value: &DeValue<'_>) -> Result<f64, Unreadable> {
    match number(value)? {
        share if share > 0.0 && share <= 1.0 => Ok(share),
        large if large > 1.0 => Err(Unreadable::Value(format!("{large} is too large"))),
        small => Err(Unreadable::Value(format!("{small} is too small"))),
    }
}

fn count(value: &DeValue<'_>) -> Result<u64, Unreadable> {
    bounded(value, 1, u64::MAX.into())
}

/// A whole number of the range, which must be one that `T` can hold.
fn bounded<T: TryFrom<i128>>(value: &DeValue<'_>, from: i128, to: i128) -> Result<T, Unreadable> {
    let number = whole(value, from, to)?;
    T::try_from(number).map_err(|_| Unreadable::Value(format!("{number} is too large")))
}

fn time(value: &DeValue<'_>) -> Result<Duration, Unreadable> {
    time_up_to(value, LONGEST)
}

fn time_up_to(value: &DeValue<'_>, longest: Duration) -> Result<Duration, Unreadable> {
    let time: settings::Span = parsed(value)?;
    if time.0 > longest {
        return Err(Unreadable::Value(format!(
            "it is longer than {}",
            settings::Span(longest)
        )));
    }
    // A rule is shown in milliseconds, and must be the same when it is read again.
    if !time.0.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(Unreadable::Value("it is not whole milliseconds".into()));
    }
    Ok(time.0)
}

fn whole_seconds(value: &DeValue<'_>) -> Result<Duration, Unreadable> {
    match time(value)? {
        time if time.subsec_nanos() == 0 => Ok(time),
        _ => Err(Unreadable::Value("it is not whole seconds".into())),
    }
}

fn span(value: &DeValue<'_>) -> Result<Span, Unreadable> {
    let delay = |value| time_up_to(value, LONGEST_DELAY);
    let Some(both) = value.as_array() else {
        return delay(value).map(|by| Span(by, by));
    };
    let [from, to] = &both[..] else {
        return Err(Unreadable::Value(format!("it has {} times", both.len())));
    };
    match Span(delay(from.get_ref())?, delay(to.get_ref())?) {
        Span(from, to) if from > to => Err(Unreadable::Value("the first time is the longer one".into())),
        span => Ok(span),
    }
}
