//! What a manifest sets of a capability, put over what was guessed.

use std::cmp::Ordering;
use std::sync::Arc;

use dtdl::{Meaning, Plain, Schema};
use fleet_protocol::plan::{self, Behaviour, Recording};

use super::guess::{Use, decimals, end_of};
use super::process::Process;
use super::shape::{Replay, Shape};

/// A key, and what is accepted of it.
pub(super) type Wrong = (&'static str, String);

/// How long a ramp or a sine takes where nothing is said: an hour.
const PERIOD_MS: u64 = 3_600_000;
/// The shortest period, in milliseconds.
const LEAST_PERIOD_MS: u64 = 1_000;

/// Keys of commands at a value, and such that go together only with others.
pub(super) fn out_of_place(behaviour: &Behaviour, used: Use) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (key, is_there) in [
        ("status", behaviour.status.is_some()),
        ("fail_share", behaviour.fail_share.is_some()),
        ("delay", behaviour.delay_ms.is_some()),
    ] {
        if is_there {
            wrong.push((key, "is for commands".to_owned()));
        }
    }
    if used == Use::Property && behaviour.on_change.is_some() {
        wrong.push(("on_change", "is for telemetry".to_owned()));
    }
    wrong
}

/// Keys of values at a command.
pub(super) fn out_of_place_for_commands(behaviour: &Behaviour) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (key, is_there) in [
        ("process", behaviour.process.is_some()),
        ("min", behaviour.min.is_some()),
        ("max", behaviour.max.is_some()),
        ("start", behaviour.start.is_some()),
        ("noise", behaviour.noise.is_some()),
        ("period", behaviour.period_ms.is_some()),
        ("interval", behaviour.interval_ms.is_some()),
        ("on_change", behaviour.on_change.is_some()),
        ("replay", behaviour.replay.is_some()),
    ] {
        if is_there {
            wrong.push((key, "is for telemetry and properties, and this is a command".to_owned()));
        }
    }
    if behaviour.status.is_some_and(|status| !(200..=599).contains(&status)) {
        wrong.push(("status", "must be from 200 to 599".to_owned()));
    }
    if behaviour.fail_share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        wrong.push(("fail_share", "must be from 0 to 1".to_owned()));
    }
    wrong
}

/// The shape of a value as it is set.
pub(super) fn shaped(
    guessed: Shape,
    schema: &Schema,
    meaning: &Meaning,
    behaviour: &Behaviour,
    used: Use,
    wrong: &mut Vec<Wrong>,
) -> Shape {
    if behaviour.on_change.is_some_and(|by| !(by.is_finite() && by >= 0.0)) {
        wrong.push(("on_change", "must be a number from 0 on".to_owned()));
    }
    if behaviour.on_change.is_some() && behaviour.replay.is_none() && guessed.is_composite() {
        let name = schema.name();
        wrong.push((
            "on_change",
            format!("is for single values, and this is of the schema {name}"),
        ));
    }
    if let Some(recording) = &behaviour.replay {
        let of_processes = [
            ("min", behaviour.min.is_some()),
            ("max", behaviour.max.is_some()),
            ("start", behaviour.start.is_some()),
            ("noise", behaviour.noise.is_some()),
            ("period", behaviour.period_ms.is_some()),
        ];
        for (key, _) in of_processes.into_iter().filter(|(_, is_there)| *is_there) {
            wrong.push((key, "does not go with a replay, which has its values".to_owned()));
        }
        return replay(recording, schema, wrong).unwrap_or(guessed);
    }
    if behaviour.process == Some(plan::Process::Replay) {
        wrong.push(("process", "a replay needs `replay = \"recorded.csv\"`".to_owned()));
        return guessed;
    }
    let is_set = behaviour.process.is_some()
        || [behaviour.min, behaviour.max, behaviour.start, behaviour.noise]
            .iter()
            .any(Option::is_some)
        || behaviour.period_ms.is_some();
    let Schema::Plain(plain) = schema else {
        if is_set {
            let message = format!(
                "is for numbers, and this is of the schema {}; a replay has any",
                schema.name()
            );
            wrong.push((first_key(behaviour), message));
        }
        return guessed;
    };
    if !is_set {
        return guessed;
    }
    if !plain.is_number() {
        let message = format!("is for numbers, and this is a {}; a replay has any value", plain.name());
        wrong.push((first_key(behaviour), message));
        return guessed;
    }
    numbers(guessed, *plain, meaning, behaviour, used, wrong)
}

fn numbers(
    guessed: Shape,
    plain: Plain,
    meaning: &Meaning,
    behaviour: &Behaviour,
    used: Use,
    wrong: &mut Vec<Wrong>,
) -> Shape {
    let guessed = match guessed {
        Shape::Event { value, .. } => *value,
        other => other,
    };
    let Shape::Number { process, .. } = guessed else {
        return guessed;
    };
    // What a range is where only one end of it is set.
    let (usual_min, usual_max, settles) = match process {
        Process::Walk { min, max, settles, .. } => (min, max, settles),
        Process::Constant { min, max, .. } => (min, max, 300.0),
        _ => (0.0, 100.0, 300.0),
    };
    let end = end_of(plain);
    for (key, value) in [
        ("min", behaviour.min),
        ("max", behaviour.max),
        ("start", behaviour.start),
        ("noise", behaviour.noise),
    ] {
        if value.is_some_and(|value| !(value.is_finite() && value.abs() <= end)) {
            wrong.push((key, format!("must be a number that a {} can be", plain.name())));
        }
    }
    if behaviour.noise.is_some_and(|noise| noise < 0.0) {
        wrong.push(("noise", "must be 0 or more".to_owned()));
    }
    let width = usual_max - usual_min;
    let min = behaviour.min.unwrap_or(match behaviour.max {
        Some(max) if max < usual_min => max - width,
        _ => usual_min,
    });
    let max = behaviour
        .max
        .unwrap_or(if min > usual_max { min + width } else { usual_max });
    if min.partial_cmp(&max).is_none_or(Ordering::is_gt) {
        wrong.push(("min", format!("must not be above max, which is {max}")));
        return guessed;
    }
    let kind = behaviour.process.unwrap_or(match process {
        Process::Counter { .. } => plan::Process::Counter,
        Process::Constant { .. } => plan::Process::Constant,
        _ => plan::Process::Walk,
    });
    let bounded = matches!(kind, plan::Process::Walk | plan::Process::Ramp | plan::Process::Sine);
    if let Some(start) = behaviour.start.filter(|start| bounded && !(min..=max).contains(start)) {
        wrong.push(("start", format!("{start} must be from {min} to {max}")));
    }
    let period_ms = behaviour.period_ms.unwrap_or(PERIOD_MS);
    if behaviour.period_ms.is_some() && !matches!(kind, plan::Process::Ramp | plan::Process::Sine) {
        wrong.push(("period", "is for `process = \"ramp\"` and `\"sine\"`".to_owned()));
    }
    if period_ms < LEAST_PERIOD_MS {
        wrong.push(("period", "must be a second at least".to_owned()));
    }
    if behaviour.interval_ms.is_none() && used == Use::Property && kind != plan::Process::Constant {
        let message = "a property stays as it is unless `interval` says how often it is reported";
        wrong.push(("process", message.to_owned()));
    }
    let (start, noise, period) = (behaviour.start, behaviour.noise, period_ms as f64 / 1_000.0);
    let process = match kind {
        plan::Process::Walk => Process::Walk {
            min,
            max,
            start,
            settles,
            noise: noise.unwrap_or(0.08 * (max - min)),
        },
        plan::Process::Ramp => Process::Ramp {
            min,
            max,
            start,
            period,
            noise: noise.unwrap_or(0.0),
        },
        plan::Process::Sine => Process::Sine {
            min,
            max,
            start,
            period,
            noise: noise.unwrap_or(0.0),
        },
        plan::Process::Counter => {
            if behaviour.min.is_some() || noise.is_some() {
                let key = if noise.is_some() { "noise" } else { "min" };
                wrong.push((key, "a counter only grows: `max` is by how much in an hour".to_owned()));
            }
            Process::Counter {
                start,
                per_second: behaviour.max.map_or_else(|| of_counter(process), |max| max / 3_600.0),
                end,
                is_whole: matches!(plain, Plain::Integer | Plain::Long),
            }
        }
        plan::Process::Constant | plan::Process::Replay => {
            let (min, max) = start.map_or((min, max), |start| (start, start));
            Process::Constant {
                min,
                max,
                noise: noise.unwrap_or(0.0),
            }
        }
    };
    Shape::Number {
        decimals: decimals(plain, max - min, meaning),
        process,
    }
}

fn of_counter(process: Process) -> f64 {
    match process {
        Process::Counter { per_second, .. } => per_second,
        _ => 0.2,
    }
}

fn first_key(behaviour: &Behaviour) -> &'static str {
    [
        ("process", behaviour.process.is_some()),
        ("min", behaviour.min.is_some()),
        ("max", behaviour.max.is_some()),
        ("start", behaviour.start.is_some()),
        ("noise", behaviour.noise.is_some()),
    ]
    .into_iter()
    .find(|(_, is_there)| *is_there)
    .map_or("period", |(key, _)| key)
}

/// What was recorded, each value held against the schema.
fn replay(recording: &Recording, schema: &Schema, wrong: &mut Vec<Wrong>) -> Option<Shape> {
    let mut samples = Vec::with_capacity(recording.samples.len());
    for (index, (second, value)) in recording.samples.iter().enumerate() {
        if let Some(mismatch) = schema.mismatches(value).into_iter().next() {
            let message = format!("value {} of the recording, {value}, {mismatch}", index + 1);
            wrong.push(("replay", message));
            return None;
        }
        samples.push((*second, value.to_string().into_boxed_str()));
    }
    let in_order = samples.windows(2).all(|pair| pair[0].0 <= pair[1].0);
    if samples.is_empty() || !in_order || !samples.iter().all(|(second, _)| second.is_finite()) {
        wrong.push(("replay", "must have values, in the order of their times".to_owned()));
        return None;
    }
    if !(recording.speed.is_finite() && recording.speed > 0.0) {
        wrong.push(("replay", "must have a speed above 0".to_owned()));
        return None;
    }
    Some(Shape::Replay(Replay {
        samples: Arc::from(samples),
        is_number: schema.is_number(),
        speed: recording.speed,
        loops: recording.loops,
    }))
}
