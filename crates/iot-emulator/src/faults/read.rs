//! Rules as people write them: TOML in files, the same in JSON over REST.

use std::time::Duration;

use iot_protocol::id::HubHost;
use serde_json::{Map, Value};

use super::rule::{Rule, Span, Verdict};
use crate::weather::{BadSettings, DURATION, Form, Phase, duration, toml_table};

/// The sets of rules that have a name.
pub(super) static PRESETS: [(&str, &str); 5] = [
    (
        "slow-network",
        include_str!("../../../../configs/faults/slow-network.toml"),
    ),
    ("lost-acks", include_str!("../../../../configs/faults/lost-acks.toml")),
    (
        "throttled-dps",
        include_str!("../../../../configs/faults/throttled-dps.toml"),
    ),
    ("hub-move", include_str!("../../../../configs/faults/hub-move.toml")),
    ("outage", include_str!("../../../../configs/faults/outage.toml")),
];
const SHARE: &str = "a number above 0 and at most 1";
const COUNT: &str = "a whole number from 1";
const ID: &str = "a text of letters, digits, `-`, `_` and `.`, at most 64";
const SPAN: &str = r#"a time such as "2s", or two such as ["50ms", "100ms"]"#;
/// A connection that is held longer than this is nobody's any more.
const LONGEST_DELAY: Duration = Duration::from_secs(600);

/// The rules of a preset or of a file.
pub(super) fn load(preset_or_file: &str) -> Result<Vec<Rule>, BadSettings> {
    if let Some((_, text)) = PRESETS.iter().find(|(name, _)| *name == preset_or_file) {
        return from_toml(preset_or_file, text);
    }
    let text = std::fs::read_to_string(preset_or_file).map_err(|error| {
        BadSettings::new(
            preset_or_file,
            format!(
                "can't be read: {error}; accepted: {}, or a file of rules",
                preset_names()
            ),
        )
    })?;
    from_toml(preset_or_file, &text)
}

pub(super) fn from_toml(name: &str, text: &str) -> Result<Vec<Rule>, BadSettings> {
    from_table(name, &toml_table(name, text)?)
}

fn preset_names() -> String {
    PRESETS.map(|(name, _)| name).join(", ")
}

/// A table is a single rule, or it has a preset and a list of rules.
pub(super) fn from_table(name: &str, table: &Map<String, Value>) -> Result<Vec<Rule>, BadSettings> {
    let mut problems = Vec::new();
    let mut rules = Vec::new();
    if table.contains_key("phase") || table.contains_key("verdict") {
        rules.extend(rule(table, String::new(), &mut problems));
    } else {
        let mut form = Form::new(table, String::new(), &mut problems);
        let preset = form.optional("preset", &preset_names(), |value| {
            PRESETS.iter().find(|(name, _)| Some(*name) == value.as_str())
        });
        let tables = form.optional("rule", "[[rule]] tables", |value| {
            let tables = value.as_array()?.iter().map(Value::as_object);
            tables.collect::<Option<Vec<_>>>()
        });
        form.finish();
        if let Some((name, text)) = preset {
            rules.extend(from_toml(name, text)?);
        }
        for (i, table) in tables.into_iter().flatten().enumerate() {
            rules.extend(rule(table, format!("rule {}: ", i + 1), &mut problems));
        }
    }
    for (i, rule) in rules.iter().enumerate() {
        if !rule.id.is_empty() && rules[..i].iter().any(|other| other.id == rule.id) {
            problems.push(format!("`id` {:?} is there twice; accepted: {ID}", rule.id));
        }
    }
    if problems.is_empty() {
        Ok(rules)
    } else {
        let name = name.into();
        Err(BadSettings { name, problems })
    }
}

fn rule(table: &Map<String, Value>, place: String, problems: &mut Vec<String>) -> Option<Rule> {
    let before = problems.len();
    let mut form = Form::new(table, place, problems);
    // A rule without an id gets one when it is put into force.
    let id = form.optional("id", ID, id).unwrap_or_default().to_owned();
    let enabled = form
        .optional("enabled", "true or false", Value::as_bool)
        .unwrap_or(true);
    let device = form.optional("device", r#"a pattern such as "thermo-*""#, |value| {
        value
            .as_str()
            .filter(|pattern| !pattern.is_empty() && pattern.len() <= 256)
    });
    let share = form.optional("share", SHARE, share);
    let phases: Vec<_> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
    let phase = form.required("phase", &phases.join(", "), |value| {
        Phase::ALL
            .into_iter()
            .find(|phase| Some(phase.as_str()) == value.as_str())
    });
    let probability = form.optional("probability", SHARE, self::share).unwrap_or(1.0);
    let count = form.optional("count", COUNT, count);
    let count_per_device = form.optional("count_per_device", COUNT, self::count);
    let after = form.duration("after").unwrap_or_default();
    let lasts = form.duration("for");
    let verdict = verdict(&mut form, phase);
    if phase.is_some_and(|phase| phase == Phase::Accept) {
        for (key, there) in [
            ("device", device.is_some()),
            ("share", share.is_some()),
            ("count_per_device", count_per_device.is_some()),
        ] {
            if there {
                form.problem(format!(
                    "`{key}` has no meaning at `accept`, where nobody has said who it is; \
                     accepted: the phase `tls`, or `probability` or `count` instead"
                ));
            }
        }
    }
    form.finish();
    if problems.len() > before {
        return None;
    }
    Some(Rule {
        id,
        enabled,
        // A star is everybody.
        device: device.filter(|pattern| *pattern != "*").map(Into::into),
        share: share.unwrap_or(1.0),
        phase: phase?,
        probability,
        count,
        count_per_device,
        after,
        lasts,
        verdict: verdict?,
    })
}

fn verdict(form: &mut Form<'_, '_>, phase: Option<Phase>) -> Option<Verdict> {
    let possible = phase.map_or_else(|| VERDICTS.to_vec(), verdicts_at);
    let place = phase.map_or(String::new(), |phase| format!("at `{}`: ", phase.as_str()));
    let accepted = format!("{place}{}", possible.join(", "));
    let word = form.required("verdict", &accepted, |value| {
        value.as_str().filter(|word| possible.contains(word))
    });
    Some(match word? {
        "drop" => Verdict::Drop,
        "drop-before-ack" => Verdict::DropBeforeAck,
        "drop-after-ack" => Verdict::DropAfterAck,
        "no-ack" => Verdict::NoAck,
        "refuse" => Verdict::Refuse {
            code: form.required("code", "a return code of CONNACK, from 1 to 5", |value| {
                let code = u8::try_from(value.as_u64()?).ok()?;
                (1..=5).contains(&code).then_some(code)
            })?,
        },
        "answer" => {
            let status = form.required("status", "an HTTP status from 400 to 599", |value| {
                let status = u16::try_from(value.as_u64()?).ok()?;
                (400..=599).contains(&status).then_some(status)
            });
            let mqtt = !matches!(phase, Some(Phase::Rest | Phase::Command));
            let error_code = if mqtt {
                form.optional(
                    "error_code",
                    "the status and three more digits, such as 429001",
                    |value| {
                        let code = u32::try_from(value.as_u64()?).ok()?;
                        status
                            .is_none_or(|status| code / 1000 == u32::from(status))
                            .then_some(code)
                    },
                )
            } else {
                None
            };
            // The hub's answers about twins have no place for it.
            let retry_after = if matches!(phase, Some(Phase::TwinGet | Phase::TwinReport)) {
                None
            } else {
                form.optional("retry_after", r#"whole seconds such as "5s""#, |value| {
                    duration(value).filter(|time| time.subsec_nanos() == 0)
                })
            };
            Verdict::Answer {
                status: status?,
                error_code,
                retry_after,
            }
        }
        "delay" => Verdict::Delay {
            by: form.required("by", SPAN, span)?,
        },
        "slow" => Verdict::Slow {
            by: form.required("by", SPAN, span)?,
        },
        "black-hole" => Verdict::BlackHole,
        "stop-reading" => Verdict::StopReading,
        "move" => Verdict::Move {
            hub: form.optional(
                "hub",
                "the name of a hub of `--hubs`; left out for the next one",
                |value| HubHost::new(value.as_str()?).ok(),
            ),
        },
        "expire" => Verdict::Expire,
        "disable" => Verdict::Disable,
        "delete" => Verdict::Delete,
        "restart" => Verdict::Restart {
            down: form.required("down", DURATION, duration)?,
        },
        _ => return None,
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

fn id(value: &Value) -> Option<&str> {
    let is_plain = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    value.as_str().filter(is_plain)
}

fn share(value: &Value) -> Option<f64> {
    value.as_f64().filter(|share| *share > 0.0 && *share <= 1.0)
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64().filter(|count| *count > 0)
}

fn span(value: &Value) -> Option<Span> {
    let span = match value.as_array().map(Vec::as_slice) {
        None => duration(value).map(|by| Span(by, by)),
        Some([from, to]) => Some(Span(duration(from)?, duration(to)?)),
        Some(_) => None,
    };
    span.filter(|Span(from, to)| from <= to && *to <= LONGEST_DELAY)
}
