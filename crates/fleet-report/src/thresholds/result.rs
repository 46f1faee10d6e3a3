//! What became clear about a threshold, as a report keeps it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::labels::Labels;
use crate::metric::{Metric, Unit};

/// The judgement on a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It held.
    Passed,
    /// It did not.
    Failed,
    /// There was no sample.
    NoData,
}

/// A threshold, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdResult {
    /// What was measured.
    pub metric: Metric,
    /// The part of the fleet or of the run that it is about.
    pub labels: Labels,
    /// What must hold, such as `p(95) < 500ms`.
    pub expression: String,
    /// In each window of so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_s: Option<u64>,
    /// What was measured, in `unit`; null without a sample.
    pub actual: Option<f64>,
    /// What `actual` is counted in.
    pub unit: Unit,
    /// The judgement.
    pub verdict: Verdict,
    /// When it first stopped holding, in seconds since the run began; also where it held again later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_crossed_s: Option<u64>,
    /// The end of the worst window, or the worst second of a gauge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_at_s: Option<u64>,
    /// Whether it ended the run.
    pub abort: bool,
    /// Whether it may be without a sample.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
    /// How many of the times behind `actual` were longer than 600 s and counted as 600 s.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub clipped: u64,
}

impl ThresholdResult {
    /// Whether the run failed by it: it did not hold, or it had no sample and needs one.
    #[must_use]
    pub fn fails(&self) -> bool {
        match self.verdict {
            Verdict::Passed => false,
            Verdict::Failed => true,
            Verdict::NoData => !self.allow_empty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_metrics_labels_and_verdicts() {
        let schema = serde_json::to_value(schemars::schema_for!(ThresholdResult)).unwrap();
        let text = schema.to_string();
        for name in ["publish_duration", "quota_used", "no_data", "\"/s\"", "group"] {
            assert!(text.contains(name), "{name} in {text}");
        }
        let required = schema["required"].as_array().unwrap();
        assert!(
            required.iter().all(|key| key != "over_s" && key != "clipped"),
            "{required:?}"
        );
    }
}
