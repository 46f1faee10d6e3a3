//! Which part of the fleet a figure is about, and which values of a label can occur in a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::{Label, Metric};

/// Values of labels: those of a series of figures, or those that a selector asks for.
///
/// In JSON, an object of texts: `{"group": "thermostats", "stage": "2"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Labels(BTreeMap<Label, String>);

impl Labels {
    /// None: of a selector, everything.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, label: Label, value: impl Into<String>) -> Self {
        self.0.insert(label, value.into());
        self
    }

    /// The value of a label.
    #[must_use]
    pub fn get(&self, label: Label) -> Option<&str> {
        self.0.get(&label).map(String::as_str)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of [`Label`].
    pub fn iter(&self) -> impl Iterator<Item = (Label, &str)> {
        self.0.iter().map(|(label, value)| (*label, value.as_str()))
    }

    /// All but one.
    #[must_use]
    pub fn without(&self, label: Label) -> Self {
        let mut labels = self.clone();
        labels.0.remove(&label);
        labels
    }

    /// Those of these labels.
    #[must_use]
    pub fn only(&self, labels: &BTreeSet<Label>) -> Self {
        let mut kept = self.clone();
        kept.0.retain(|label, _| labels.contains(label));
        kept
    }

    /// Whether a series with the labels `series` is among those that these ask for.
    #[must_use]
    pub fn select(&self, series: &Self) -> bool {
        self.0.iter().all(|(label, value)| series.0.get(label) == Some(value))
    }
}

/// `{group:thermostats,stage:2}`; nothing where there are none.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (label, value)) in self.iter().enumerate() {
            let before = if i == 0 { "{" } else { "," };
            write!(f, "{before}{}:{value}", label.name())?;
        }
        f.write_str(if self.is_empty() { "" } else { "}" })
    }
}

/// Which values each label can have in a run: a threshold on another one would never see a sample.
#[derive(Debug, Clone, Default)]
pub struct KnownLabels {
    /// The ids of the groups, and `individual` if there are individual devices.
    pub groups: Vec<String>,
    /// The reasons for which something can fail.
    pub reasons: Vec<String>,
    /// How many stages there are.
    pub stages: usize,
    /// The names of the shards.
    pub shards: Vec<String>,
    /// The ids of the limits that the target has.
    pub limits: Vec<String>,
    /// Metrics that exist, but that this run does not measure.
    pub not_measured: Vec<Metric>,
}

impl KnownLabels {
    /// The values that `label` can have.
    #[must_use]
    pub fn values(&self, label: Label) -> Vec<String> {
        match label {
            Label::Group => self.groups.clone(),
            Label::Reason => self.reasons.clone(),
            Label::Stage => (1..=self.stages).map(|stage| stage.to_string()).collect(),
            Label::Shard => self.shards.clone(),
            Label::Limit => self.limits.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_asks_for_every_series_that_has_its_labels() {
        let series = Labels::none().with(Label::Group, "a").with(Label::Shard, "1");
        assert!(Labels::none().select(&series));
        assert!(Labels::none().with(Label::Group, "a").select(&series));
        assert!(!Labels::none().with(Label::Group, "b").select(&series));
        assert!(!Labels::none().with(Label::Reason, "timeout").select(&series));
        assert_eq!(series.to_string(), "{group:a,shard:1}");
        assert_eq!(Labels::none().to_string(), "");
        assert_eq!(serde_json::to_string(&series).unwrap(), r#"{"group":"a","shard":"1"}"#);
    }
}
