use proptest::prelude::*;

use super::*;

/// What is read, as it is shown, with the bound in its base unit.
fn read(metric: Metric, text: &str) -> (String, f64, Unit) {
    let expression = Expression::parse(text, metric).unwrap_or_else(|error| panic!("{text}: {error}"));
    (expression.to_string(), expression.bound.value(), expression.unit)
}

#[test]
fn the_examples_of_k6_are_read_once_they_have_units() {
    use Metric::{ConnectFailed, DevicesOnline, PublishDuration, Reconnects};
    // The expressions of <https://grafana.com/docs/k6/latest/using-k6/thresholds/>, with ours for its metrics.
    for (metric, text, shown, bound, unit) in [
        (PublishDuration, "p(95)<200ms", "p(95) < 200ms", 0.2, Unit::Seconds),
        (PublishDuration, "avg < 200ms", "avg < 200ms", 0.2, Unit::Seconds),
        (PublishDuration, "p(90) < 400ms", "p(90) < 400ms", 0.4, Unit::Seconds),
        (
            PublishDuration,
            "p(99.9) < 2000ms",
            "p(99.9) < 2000ms",
            2.0,
            Unit::Seconds,
        ),
        (PublishDuration, "max<2s", "max < 2s", 2.0, Unit::Seconds),
        (PublishDuration, "med<150ms", "med < 150ms", 0.15, Unit::Seconds),
        (PublishDuration, "min<100ms", "min < 100ms", 0.1, Unit::Seconds),
        (PublishDuration, "p(70)<250ms", "p(70) < 250ms", 0.25, Unit::Seconds),
        (PublishDuration, "p(99.99)<10m", "p(99.99) < 10m", 600.0, Unit::Seconds),
        (ConnectFailed, "rate<0.01", "rate < 0.01", 0.01, Unit::Ratio),
        (ConnectFailed, "rate<=0.1", "rate <= 0.1", 0.1, Unit::Ratio),
        (ConnectFailed, "rate>0.9", "rate > 0.9", 0.9, Unit::Ratio),
        (Reconnects, "count<100", "count < 100", 100.0, Unit::Count),
        (Reconnects, "count >= 500", "count >= 500", 500.0, Unit::Count),
        (Reconnects, "rate<10", "rate < 10", 10.0, Unit::PerSecond),
        (DevicesOnline, "value>10", "value > 10", 10.0, Unit::Count),
        (Reconnects, "count===0", "count == 0", 0.0, Unit::Count),
        (Reconnects, "count==0", "count == 0", 0.0, Unit::Count),
        (Reconnects, "count!=20", "count != 20", 20.0, Unit::Count),
        (Reconnects, "  count  <=  20  ", "count <= 20", 20.0, Unit::Count),
        (PublishDuration, "p(0)>1us", "p(0) > 1us", 1e-6, Unit::Seconds),
        (PublishDuration, "p(100)<1s", "p(100) < 1s", 1.0, Unit::Seconds),
    ] {
        assert_eq!(read(metric, text), (shown.to_owned(), bound, unit), "{text}");
    }
}

#[test]
fn units_and_spaces_are_read_as_people_write_them() {
    use Metric::{ConnectFailed, DevicesOnline, DpsThrottled, PublishDuration, QuotaUsed, TimeToOnline};
    for (metric, text, shown, bound, unit) in [
        (PublishDuration, "p( 95 ) < 500 ms", "p(95) < 500ms", 0.5, Unit::Seconds),
        (PublishDuration, "p (95)<0.5s", "p(95) < 0.5s", 0.5, Unit::Seconds),
        (PublishDuration, "count >= 1000", "count >= 1000", 1000.0, Unit::Count),
        (ConnectFailed, "rate < 1%", "rate < 1%", 0.01, Unit::Ratio),
        (ConnectFailed, "rate <= 100 %", "rate <= 100%", 1.0, Unit::Ratio),
        (ConnectFailed, "count <= 5", "count <= 5", 5.0, Unit::Count),
        (DpsThrottled, "rate < 1/s", "rate < 1/s", 1.0, Unit::PerSecond),
        (DpsThrottled, "rate < 30/min", "rate < 30/min", 0.5, Unit::PerSecond),
        (DevicesOnline, "value >= 98%", "value >= 98%", 0.98, Unit::Ratio),
        (DevicesOnline, "min >= 98", "min >= 98", 98.0, Unit::Count),
        (QuotaUsed, "value < 240%", "value < 240%", 2.4, Unit::Ratio),
        (TimeToOnline, "value <= 2h", "value <= 2h", 7200.0, Unit::Seconds),
    ] {
        assert_eq!(read(metric, text), (shown.to_owned(), bound, unit), "{text}");
    }
}

#[test]
fn what_can_not_be_read_says_where_what_and_how_it_would_be_right() {
    use Metric::{ConnectFailed, DevicesOnline, PublishDuration, QuotaUsed, Reconnects};
    const TIME: &str = "accepted: a time such as 500ms or 1.5s, in us, ms, s, m or h";
    const TREND: &str = "accepted: avg, min, max, med, p(N), count of publish_duration";
    const P: &str = "accepted: a percentile such as p(95), from p(0) to p(100)";
    const OP: &str = "accepted: one of < <= > >= == !=";
    const SHARE: &str = "accepted: a share such as 1% or 0.01";
    const COUNTER: &str = "accepted: rate, count of reconnects";
    for (metric, text, wrong) in [
        (PublishDuration, "", "at byte 0: it is empty; accepted: an aggregation, an operator and a number".to_owned()),
        (PublishDuration, "  ", "at byte 2: it is empty; accepted: an aggregation, an operator and a number".to_owned()),
        (PublishDuration, "p(95) < 500", format!("at byte 8: `500` has no unit; {TIME}; k6 counts in milliseconds: write 500ms")),
        (PublishDuration, "< 500ms", format!("at byte 0: `<` stands where an aggregation belongs; {TREND}")),
        (PublishDuration, "foo>20ms", format!("at byte 0: `foo` is not an aggregation; {TREND}")),
        (PublishDuration, "mex < 1s", format!("at byte 0: `mex` is not an aggregation; {TREND}; did you mean `max`?")),
        (PublishDuration, "mean < 1s", format!("at byte 0: `mean` is not an aggregation; {TREND}; write avg")),
        (PublishDuration, "median < 1s", format!("at byte 0: `median` is not an aggregation; {TREND}; write med")),
        (PublishDuration, "p95 < 500ms", format!("at byte 0: `p95` is not an aggregation; {TREND}; write p(95)")),
        (PublishDuration, "p < 1s", format!("at byte 2: `<` stands where `(` belongs; {P}")),
        (PublishDuration, "p(99", format!("at byte 4: it ends where `)` belongs; {P}")),
        (PublishDuration, "p() < 1s", format!("at byte 2: the parentheses are empty; {P}")),
        (PublishDuration, "p(foo) < 1s", format!("at byte 2: `foo` is not a percentile; {P}")),
        (PublishDuration, "p(-1) < 1s", format!("at byte 2: `-1` is not a percentile; {P}")),
        (PublishDuration, "p(101) < 1s", format!("at byte 2: `101` is not a percentile; {P}")),
        (PublishDuration, "p(NaN) < 1s", format!("at byte 2: `NaN` is not a percentile; {P}")),
        (PublishDuration, "p(+Inf) < 1s", format!("at byte 2: `+Inf` is not a percentile; {P}")),
        (PublishDuration, "rate < 1%", format!("at byte 0: `publish_duration` is a trend, which has no `rate`; {TREND}")),
        (Reconnects, "p(95) < 1", format!("at byte 0: `reconnects` is a counter, which has no `p(N)`; {COUNTER}")),
        (Reconnects, "avg < 1", format!("at byte 0: `reconnects` is a counter, which has no `avg`; {COUNTER}")),
        (DevicesOnline, "rate > 1", "at byte 0: `devices_online` is a gauge, which has no `rate`; accepted: value, min, max of devices_online".to_owned()),
        (Reconnects, "count", format!("at byte 5: it ends where an operator belongs; {OP}")),
        (Reconnects, "count 20", format!("at byte 6: `2` stands where an operator belongs; {OP}")),
        (Reconnects, "count!20", format!("at byte 5: `!` is not an operator; {OP}; write !=")),
        (Reconnects, "count = 20", format!("at byte 6: `=` is not an operator; {OP}; write ==")),
        (Reconnects, "count =< 20", format!("at byte 6: `=<` is not an operator; {OP}; write <=")),
        (Reconnects, "count => 20", format!("at byte 6: `=>` is not an operator; {OP}; write >=")),
        (Reconnects, "count <> 20", format!("at byte 6: `<>` is not an operator; {OP}; write !=")),
        (Reconnects, "count ~ 20", format!("at byte 6: `~` is not an operator; {OP}")),
        (Reconnects, "count <", "at byte 7: it ends where a number belongs; accepted: a number such as 5".to_owned()),
        (Reconnects, "count>abc", "at byte 6: `a` stands where a number belongs; accepted: a number such as 5".to_owned()),
        (Reconnects, "count > -1", "at byte 8: `-` stands where a number belongs; accepted: a number such as 5; nothing that is measured is below 0".to_owned()),
        (Reconnects, "count > .5", "at byte 8: `.5` is not a number; accepted: a number such as 5".to_owned()),
        (Reconnects, "count > 1.2.3", "at byte 8: `1.2.3` is not a number; accepted: a number such as 5".to_owned()),
        (Reconnects, "count > 1e3", "at byte 9: `e3` stands where a unit or the end belongs; accepted: a number such as 5".to_owned()),
        (Reconnects, "count > 5%", "at byte 9: `%` is not a unit of a number; accepted: a number such as 5".to_owned()),
        (Reconnects, "rate < 5/sec", "at byte 8: `/sec` stands where a unit or the end belongs; accepted: a rate such as 5/s or 200/min; write 5/s".to_owned()),
        (Reconnects, "rate < 5%", "at byte 8: `%` is not a unit of a rate; accepted: a rate such as 5/s or 200/min".to_owned()),
        (PublishDuration, "max < 500 µs", format!("at byte 10: `µs` stands where a unit or the end belongs; {TIME}; write 500us")),
        (PublishDuration, "max < 5min", format!("at byte 7: `min` stands where a unit or the end belongs; {TIME}; write 5m")),
        (PublishDuration, "max < 5%", format!("at byte 7: `%` is not a unit of a time; {TIME}")),
        (PublishDuration, "max < 5s and min > 1s", format!("at byte 7: `s and min > 1s` stands where a unit or the end belongs; {TIME}")),
        (PublishDuration, "max < 11m", "at byte 6: `11m` is beyond the longest time that is measured; accepted: a time of at most 10m".to_owned()),
        (ConnectFailed, "rate < 5", format!("at byte 7: `5` is more than the whole; {SHARE}; write 5%")),
        (ConnectFailed, "rate < 101%", format!("at byte 7: `101%` is more than the whole; {SHARE}")),
        (DevicesOnline, "value >= 101%", "at byte 9: `101%` is more than the whole; accepted: a number of devices such as 100, or a share such as 98%".to_owned()),
        (DevicesOnline, "value >= 5s", "at byte 10: `s` is not a unit of devices; accepted: a number of devices such as 100, or a share such as 98%".to_owned()),
        (QuotaUsed, "value < 80", "at byte 8: `80` has no unit; accepted: a share such as 80%; write 80%".to_owned()),
    ] {
        match Expression::parse(text, metric) {
            Ok(expression) => panic!("`{text}` was read as `{expression}`"),
            Err(error) => assert_eq!(error.to_string(), wrong, "{text}"),
        }
    }
}

#[test]
fn a_bound_of_digits_without_end_is_no_number() {
    let text = format!("count < {}", "9".repeat(400));
    assert!(Expression::parse(&text, Metric::Reconnects).is_err());
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser_and_every_place_is_in_it(text in "\\PC{0,24}", metric in 0..Metric::ALL.len()) {
        if let Err(error) = Expression::parse(&text, Metric::ALL[metric]) {
            prop_assert!(text.get(error.at.clone()).is_some(), "{error:?}");
        }
    }

    #[test]
    fn near_misses_neither(text in "(p\\(|avg|rate|p9|count| ){0,3}[<>=! ]{0,3}[0-9.]{0,4}(ms|%|/|s| |µ){0,2}") {
        for metric in Metric::ALL {
            match Expression::parse(&text, *metric) {
                Ok(expression) => {
                    let shown = expression.to_string();
                    prop_assert_eq!(Expression::parse(&shown, *metric).ok(), Some(expression), "{}", shown);
                }
                Err(error) => prop_assert!(text.get(error.at.clone()).is_some(), "{error:?}"),
            }
        }
    }
}
