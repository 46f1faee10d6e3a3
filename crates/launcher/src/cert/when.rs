//! From when to when a certificate is wanted, as a person writes it.

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::make::Validity;

/// After all other flags in help: few people set them.
const HEADING: &str = "Validity";

/// `--days`, `--not-before`, `--not-after`
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct When {
    /// Valid for this many days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500), conflicts_with = "not_after", help_heading = HEADING)]
    days: Option<u32>,
    /// Valid from this moment on, e.g. `2026-11-23` or `2026-11-23T15:00:00Z`; usually five minutes ago
    #[arg(long, value_name = "DATE", value_parser = moment, help_heading = HEADING)]
    not_before: Option<Timestamp>,
    /// Valid until this moment, in the same form; it may have passed, to try what happens then (with --not-before,
    /// below an issuer that was valid)
    #[arg(long, value_name = "DATE", value_parser = moment, help_heading = HEADING)]
    not_after: Option<Timestamp>,
}

impl When {
    /// The validity that was asked for; `usually` is for what was left out.
    pub(super) fn validity(self, usually: Validity, now: Timestamp) -> Validity {
        let begin = self.not_before.unwrap_or(usually.not_before);
        let period = |days: u32| SignedDuration::from_hours(i64::from(days) * 24);
        // Days are counted from the begin, unless only the end was asked for.
        let counted_from = self.not_before.unwrap_or(now);
        let end = match (self.not_after, self.days) {
            (Some(end), _) => end,
            (None, Some(days)) => counted_from.checked_add(period(days)).unwrap_or(Timestamp::MAX),
            (None, None) => usually.not_after.max(begin),
        };
        Validity {
            not_before: begin,
            not_after: end,
        }
    }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    text.parse::<Date>()
        .ok()
        .and_then(|date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok())
        .ok_or_else(|| "expected a date such as `2026-11-23`, or a time such as `2026-11-23T15:00:00Z`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        moment(text).unwrap()
    }

    #[test]
    fn days_count_from_now_or_from_the_begin_that_was_asked_for() {
        let now = at("2026-11-23T15:00:00Z");
        let usually = Validity::leaf(now);
        let when = When {
            days: Some(2),
            not_before: None,
            not_after: None,
        };
        let validity = when.validity(usually, now);
        assert_eq!(
            (validity.not_before, validity.not_after),
            (usually.not_before, at("2026-11-25T15:00:00Z"))
        );
        let when = When {
            not_before: Some(at("2020-01-01")),
            ..when
        };
        let validity = when.validity(usually, now);
        assert_eq!(
            (validity.not_before, validity.not_after),
            (at("2020-01-01T00:00:00Z"), at("2020-01-03"))
        );
    }

    #[test]
    fn what_is_no_date_is_refused_with_the_form() {
        assert!(moment("tomorrow").unwrap_err().contains("2026-11-23"));
    }
}
