//! What a threshold is about: a metric and, where it is about a part of the fleet or of the run, labels.

use std::fmt;
use std::ops::Range;

use settings::nearest;

use super::error::ThresholdError;
use crate::labels::{KnownLabels, Labels};
use crate::metric::{Label, Metric};

/// A metric and labels, such as `publish_duration{group:thermostats,stage:2}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// The metric.
    pub metric: Metric,
    /// What is asked for; everything where there is none.
    pub labels: Labels,
}

const LABELS_FORM: &str = "labels such as {group:thermostats,stage:2}";
const OF_OPERATOR: &str = "another metric, or in [operator] the rate of what it measures";
const OF_NEGATIVE: &str = "another metric, or a group whose devices must be refused (`expect`)";

impl Selector {
    /// Reads a selector; `{a=b}` is taken as `{a:b}`.
    ///
    /// # Errors
    ///
    /// All that is wrong with it: an unknown metric, a label that the metric does not have, a value that can't occur.
    /// With an unknown metric nothing can be said about its labels.
    pub fn parse(text: &str, known: &KnownLabels) -> Result<Self, Vec<ThresholdError>> {
        let (name, braces) = text.find('{').map_or((text, None), |at| (&text[..at], Some(at)));
        let metric = metric(name).map_err(|error| vec![error])?;
        if known.not_measured.contains(&metric) {
            let message = format!("`{}` is not measured in this run", metric.name());
            let accepted = match metric {
                Metric::NegativeRefused => OF_NEGATIVE,
                _ => OF_OPERATOR,
            };
            return Err(vec![ThresholdError::new(0..name.len(), message, accepted)]);
        }
        let Some(open) = braces else {
            return Ok(Self {
                metric,
                labels: Labels::none(),
            });
        };
        let (inside, rest) = match text[open + 1..].find('}') {
            Some(length) => (&text[open + 1..open + 1 + length], &text[open + length + 2..]),
            None => {
                let at = text.len()..text.len();
                return Err(vec![ThresholdError::new(at, "it ends where `}` belongs", LABELS_FORM)]);
            }
        };
        if !rest.trim().is_empty() {
            let at = text.len() - rest.len()..text.len();
            let message = format!("`{rest}` follows the end of the labels");
            return Err(vec![ThresholdError::new(at, message, LABELS_FORM)]);
        }
        labels(inside, open + 1, metric, known).map(|labels| Self { metric, labels })
    }
}

fn metric(written: &str) -> Result<Metric, ThresholdError> {
    let (name, at) = trimmed(written, 0);
    Metric::of_name(name).ok_or_else(|| {
        let names = || Metric::ALL.iter().map(|metric| metric.name());
        if name.is_empty() {
            return ThresholdError::new(
                at,
                "the name of a metric is missing",
                "a metric such as publish_duration",
            );
        }
        let hint = nearest(name, names()).map(|near| format!("did you mean `{near}`?"));
        let accepted = match hint {
            Some(_) => "a metric such as publish_duration".to_owned(),
            None => names().collect::<Vec<_>>().join(", "),
        };
        ThresholdError::new(at, format!("there is no metric `{name}`"), accepted).hint(hint)
    })
}

/// The labels between the braces, which begin at `begin`.
fn labels(inside: &str, begin: usize, metric: Metric, known: &KnownLabels) -> Result<Labels, Vec<ThresholdError>> {
    let (mut labels, mut errors) = (Labels::none(), Vec::new());
    let mut at = begin;
    for written in inside.split(',') {
        match label(written, at, metric, known) {
            Ok((label, _)) if labels.get(label).is_some() => {
                let (pair, at) = trimmed(written, at);
                let message = format!("`{pair}` names `{}` a second time", label.name());
                errors.push(ThresholdError::new(at, message, "each label once"));
            }
            Ok((label, value)) => labels = labels.with(label, value),
            Err(error) => errors.push(error),
        }
        at += written.len() + 1;
    }
    if errors.is_empty() { Ok(labels) } else { Err(errors) }
}

fn label<'a>(
    written: &'a str,
    begin: usize,
    metric: Metric,
    known: &KnownLabels,
) -> Result<(Label, &'a str), ThresholdError> {
    let (pair, at) = trimmed(written, begin);
    let Some(middle) = pair.find([':', '=']) else {
        let message = if pair.is_empty() {
            "a label is missing".to_owned()
        } else {
            format!("`{pair}` has no value")
        };
        return Err(ThresholdError::new(at, message, LABELS_FORM));
    };
    let (name, name_at) = trimmed(&pair[..middle], at.start);
    let (value, value_at) = trimmed(&pair[middle + 1..], at.start + middle + 1);

    let names = || metric.labels().iter().map(|label| label.name());
    let label = Label::of_name(name).filter(|label| metric.labels().contains(label));
    let Some(label) = label else {
        let accepted = match metric.labels() {
            [] => format!("`{}` without labels", metric.name()),
            _ => names().collect::<Vec<_>>().join(", "),
        };
        let hint = nearest(name, names()).map(|near| format!("did you mean `{near}`?"));
        let message = format!("`{}` has no label `{name}`", metric.name());
        return Err(ThresholdError::new(name_at, message, accepted).hint(hint));
    };
    let values = known.values(label);
    if values.iter().any(|known| known == value) {
        return Ok((label, value));
    }
    // A number is one slip away from many others: a hint would mean nothing.
    let names = values
        .iter()
        .map(String::as_str)
        .filter(|name| name.parse::<u64>().is_err());
    let hint = nearest(value, names).map(|near| format!("did you mean `{near}`?"));
    Err(ThresholdError::new(
        value_at,
        format!("there is no {} `{value}` in this run", label.name()),
        accepted_values(label, &values),
    )
    .hint(hint))
}

/// Stages are a range, and of many values the first ones show what they look like.
fn accepted_values(label: Label, values: &[String]) -> String {
    const SHOWN: usize = 12;
    match (label, values) {
        (_, []) => format!("no `{}`, since the run has none", label.name()),
        (Label::Stage, [first, .., last]) => format!("a stage from {first} to {last}"),
        (_, values) if values.len() > SHOWN => {
            format!("{} and {} more", values[..SHOWN].join(", "), values.len() - SHOWN)
        }
        (_, values) => values.join(", "),
    }
}

/// The text without the blanks around it, and where it then stands.
fn trimmed(text: &str, begin: usize) -> (&str, Range<usize>) {
    let begin = begin + text.len() - text.trim_start().len();
    let text = text.trim();
    (text, begin..begin + text.len())
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.metric.name(), self.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownLabels {
        KnownLabels {
            groups: vec!["thermostats".into(), "individual".into()],
            reasons: vec!["timeout".into(), "401002".into()],
            stages: 3,
            shards: vec!["1".into(), "2".into()],
            ..KnownLabels::default()
        }
    }

    #[test]
    fn labels_are_read_in_both_forms_and_shown_in_one() {
        for (text, shown) in [
            ("publish_duration", "publish_duration"),
            (" publish_duration ", "publish_duration"),
            (
                "publish_duration{group:thermostats}",
                "publish_duration{group:thermostats}",
            ),
            (
                "publish_duration { stage = 2 , group = individual }",
                "publish_duration{group:individual,stage:2}",
            ),
            ("connect_failed{reason:401002}", "connect_failed{reason:401002}"),
            ("scheduler_lag{shard:1,stage:3}", "scheduler_lag{stage:3,shard:1}"),
        ] {
            let selector = Selector::parse(text, &known()).unwrap();
            assert_eq!(selector.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_can_not_occur_is_refused_with_its_place() {
        for (text, wrong) in [
            (
                "publish_duratoin",
                "at byte 0: there is no metric `publish_duratoin`; accepted: a metric such as publish_duration; did you mean `publish_duration`?",
            ),
            (
                "{group:thermostats}",
                "at byte 0: the name of a metric is missing; accepted: a metric such as publish_duration",
            ),
            (
                "publish_duration{group:thermostat}",
                "at byte 23: there is no group `thermostat` in this run; accepted: thermostats, individual; did you mean `thermostats`?",
            ),
            (
                "publish_duration{stage:4}",
                "at byte 23: there is no stage `4` in this run; accepted: a stage from 1 to 3",
            ),
            (
                "connect_failed{reason:refused}",
                "at byte 22: there is no reason `refused` in this run; accepted: timeout, 401002",
            ),
            (
                "quota_used{limit:dps.registrations}",
                "at byte 17: there is no limit `dps.registrations` in this run; accepted: no `limit`, since the run has none",
            ),
            (
                "publish_duration{grp:thermostats}",
                "at byte 17: `publish_duration` has no label `grp`; accepted: group, stage, shard; did you mean `group`?",
            ),
            (
                "publish_duration{reason:timeout}",
                "at byte 17: `publish_duration` has no label `reason`; accepted: group, stage, shard",
            ),
            (
                "time_to_online{stage:1}",
                "at byte 15: `time_to_online` has no label `stage`; accepted: `time_to_online` without labels",
            ),
            (
                "publish_duration{group}",
                "at byte 17: `group` has no value; accepted: labels such as {group:thermostats,stage:2}",
            ),
            (
                "publish_duration{}",
                "at byte 17: a label is missing; accepted: labels such as {group:thermostats,stage:2}",
            ),
            (
                "publish_duration{stage:1",
                "at byte 24: it ends where `}` belongs; accepted: labels such as {group:thermostats,stage:2}",
            ),
            (
                "publish_duration{stage:1}x",
                "at byte 25: `x` follows the end of the labels; accepted: labels such as {group:thermostats,stage:2}",
            ),
            (
                "publish_duration{stage:1,stage:2}",
                "at byte 25: `stage:2` names `stage` a second time; accepted: each label once",
            ),
            (
                "publish_duration{device:a, stage:9}",
                "at byte 17: `publish_duration` has no label `device`; accepted: group, stage, shard\n\
                 at byte 33: there is no stage `9` in this run; accepted: a stage from 1 to 3",
            ),
        ] {
            let errors = Selector::parse(text, &known()).unwrap_err();
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(lines.join("\n"), wrong, "{text}");
        }
    }

    #[test]
    fn a_metric_unlike_all_others_lists_them() {
        let errors = Selector::parse("http_reqs", &known()).unwrap_err();
        assert!(
            errors[0].accepted.starts_with("register_duration, dps_wait_duration, "),
            "{}",
            errors[0]
        );
        assert!(errors[0].accepted.ends_with(", quota_used"), "{}", errors[0]);
    }

    #[test]
    fn a_metric_that_the_run_does_not_measure_is_refused_as_such() {
        let known = KnownLabels {
            not_measured: vec![Metric::CommandRoundtripDuration],
            ..known()
        };
        let errors = Selector::parse("command_roundtrip_duration", &known).unwrap_err();
        assert_eq!(
            errors[0].message,
            "`command_roundtrip_duration` is not measured in this run"
        );
    }
}
