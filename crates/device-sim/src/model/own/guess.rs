//! What a value behaves like, by its schema, its unit and its name: temperatures and pressures wander, counters grow,
//! states last, positions move. A list of words, and no more than a good guess; a manifest has the last word.

use dtdl::{Literal, Meaning, Plain, Schema};

use super::process::{Form, Place, Process};
use super::shape::{Shape, TimeForm};
use super::usual::{COUNTER_UNITS, COUNTERS, EVENTS, SELDOM, has, usual, words};

/// An event comes so many seconds after the one before.
const EVENT_GAP: f64 = 600.0;
/// Schemas within schemas; models are checked to be far from it.
const DEEPEST: usize = 8;

/// What the value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Telemetry,
    /// It stays the same.
    Property,
    Response,
}

/// The shape of a value of a schema.
pub(super) fn shape(name: &str, schema: &Schema, meaning: &Meaning, used: Use) -> Shape {
    let shape = of_schema(name, schema, meaning, used, 0);
    let words = words(name);
    let is_event = meaning.semantic_type.as_deref() == Some("Event")
        || matches!(schema, Schema::Plain(Plain::String)) && has(&words, EVENTS);
    match used {
        Use::Telemetry if is_event => Shape::Event {
            gap: EVENT_GAP,
            value: Box::new(shape),
        },
        _ => shape,
    }
}

fn of_schema(name: &str, schema: &Schema, meaning: &Meaning, used: Use, depth: usize) -> Shape {
    let nothing = Meaning::default();
    match schema {
        Schema::Plain(plain) => of_plain(name, *plain, meaning, used),
        Schema::Enum(values) => {
            let values: Vec<_> = values.iter().map(|value| literal(&value.value)).collect();
            let dwell = vec![if used == Use::Property { f64::MAX } else { 300.0 }; values.len()];
            Shape::State { values, dwell }
        }
        _ if depth >= DEEPEST => Shape::Object(Vec::new()),
        Schema::Object(fields) => {
            let field = |field: &dtdl::Field| {
                let shape = of_schema(&field.name, &field.schema, &field.meaning, used, depth + 1);
                (key(&field.name), shape)
            };
            Shape::Object(fields.iter().map(field).collect())
        }
        Schema::Array(element) => Shape::Array(vec![of_schema(name, element, &nothing, used, depth + 1); 3]),
        Schema::Map(value) => {
            let entry = |at: &str| (key(at), of_schema(name, value, &nothing, used, depth + 1));
            Shape::Object(vec![entry("first"), entry("second")])
        }
    }
}

fn of_plain(name: &str, plain: Plain, meaning: &Meaning, used: Use) -> Shape {
    let words = words(name);
    let time = |form| match used {
        Use::Property => Shape::Moment(form),
        _ => Shape::Now(form),
    };
    let last = |usual: f64| if used == Use::Property { f64::MAX } else { usual };
    match plain {
        Plain::Boolean if has(&words, SELDOM) => Shape::State {
            values: vec!["false".into(), "true".into()],
            dwell: vec![last(3_600.0), last(60.0)],
        },
        Plain::Boolean => Shape::State {
            values: vec!["true".into(), "false".into()],
            dwell: vec![last(900.0), last(300.0)],
        },
        Plain::Double | Plain::Float | Plain::Integer | Plain::Long => number(&words, plain, meaning, used),
        Plain::Date => time(TimeForm::Date),
        Plain::DateTime => time(TimeForm::DateTime),
        Plain::Time => time(TimeForm::Time),
        Plain::Duration => time(TimeForm::Duration),
        Plain::String => text(name, &words, used),
        Plain::Geopoint => position(&words, Form::Geopoint, used),
        Plain::Geometry(kind) => position(&words, Form::Geometry(kind), used),
        Plain::Vector => {
            let axis = |at: &str| (key(at), number(&words, Plain::Double, meaning, used));
            Shape::Object(vec![axis("x"), axis("y"), axis("z")])
        }
    }
}

/// The most that a number of this schema can be.
pub(super) fn end_of(plain: Plain) -> f64 {
    match plain {
        Plain::Integer => f64::from(i32::MAX),
        Plain::Float => f64::from(f32::MAX),
        // Beyond this, a double does not count by ones.
        _ => 9.0e15,
    }
}

fn number(words: &[String], plain: Plain, meaning: &Meaning, used: Use) -> Shape {
    let is_whole = matches!(plain, Plain::Integer | Plain::Long);
    let unit = meaning.unit.as_deref().unwrap_or_default();
    let counts = COUNTER_UNITS.iter().find(|(known, _)| *known == unit);
    let is_bounded = meaning.least.is_some() || meaning.greatest.is_some();
    let is_counter = !is_bounded && (counts.is_some() || has(words, COUNTERS));
    if is_counter && used == Use::Telemetry {
        let process = Process::Counter {
            start: None,
            per_second: counts.map_or(0.2, |(_, per_second)| *per_second),
            end: end_of(plain),
            is_whole,
        };
        let decimals = if is_whole {
            0
        } else {
            meaning.decimal_places.unwrap_or(3)
        };
        return Shape::Number { process, decimals };
    }
    let (mut min, mut max, settles) = usual(words, unit);
    if let Some(least) = meaning.least {
        max = max.max(least + (max - min));
        min = least;
    }
    if let Some(greatest) = meaning.greatest {
        min = if meaning.least.is_some() {
            min
        } else {
            min.min(greatest - (max - min))
        };
        max = greatest.max(min);
    }
    let end = end_of(plain);
    (min, max) = (min.clamp(-end, end), max.clamp(-end, end));
    let process = match used {
        Use::Telemetry => Process::Walk {
            min,
            max,
            start: None,
            settles,
            noise: 0.08 * (max - min),
        },
        Use::Property | Use::Response => Process::Constant { min, max, noise: 0.0 },
    };
    Shape::Number {
        process,
        decimals: decimals(plain, max - min, meaning),
    }
}

/// How a number is written: as fine as a sensor of that range.
pub(super) fn decimals(plain: Plain, range: f64, meaning: &Meaning) -> u8 {
    match plain {
        Plain::Integer | Plain::Long => 0,
        _ => meaning.decimal_places.unwrap_or(match range {
            10.0.. => 1,
            1.0.. => 2,
            _ => 3,
        }),
    }
}

fn position(words: &[String], form: Form, used: Use) -> Shape {
    let speed = match used {
        Use::Telemetry if has(words, &["home", "site", "geofence", "installed"]) => 0.0,
        Use::Telemetry => 14.0,
        Use::Property | Use::Response => 0.0,
    };
    Shape::Position {
        place: Place { speed },
        form,
    }
}

fn text(name: &str, words: &[String], used: Use) -> Shape {
    let label = |before: &str| Shape::Label { before: before.into() };
    if has(words, &["manufacturer", "vendor"]) {
        return constant("\"Contoso\"");
    }
    if has(words, &["version", "firmware", "revision"]) {
        return constant("\"1.4.2\"");
    }
    if has(words, &["serial"]) {
        return label("SN-");
    }
    if used == Use::Telemetry && has(words, &["state", "status", "mode"]) {
        return Shape::State {
            values: vec!["\"running\"".into(), "\"idle\"".into(), "\"maintenance\"".into()],
            dwell: vec![1_800.0, 600.0, 300.0],
        };
    }
    // Names of models are letters, digits and `_`, which JSON takes as they are.
    label(&format!("{name}-"))
}

fn constant(value: &str) -> Shape {
    Shape::State {
        values: vec![value.into()],
        dwell: vec![f64::MAX],
    }
}

fn literal(value: &Literal) -> Box<str> {
    match value {
        Literal::Integer(number) => number.to_string().into(),
        Literal::Text(text) => key(text),
    }
}

/// A text as JSON.
pub(super) fn key(text: &str) -> Box<str> {
    serde_json::Value::from(text).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_behaves_like_what_it_is_called_and_measured_in() {
        let meaning = |unit: Option<&str>| Meaning {
            unit: unit.map(str::to_owned),
            ..Meaning::default()
        };
        let of = |name: &str, plain: &str, unit| {
            let schema = Schema::Plain(Plain::of_name(plain).unwrap());
            shape(name, &schema, &meaning(unit), Use::Telemetry)
        };
        let range = |shape: Shape| match shape {
            Shape::Number {
                process: Process::Walk { min, max, .. },
                ..
            } => (min, max),
            other => panic!("{other:?}"),
        };
        assert_eq!(range(of("t1", "double", Some("degreeFahrenheit"))), (54.0, 90.0));
        assert_eq!(range(of("roomTemperature", "double", None)), (12.0, 32.0));
        assert_eq!(range(of("humidity", "double", Some("percent"))), (30.0, 70.0));
        for counter in [
            of("energy", "double", Some("kilowattHour")),
            of("tripCount", "integer", None),
        ] {
            assert!(
                matches!(
                    counter,
                    Shape::Number {
                        process: Process::Counter { .. },
                        ..
                    }
                ),
                "{counter:?}"
            );
        }
        assert!(matches!(of("location", "geopoint", None), Shape::Position { .. }));
        assert!(matches!(of("doorAlarm", "string", None), Shape::Event { .. }));
        assert!(matches!(of("doorOpen", "boolean", None), Shape::State { .. }));
    }
}
