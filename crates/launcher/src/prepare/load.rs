//! `--duration`: the stages of a manifest made shorter or longer.

use std::time::Duration;

use settings::Span;

use crate::manifest::values::Stage;

/// A device that is wanted has so much time to come online before stages that are cut short end; in a shorter rise, half of
/// what is left of it.
const TO_COME_ONLINE: Duration = Duration::from_secs(5);

/// The stages so that they take `duration` together: cut short at that moment, or with more time at the last share above
/// zero, before the fleet goes offline.
///
/// Where that moment is in the middle of a rise, the rise ends a little sooner. The last devices would otherwise be wanted as
/// the stages end, and count as failed for want of time.
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
        if stage.over.0 <= left {
            kept.push(*stage);
            share = stage.share;
            left -= stage.over.0;
            continue;
        }
        let wait = match stage.share > share {
            true => TO_COME_ONLINE.min(left / 2),
            false => Duration::ZERO,
        };
        let over = left - wait;
        let part = over.as_secs_f64() / stage.over.0.as_secs_f64();
        let reached = share + (stage.share - share) * part;
        let parts = [over, wait].into_iter().filter(|over| !over.is_zero());
        kept.extend(parts.map(|over| Stage {
            share: reached,
            over: Span(over),
        }));
        break;
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
            ("10s", &["100%@10s"][..]),
            ("12s", &["100%@10s", "100%@2s"]),
            ("42s500ms", &["100%@10s", "100%@30s", "50%@2s500ms"]),
            ("45s", &["100%@10s", "100%@30s", "0%@5s"]),
        ] {
            assert_eq!(period(&all, duration.parse().unwrap()), stages(expected), "{duration}");
        }
    }

    #[test]
    fn the_last_devices_of_a_rise_that_is_cut_short_have_time_to_come_online() {
        let all = stages(&["100%@20s", "100%@30s", "0%@5s"]);
        for (duration, expected) in [
            ("4s", ["10%@2s", "10%@2s"]),
            ("10s", ["25%@5s", "25%@5s"]),
            ("15s", ["50%@10s", "50%@5s"]),
        ] {
            assert_eq!(period(&all, duration.parse().unwrap()), stages(&expected), "{duration}");
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
