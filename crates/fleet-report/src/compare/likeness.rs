//! In what two sides are not alike, so that a difference between their figures may come from it.

use serde::Serialize;
use serde_json::Value;

use crate::generator::Fitness;
use crate::report::Report;

/// Something that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What: a key of the manifest, or a word such as `version`.
    pub what: String,
    /// On the side of the base.
    pub base: String,
    /// On the side of the new runs.
    pub new: String,
}

/// Where a run keeps its files says nothing about it.
const PLACES: [&str; 3] = ["fleet.certs", "fleet.state", "fleet.name"];

/// All differences between the first runs of both sides.
#[must_use]
pub fn differences(base: &[Report], new: &[Report]) -> Vec<Difference> {
    let (Some(base), Some(new)) = (base.first(), new.first()) else {
        return Vec::new();
    };
    let mut differences = Vec::new();
    let mut differ = |what: &str, base: String, new: String| {
        if base != new {
            differences.push(Difference {
                what: what.to_owned(),
                base,
                new,
            });
        }
    };
    let cores = |report: &Report| {
        report
            .environment
            .as_ref()
            .map_or(0, |machine| machine.cores)
            .to_string()
    };
    differ("version", base.tool.version.clone(), new.tool.version.clone());
    differ("cores", cores(base), cores(new));
    differ("assignments", assignments(base), assignments(new));
    differ("generator", fitness(base), fitness(new));
    let nothing = Value::Null;
    let manifest = |report: &'_ Report| report.manifest.clone().unwrap_or(nothing.clone());
    let mut keys = Vec::new();
    compare_values("", &manifest(base), &manifest(new), &mut keys);
    differences.extend(keys.into_iter().filter(|key| !is_about_the_report(&key.what)));
    differences
}

/// What a run is judged by does not change it.
fn is_about_the_report(key: &str) -> bool {
    PLACES.contains(&key) || key == "thresholds" || key.starts_with("thresholds.")
}

fn assignments(report: &Report) -> String {
    match report.devices.reused {
        0 => "all devices registered".to_owned(),
        reused if reused == report.devices.registered => "all from an earlier run".to_owned(),
        _ => "some from an earlier run".to_owned(),
    }
}

fn fitness(report: &Report) -> String {
    match report.generator.as_ref().map(|generator| generator.verdict) {
        Some(Fitness::Bottleneck) => "the bottleneck".to_owned(),
        Some(Fitness::Fit) => "not the bottleneck".to_owned(),
        None => "unknown".to_owned(),
    }
}

fn compare_values(path: &str, base: &Value, new: &Value, differences: &mut Vec<Difference>) {
    match (base, new) {
        (Value::Object(old), Value::Object(fresh)) => {
            let nothing = Value::Null;
            let added = fresh.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let of = |object: &serde_json::Map<String, Value>| object.get(key).unwrap_or(&nothing).clone();
                compare_values(&path, &of(old), &of(fresh), differences);
            }
        }
        _ if base == new => {}
        _ => differences.push(Difference {
            what: path.to_owned(),
            base: words(base),
            new: words(new),
        }),
    }
}

fn words(value: &Value) -> String {
    const LONG: usize = 60;
    let text = match value {
        Value::Null => return "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
