//! Reads tables of settings, from TOML or JSON, and notes everything that is wrong with them on the way.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

/// Settings that can't be used: everything that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSettings {
    /// The file, or what the settings are called otherwise.
    pub name: String,
    /// What is wrong, each with its key and what would be accepted.
    pub problems: Vec<String>,
}

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {problem}", self.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for BadSettings {}

impl BadSettings {
    pub(crate) fn new(name: &str, problem: String) -> Self {
        Self {
            name: name.into(),
            problems: vec![problem],
        }
    }
}

/// Text of TOML as a table.
pub(crate) fn toml_table(name: &str, text: &str) -> Result<Map<String, Value>, BadSettings> {
    toml::from_str(text).map_err(|error| BadSettings::new(name, error.to_string().trim_end().replace('\n', "\n  ")))
}

/// One table.
pub(crate) struct Form<'a, 'p> {
    entries: &'a Map<String, Value>,
    /// What comes before a key in a problem, such as `rule 2: `.
    place: String,
    known: Vec<&'static str>,
    problems: &'p mut Vec<String>,
}

impl<'a, 'p> Form<'a, 'p> {
    pub(crate) fn new(entries: &'a Map<String, Value>, place: String, problems: &'p mut Vec<String>) -> Self {
        Self {
            entries,
            place,
            known: Vec::new(),
            problems,
        }
    }

    /// What stands at `key`, whatever it is.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.entries.get(key)
    }

    /// The value at `key`, if it is there and `read` can read it.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        accepted: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let found = read(value);
        if found.is_none() {
            self.problem(format!("`{key}` is {value}; accepted: {accepted}"));
        }
        found
    }

    /// The same for a value that has to be there.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        accepted: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        if !self.entries.contains_key(key) {
            self.known.push(key);
            self.problem(format!("`{key}` is missing; accepted: {accepted}"));
            return None;
        }
        self.optional(key, accepted, read)
    }

    pub(crate) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.optional(key, DURATION, duration)
    }

    pub(crate) fn problem(&mut self, problem: String) {
        self.problems.push(format!("{}{problem}", self.place));
    }

    /// Notes the keys that nobody asked for.
    pub(crate) fn finish(self) {
        let mut known = self.known;
        known.sort_unstable();
        known.dedup();
        for key in self.entries.keys().filter(|key| !known.contains(&key.as_str())) {
            self.problems.push(format!(
                "{}`{key}` is not known here; accepted: {}",
                self.place,
                known.join(", ")
            ));
        }
    }
}

/// The accepted form of a duration.
pub(crate) const DURATION: &str = r#"a time such as "50ms", "2s" or "5m", at most "24h""#;

/// A duration as in `"50ms"`; at most a day.
pub(crate) fn duration(value: &Value) -> Option<Duration> {
    let text = value.as_str()?;
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let duration = Duration::from_millis(number.checked_mul(milliseconds)?);
    (duration <= Duration::from_secs(86_400)).then_some(duration)
}

/// A duration as [`duration`] reads it.
pub(crate) fn write_duration(duration: Duration) -> String {
    match u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) {
        milliseconds if milliseconds % 1000 == 0 => format!("{}s", milliseconds / 1000),
        milliseconds => format!("{milliseconds}ms"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_duration_is_a_number_with_its_unit() {
        for (text, milliseconds) in [("50ms", 50), ("2s", 2000), ("5m", 300_000), ("24h", 86_400_000)] {
            let read = duration(&json!(text)).unwrap();
            assert_eq!(read, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(duration(&json!(write_duration(read))), Some(read), "{text}");
        }
        for bad in [
            json!("2"),
            json!("s"),
            json!("-2s"),
            json!("2 s"),
            json!("25h"),
            json!(2),
            json!("99999999999999999999s"),
        ] {
            assert_eq!(duration(&bad), None, "{bad}");
        }
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let table = toml_table("x", "a = 1\nc = \"2s\"\nextra = true").unwrap();
        let mut problems = Vec::new();
        let mut form = Form::new(&table, "rule 1: ".into(), &mut problems);
        assert_eq!(form.duration("a"), None);
        assert_eq!(form.required("b", "a text", Value::as_str), None);
        assert_eq!(form.duration("c"), Some(Duration::from_secs(2)));
        form.finish();
        assert_eq!(
            problems,
            [
                r#"rule 1: `a` is 1; accepted: a time such as "50ms", "2s" or "5m", at most "24h""#,
                "rule 1: `b` is missing; accepted: a text",
                "rule 1: `extra` is not known here; accepted: a, b, c",
            ]
        );
    }
}
