//! `--duration`: the stages of a manifest made shorter or longer.

use std::time::Duration;

use settings::Span;

use crate::manifest::values::Stage;

/// The stages so that they take `duration` together: cut short at that moment, or with more time at the last share above
/// zero, before the fleet goes offline.
#[must_use]
pub(crate) fn period(stages: &[Stage], duration: Span) -> Vec<Stage> {
    let total: Duration = stages.iter().map(|stage| stage.over.0).sum();
    if duration.0 <= total {
        cut(stages, duration.0)
    } else {
        hold(stages, duration.0 - total)
    }
}

/// The largest share of the fleet that the stages want online.
#[must_use]
pub(crate) fn peak(stages: &[Stage]) -> f64 {
    stages.iter().map(|stage| stage.share).fold(0.0, f64::max)
}

fn cut(stages: &[Stage], duration: Duration) -> Vec<Stage> {
    let mut left = duration;
    let mut share = 0.0;
    let mut kept = Vec::new();
    for stage in stages {
        if left.is_zero() {
            break;
        }
        let over = stage.over.0.min(left);
        let part = over.as_secs_f64() / stage.over.0.as_secs_f64().max(f64::MIN_POSITIVE);
        let reached = if over == stage.over.0 {
            stage.share
        } else {
            share + (stage.share - share) * part
        };
        kept.push(Stage {
            share: reached,
            over: Span(over),
        });
        share = reached;
        left -= over;
    }
    kept
}

fn hold(stages: &[Stage], longer: Duration) -> Vec<Stage> {
    let mut stages = stages.to_vec();
    let last = stages.iter().rposition(|stage| stage.share > 0.0);
    let (at, share) = last.map_or((0, 1.0), |last| (last + 1, stages[last].share));
    stages.insert(
        at,
        Stage {
            share,
            over: Span(longer),
        },
    );
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(words: &[&str]) -> Vec<Stage> {
        words.iter().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn a_shorter_duration_cuts_the_stages_where_they_are() {
        let all = stages(&["100%@10s", "100%@30s", "0%@5s"]);
        for (duration, expected) in [
            ("5s", &["50%@5s"][..]),
            ("10s", &["100%@10s"]),
            ("12s", &["100%@10s", "100%@2s"]),
            ("45s", &["100%@10s", "100%@30s", "0%@5s"]),
        ] {
            assert_eq!(period(&all, duration.parse().unwrap()), stages(expected), "{duration}");
        }
    }

    #[test]
    fn a_longer_duration_holds_the_fleet_before_it_goes_offline() {
        let all = stages(&["100%@10s", "80%@5s", "0%@5s"]);
        let longer = period(&all, "1m".parse().unwrap());
        assert_eq!(longer, stages(&["100%@10s", "80%@5s", "80%@40s", "0%@5s"]));
        assert_eq!(period(&[], "5s".parse().unwrap()), stages(&["100%@5s"]));
    }
}
