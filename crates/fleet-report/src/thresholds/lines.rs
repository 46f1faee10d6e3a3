//! Thresholds as lines of a summary.

use std::fmt::Write;
use std::time::Duration;

use iot_protocol::shown;
use settings::Span;

use super::bound::shifted;
use super::expression::Expression;
use super::result::{ThresholdResult, Verdict};
use crate::metric::Unit;
use crate::words::clock;

/// What stands before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `✓`, `✗` and `–`.
    Unicode,
    /// `ok`, `FAIL` and `-`: for what is no terminal.
    Ascii,
}

impl Marks {
    /// The mark of a judgement.
    #[must_use]
    pub const fn of(self, result: &ThresholdResult) -> &'static str {
        let is_empty = matches!(result.verdict, Verdict::NoData) && result.allow_empty;
        match (self, result.verdict) {
            (Self::Unicode, _) if is_empty => "–",
            (Self::Ascii, _) if is_empty => "-   ",
            (Self::Unicode, Verdict::Passed) => "✓",
            (Self::Ascii, Verdict::Passed) => "ok  ",
            (Self::Unicode, _) => "✗",
            (Self::Ascii, _) => "FAIL",
        }
    }
}

/// The verdict of all together, such as `FAILED: 1 of 4 thresholds`; nothing where there is no threshold.
#[must_use]
pub fn headline(results: &[ThresholdResult]) -> Option<String> {
    let failed: Vec<_> = results.iter().filter(|result| result.fails()).collect();
    let empty = failed.iter().filter(|result| result.verdict == Verdict::NoData).count();
    let s = if results.len() == 1 { "" } else { "s" };
    let all = results.len();
    match (all, failed.len(), empty) {
        (0, ..) => None,
        (_, 0, _) => Some(format!("PASSED: {all} threshold{s}")),
        (_, failed, 0) => Some(format!("FAILED: {failed} of {all} threshold{s}")),
        (_, failed, empty) => Some(format!("FAILED: {failed} of {all} threshold{s}, {empty} without data")),
    }
}

/// A line for each threshold: mark, metric, what must hold, what was measured, and when it went wrong.
#[must_use]
pub fn lines(results: &[ThresholdResult], marks: Marks) -> String {
    let rows: Vec<_> = results
        .iter()
        .map(|result| (marks.of(result), ThresholdRow::of(result)))
        .collect();
    let width =
        |cell: fn(&ThresholdRow) -> &String| rows.iter().map(|(_, row)| cell(row).chars().count()).max().unwrap_or(0);
    let (name, expression) = (
        width(|row| &row.name),
        width(|row| &row.expression).max(LEAST_EXPRESSION),
    );
    let actual = width(|row| &row.actual);
    let mut text = String::new();
    for (mark, row) in &rows {
        let line = format!(
            "  {mark} {:name$}  {:expression$}  {:actual$}  {}",
            row.name, row.expression, row.actual, row.notes
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// So wide that the lines of most runs have their values in the same place.
const LEAST_EXPRESSION: usize = 16;

/// A threshold in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThresholdRow {
    /// What was measured, with its labels.
    pub name: String,
    /// What must hold.
    pub expression: String,
    /// What was measured, with its unit, or `no data`.
    pub actual: String,
    /// When it went wrong, and whatever else has to be said.
    pub notes: String,
}

impl ThresholdRow {
    /// The words for a judgement.
    #[must_use]
    pub fn of(result: &ThresholdResult) -> Self {
        // The words of a report that comes from elsewhere could be anything.
        let shown = |text: &str| shown::text(text).to_string();
        Self {
            name: shown(&format!("{}{}", result.metric.name(), result.labels)),
            expression: shown(&result.expression),
            actual: result
                .actual
                .map_or_else(|| "no data".to_owned(), |actual| value(actual, result)),
            notes: notes(result),
        }
    }
}

fn notes(result: &ThresholdResult) -> String {
    let mut notes = Vec::new();
    if let Some(over) = result.over_s {
        notes.push(format!("over {}", Span(Duration::from_secs(over))));
    }
    if let Some(at) = result.worst_at_s
        && (result.over_s.is_some() || result.verdict == Verdict::Failed)
    {
        notes.push(format!("worst at {}", clock(at)));
    }
    if let Some(at) = result.first_crossed_s
        && result.verdict == Verdict::Failed
    {
        notes.push(format!("first crossed at {}", clock(at)));
    }
    if result.clipped > 0 {
        notes.push(format!("{} longer than 600 s, counted as 600 s", result.clipped));
    }
    if result.abort {
        notes.push("ended the run".to_owned());
    }
    notes.join(", ")
}

/// A value with its unit. It has three digits, or as many more as it takes to see on which side of the bound it is:
/// beside `p(95) < 500ms`, 500.2 ms must not read as 500 ms.
fn value(actual: f64, result: &ThresholdResult) -> String {
    let expression = Expression::parse(&result.expression, result.metric).ok();
    let is_faithful = |rounded: f64| {
        expression.as_ref().is_none_or(|expression| {
            let bound = expression.bound.value();
            rounded.partial_cmp(&bound) == actual.partial_cmp(&bound)
        })
    };
    let scaled = |places: i32, unit: &str| {
        let number = rounded(shifted(actual, places), |number| is_faithful(shifted(number, -places)));
        format!("{number}{unit}")
    };
    match result.unit {
        Unit::Count => actual.to_string(),
        Unit::Ratio => scaled(2, " %"),
        Unit::PerSecond => scaled(0, "/s"),
        Unit::Seconds if actual >= 120.0 && is_faithful(actual.round()) => long(actual),
        Unit::Seconds if actual >= 1.0 || actual <= 0.0 => scaled(0, " s"),
        Unit::Seconds if actual >= 1e-3 => scaled(3, " ms"),
        Unit::Seconds => scaled(6, " us"),
    }
}

/// The number with as few digits as there can be, but at least three, for `is_faithful` to hold.
fn rounded(number: f64, is_faithful: impl Fn(f64) -> bool) -> String {
    const ENOUGH: i32 = 12;
    let magnitude = if number > 0.0 { number.log10().floor() } else { 0.0 };
    for digits in 3..ENOUGH {
        let decimals = (f64::from(digits) - 1.0 - magnitude).clamp(0.0, 15.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from 0 to 15"
        )]
        let text = format!("{number:.*}", decimals as usize);
        if text.parse().is_ok_and(&is_faithful) {
            return without_zeros(text);
        }
    }
    number.to_string()
}

fn without_zeros(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `50m01s`, `2h00m05s`.
fn long(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is above 0 and rounded"
    )]
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = match hours {
        0 => write!(text, "{minutes}m{seconds:02}s"),
        _ => write!(text, "{hours}h{minutes:02}m{seconds:02}s"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Labels;
    use crate::metric::{Label, Metric};

    fn result(metric: Metric, expression: &str, actual: Option<f64>, verdict: Verdict) -> ThresholdResult {
        let unit = Expression::parse(expression, metric).unwrap().unit;
        ThresholdResult {
            metric,
            labels: Labels::none(),
            expression: expression.to_owned(),
            over_s: None,
            actual,
            unit,
            verdict,
            first_crossed_s: None,
            worst_at_s: None,
            abort: false,
            allow_empty: false,
            clipped: 0,
        }
    }

    fn four() -> Vec<ThresholdResult> {
        vec![
            result(
                Metric::PublishDuration,
                "p(95) < 500ms",
                Some(0.183_04),
                Verdict::Passed,
            ),
            ThresholdResult {
                over_s: Some(60),
                worst_at_s: Some(190),
                first_crossed_s: Some(161),
                ..result(Metric::ConnectDuration, "p(99) < 5s", Some(7.419), Verdict::Failed)
            },
            ThresholdResult {
                worst_at_s: Some(12),
                ..result(Metric::DevicesOnline, "value >= 98%", Some(1.0), Verdict::Passed)
            },
            ThresholdResult {
                allow_empty: true,
                ..result(Metric::CommandDuration, "p(95) < 1s", None, Verdict::NoData)
            },
        ]
    }

    #[test]
    fn a_summary_shows_marks_values_and_moments() {
        let results = four();
        assert_eq!(headline(&results).unwrap(), "FAILED: 1 of 4 thresholds");
        assert_eq!(
            lines(&results, Marks::Unicode),
            "  ✓ publish_duration  p(95) < 500ms     183 ms\n\
             \x20 ✗ connect_duration  p(99) < 5s        7.42 s   over 1m, worst at 00:03:10, first crossed at 00:02:41\n\
             \x20 ✓ devices_online    value >= 98%      100 %\n\
             \x20 – command_duration  p(95) < 1s        no data\n"
        );
    }

    #[test]
    fn what_is_no_terminal_gets_words() {
        let mut results = four();
        results[3].allow_empty = false;
        results[1].abort = true;
        results[1].clipped = 3;
        results[1].labels = Labels::none().with(Label::Group, "a").with(Label::Stage, "2");
        assert_eq!(headline(&results).unwrap(), "FAILED: 2 of 4 thresholds, 1 without data");
        assert_eq!(
            lines(&results, Marks::Ascii),
            "  ok   publish_duration                   p(95) < 500ms     183 ms\n\
             \x20 FAIL connect_duration{group:a,stage:2}  p(99) < 5s        7.42 s   over 1m, worst at 00:03:10, \
             first crossed at 00:02:41, 3 longer than 600 s, counted as 600 s, ended the run\n\
             \x20 ok   devices_online                     value >= 98%      100 %\n\
             \x20 FAIL command_duration                   p(95) < 1s        no data\n"
        );
        results[3].allow_empty = true;
        assert!(lines(&results, Marks::Ascii).contains("\n  -    command_duration"));
    }

    #[test]
    fn all_that_pass_are_counted_and_none_say_nothing() {
        let one = [result(Metric::Reconnects, "count == 0", Some(0.0), Verdict::Passed)];
        assert_eq!(headline(&one).unwrap(), "PASSED: 1 threshold");
        assert_eq!(headline(&[]), None);
        assert_eq!(lines(&[], Marks::Unicode), "");
    }

    #[test]
    fn values_have_three_digits_or_as_many_as_the_bound_asks_for() {
        use Metric::{ConnectFailed, DpsThrottled, PublishDuration, TimeToOnline};
        for (metric, expression, actual, shown) in [
            (PublishDuration, "max < 1s", 0.000_85, "850 us"),
            (PublishDuration, "max < 1s", 0.001_16, "1.16 ms"),
            (PublishDuration, "max < 1s", 0.183_04, "183 ms"),
            (PublishDuration, "max < 1s", 5.0, "5 s"),
            (PublishDuration, "max < 1s", 95.44, "95.4 s"),
            (PublishDuration, "max < 1s", 0.0, "0 s"),
            (PublishDuration, "max < 500ms", 0.5002, "500.2 ms"),
            (PublishDuration, "max < 500ms", 0.5, "500 ms"),
            (PublishDuration, "max < 500ms", 0.499_999, "499.999 ms"),
            (PublishDuration, "max < 5m", 300.4, "300.4 s"),
            (PublishDuration, "max < 5m", 300.0, "5m00s"),
            (TimeToOnline, "value < 2h", 3001.0, "50m01s"),
            (TimeToOnline, "value < 2h", 7205.0, "2h00m05s"),
            (ConnectFailed, "rate < 1%", 0.012_345, "1.23 %"),
            (ConnectFailed, "rate < 99.9%", 0.999, "99.9 %"),
            (ConnectFailed, "rate < 99.9%", 0.999_04, "99.904 %"),
            (ConnectFailed, "rate < 1%", 0.010_000_4, "1.00004 %"),
            (ConnectFailed, "rate == 0", 0.000_000_1, "0.00001 %"),
            (ConnectFailed, "rate == 0", 0.0, "0 %"),
            (ConnectFailed, "count <= 5", 12_345.0, "12345"),
            (DpsThrottled, "rate < 1/s", 0.416_66, "0.417/s"),
        ] {
            let verdict = Verdict::Passed;
            assert_eq!(
                value(actual, &result(metric, expression, Some(actual), verdict)),
                shown,
                "{expression}"
            );
        }
    }

    #[test]
    fn a_report_from_elsewhere_can_not_forge_a_line() {
        let mut one = result(Metric::Reconnects, "count == 0", Some(0.0), Verdict::Passed);
        one.labels = Labels::none().with(Label::Group, "a\n  ok   b\u{1b}[2J");
        assert_eq!(
            lines(&[one], Marks::Ascii),
            "  ok   reconnects{group:a\\n  ok   b\\u{1b}[2J}  count == 0        0\n"
        );
    }
}
