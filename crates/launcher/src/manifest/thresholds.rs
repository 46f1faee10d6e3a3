//! What a run must reach: the table `[thresholds]`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fleet_report::thresholds::Threshold;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use settings::Span;

/// The group, in figures, of devices with enrollments of their own.
pub const INDIVIDUAL: &str = "individual";

/// The thresholds of a run, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thresholds(pub Vec<Threshold>);

impl Thresholds {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A threshold as a manifest writes it, with what differs from the defaults.
#[derive(Serialize)]
struct Written {
    threshold: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    over: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    abort_on_fail: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_abort_eval: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_empty: bool,
}

impl Serialize for Thresholds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut by_selector: BTreeMap<String, Vec<Written>> = BTreeMap::new();
        for threshold in &self.0 {
            let delay = threshold.delay_abort_eval;
            by_selector
                .entry(threshold.selector.to_string())
                .or_default()
                .push(Written {
                    threshold: threshold.expression.to_string(),
                    over: threshold
                        .over_s
                        .map(|seconds| Span(std::time::Duration::from_secs(seconds)).to_string()),
                    abort_on_fail: threshold.abort_on_fail,
                    delay_abort_eval: (!delay.is_zero()).then(|| Span(delay).to_string()),
                    allow_empty: threshold.allow_empty,
                });
        }
        let mut map = serializer.serialize_map(Some(by_selector.len()))?;
        for (selector, written) in by_selector {
            map.serialize_entry(&selector, &written)?;
        }
        map.end()
    }
}

impl JsonSchema for Thresholds {
    fn schema_name() -> Cow<'static, str> {
        "Thresholds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "anyOf": [
                        { "type": "string", "examples": ["p(95) < 500ms"] },
                        {
                            "type": "object",
                            "required": ["threshold"],
                            "additionalProperties": false,
                            "properties": {
                                "threshold": { "type": "string", "examples": ["p(95) < 500ms"] },
                                "over": { "type": "string", "examples": ["1m"] },
                                "abort_on_fail": { "type": "boolean" },
                                "delay_abort_eval": { "type": "string", "examples": ["2m"] },
                                "allow_empty": { "type": "boolean" }
                            }
                        }
                    ]
                }
            }
        })
    }
}
