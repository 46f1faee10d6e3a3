//! A value against its schema.

mod geometry;
mod text;

use serde_json::{Map, Value};

use crate::problem::meant;
use crate::schema::{Literal, Plain, Schema};
use geometry::geometry;
use text::{is_date, is_date_time, is_duration, is_time};

/// What does not fit, and where in the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// A JSON pointer from the value; empty for the value itself.
    pub pointer: String,
    /// What is accepted.
    pub message: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

/// A value that does not fit has this many reasons at most; the first few are what a person needs.
const MOST: usize = 8;

impl Schema {
    /// What of a value does not fit; nothing where it is valid. Takes no memory then.
    #[must_use]
    pub fn mismatches(&self, value: &Value) -> Vec<Mismatch> {
        let mut found = Vec::new();
        self.check(value, &Path::Top, &mut found);
        found
    }

    /// Whether a value is valid.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        self.mismatches(value).is_empty()
    }

    fn check(&self, value: &Value, path: &Path<'_>, found: &mut Vec<Mismatch>) {
        let mut mismatch = |message: String| push(found, path, message);
        match self {
            Self::Plain(plain) => {
                if !plain.accepts(value) {
                    mismatch(format!("must be {}", plain.accepted()));
                }
            }
            Self::Enum(values) => {
                let is_one = values.iter().any(|one| match &one.value {
                    Literal::Integer(number) => integral(value) == Some(i128::from(*number)),
                    Literal::Text(text) => value == text,
                });
                if !is_one {
                    let all = values.iter().take(12).map(|one| match &one.value {
                        Literal::Integer(number) => format!("{number} ({})", one.name),
                        Literal::Text(text) => format!("`{text}`"),
                    });
                    mismatch(format!("must be one of {}", all.collect::<Vec<_>>().join(", ")));
                }
            }
            Self::Array(element) => match value {
                Value::Array(elements) => {
                    for (index, value) in elements.iter().enumerate() {
                        element.check(value, &Path::Index(path, index), found);
                    }
                }
                _ => mismatch(format!("must be a list of {}", element.name())),
            },
            Self::Map(of) => match value {
                Value::Object(map) => {
                    for (key, value) in map {
                        of.check(value, &Path::Key(path, key), found);
                    }
                }
                _ => mismatch(format!("must be an object whose values are {}", of.name())),
            },
            Self::Object(fields) => match value {
                Value::Object(map) => {
                    for (key, value) in map {
                        let path = Path::Key(path, key);
                        match fields.iter().find(|field| field.name == *key) {
                            Some(field) => field.schema.check(value, &path, found),
                            None => {
                                let hint = meant(key, fields.iter().map(|field| &*field.name));
                                push(found, &path, format!("is not a field{hint}"));
                            }
                        }
                    }
                }
                _ => mismatch("must be an object".to_owned()),
            },
        }
    }
}

impl Plain {
    fn accepts(self, value: &Value) -> bool {
        let text = |is: fn(&str) -> bool| value.as_str().is_some_and(is);
        match self {
            Self::Boolean => value.is_boolean(),
            Self::Date => text(is_date),
            Self::DateTime => text(is_date_time),
            Self::Time => text(is_time),
            Self::Duration => text(is_duration),
            Self::String => value.is_string(),
            Self::Double => value.is_number(),
            Self::Float => value.as_f64().is_some_and(|number| number.abs() <= f64::from(f32::MAX)),
            Self::Integer => integral(value).is_some_and(|number| i32::try_from(number).is_ok()),
            Self::Long => integral(value).is_some_and(|number| i64::try_from(number).is_ok()),
            Self::Geometry(kind) => geometry(kind, value),
            Self::Geopoint => numbers(value, &["lat", "lon"], &["alt"]),
            Self::Vector => numbers(value, &["x", "y", "z"], &[]),
        }
    }

    /// What is accepted, in words.
    fn accepted(self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Date => "a date such as \"2026-11-23\"".to_owned(),
            Self::DateTime => "a time such as \"2026-11-23T15:00:00Z\" (RFC 3339)".to_owned(),
            Self::Time => "a time of day such as \"15:00:00Z\"".to_owned(),
            Self::Duration => "a duration such as \"PT1H30M\" (ISO 8601)".to_owned(),
            Self::String => "a text".to_owned(),
            Self::Double => "a number".to_owned(),
            Self::Float => "a number of 4 bytes".to_owned(),
            Self::Integer => "an integer of 4 bytes".to_owned(),
            Self::Long => "an integer of 8 bytes".to_owned(),
            Self::Geometry(kind) => format!("a GeoJSON {}", kind.type_name()),
            Self::Geopoint => "an object with the numbers `lat`, `lon` and perhaps `alt`".to_owned(),
            Self::Vector => "an object with the numbers `x`, `y` and `z`".to_owned(),
        }
    }
}

/// The way to a value, of which a pointer is made only where something is wrong.
enum Path<'a> {
    Top,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Top => String::new(),
            Self::Key(path, key) => {
                format!("{}/{}", path.pointer(), key.replace('~', "~0").replace('/', "~1"))
            }
            Self::Index(path, index) => format!("{}/{index}", path.pointer()),
        }
    }
}

fn push(found: &mut Vec<Mismatch>, path: &Path<'_>, message: String) {
    if found.len() < MOST {
        found.push(Mismatch {
            pointer: path.pointer(),
            message,
        });
    }
}

/// The number without a fraction that a value is: JSON has one kind of numbers, and 5.0 is an integer.
fn integral(value: &Value) -> Option<i128> {
    if let Some(number) = value.as_i64() {
        return Some(number.into());
    }
    if let Some(number) = value.as_u64() {
        return Some(number.into());
    }
    let number = value.as_f64()?;
    // Above this, a double has no fractions to tell.
    (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i128)
}

fn numbers(value: &Value, needed: &[&str], allowed: &[&str]) -> bool {
    let is_number = |map: &Map<String, Value>, key: &&str| map.get(*key).is_some_and(Value::is_number);
    value.as_object().is_some_and(|map| {
        let known = |key: &String| needed.contains(&key.as_str()) || allowed.contains(&key.as_str());
        needed.iter().all(|key| is_number(map, key)) && map.iter().all(|(key, value)| known(key) && value.is_number())
    })
}

#[cfg(test)]
mod tests;
