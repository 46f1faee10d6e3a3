//! When an event happens: once or again and again, from the beginning of the stages or of one of them. Pure.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use settings::Span;

use super::values::Stage;

/// The most times that one event happens: its marks have to fit into a report.
pub(crate) const MOST_TIMES: usize = 10_000;

/// When an event happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct When {
    /// When, counted from the moment at which the stages begin, or at which `stage` does. It may be left out beside
    /// `stage`: then it happens at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Span>,
    /// The stage from whose beginning `at` counts, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub stage: Option<u32>,
    /// It happens again each time that so much time has passed, at least 1s, until the stages are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
}

impl When {
    /// The time of the stages from which it counts; `None` where there is no such stage.
    #[must_use]
    pub(crate) fn origin(&self, stages: &[Stage]) -> Option<Duration> {
        let before = self.stage.map_or(0, |stage| stage.saturating_sub(1)) as usize;
        let before = stages
            .get(..before)
            .filter(|before| before.len() < stages.len().max(1))?;
        Some(before.iter().map(|stage| stage.over.0).sum())
    }

    /// The times at which it happens, counted from its origin; those that repeat do so for `lasts`, where that is given.
    pub(crate) fn times(&self, lasts: Option<Duration>) -> impl Iterator<Item = Duration> + use<> {
        let first = self.at.map_or(Duration::ZERO, |at| at.0);
        let every = self.every.map(|every| every.0);
        let after = (0..).map_while(move |time: u32| match (time, every) {
            (0, _) => Some(Duration::ZERO),
            (time, Some(every)) => every.checked_mul(time),
            (_, None) => None,
        });
        let within = after.take_while(move |after| after.is_zero() || lasts.is_none_or(|lasts| *after < lasts));
        within.map(move |after| first.saturating_add(after)).take(MOST_TIMES)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.stage, self.at) {
            (None, at) => write!(f, "at {}", at.unwrap_or(Span::seconds(0)))?,
            (Some(stage), None) => write!(f, "as stage {stage} begins")?,
            (Some(stage), Some(at)) => write!(f, "{at} into stage {stage}")?,
        }
        self.every.map_or(Ok(()), |every| write!(f, ", every {every}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(at: Option<u64>, stage: Option<u32>, every: Option<u64>) -> When {
        When {
            at: at.map(Span::seconds),
            stage,
            every: every.map(Span::seconds),
        }
    }

    fn stages(texts: &[&str]) -> Vec<Stage> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_event_counts_from_the_beginning_of_its_stage() {
        let stages = stages(&["100%@10s", "100%@30s", "0%@5s"]);
        for (stage, seconds) in [
            (None, Some(0)),
            (Some(1), Some(0)),
            (Some(2), Some(10)),
            (Some(3), Some(40)),
            (Some(4), None),
        ] {
            let origin = when(None, stage, None).origin(&stages);
            assert_eq!(origin, seconds.map(Duration::from_secs), "{stage:?}");
        }
        assert_eq!(when(Some(1), None, None).origin(&[]), Some(Duration::ZERO));
    }

    #[test]
    fn it_repeats_for_its_time_and_never_at_the_end_of_it() {
        let times = |when: When, lasts: Option<u64>| {
            let times = when.times(lasts.map(Duration::from_secs));
            times.take(4).map(|time| time.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(times(when(Some(5), None, None), None), [5]);
        assert_eq!(times(when(None, Some(2), None), None), [0]);
        assert_eq!(times(when(Some(5), None, Some(10)), None), [5, 15, 25, 35]);
        assert_eq!(times(when(Some(5), None, Some(10)), Some(30)), [5, 15, 25]);
        assert_eq!(times(when(Some(5), None, Some(10)), Some(31)), [5, 15, 25, 35]);
        assert_eq!(times(when(Some(5), None, Some(10)), Some(1)), [5]);
    }

    #[test]
    fn the_times_have_an_end_and_no_absurd_one_is_a_panic() {
        assert_eq!(when(Some(1), None, Some(1)).times(None).count(), MOST_TIMES);
        let absurd = When {
            at: Some(Span(Duration::MAX)),
            stage: Some(u32::MAX),
            every: Some(Span(Duration::MAX / 2)),
        };
        assert_eq!(absurd.times(None).collect::<Vec<_>>(), [Duration::MAX; 3]);
        assert_eq!(absurd.origin(&stages(&["100%@10s"])), None);
    }

    #[test]
    fn it_is_shown_in_words() {
        for (when, words) in [
            (when(Some(90), None, None), "at 1m30s"),
            (when(None, Some(2), None), "as stage 2 begins"),
            (when(Some(5), Some(2), Some(60)), "5s into stage 2, every 1m"),
        ] {
            assert_eq!(when.to_string(), words);
        }
    }
}
