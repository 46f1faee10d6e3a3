//! Numbers as a person reads them.

use crate::words::readable;

/// What a value is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A count, or a rate.
    Count,
    /// Seconds.
    Seconds,
    /// A share: 1 is all of it.
    Share,
}

impl Unit {
    /// A value in a table.
    pub(super) fn value(self, value: f64) -> String {
        match self {
            Self::Count => number(value),
            Self::Seconds => readable(value),
            Self::Share => percent(value),
        }
    }

    /// A value at an axis: round already, so nothing is rounded away.
    pub(super) fn tick(self, value: f64) -> String {
        match self {
            Self::Count => number(value),
            Self::Share => format!("{} %", trimmed(value * 100.0)),
            Self::Seconds if value == 0.0 => "0".to_owned(),
            Self::Seconds if value < 0.999e-3 => format!("{} µs", trimmed(value * 1e6)),
            Self::Seconds if value < 0.999 => format!("{} ms", trimmed(value * 1e3)),
            Self::Seconds => format!("{} s", trimmed(value)),
        }
    }
}

/// `12,400`, `0.4`: whole from ten on, with one decimal below.
pub(super) fn number(value: f64) -> String {
    let is_whole = (value - value.round()).abs() < 0.05 || value.abs() >= 99.95;
    match is_whole {
        true => grouped(value.round().max(0.0) as u64),
        false => format!("{value:.1}"),
    }
}

/// `12,400`.
pub(super) fn grouped(count: u64) -> String {
    crate::words::grouped(&count.to_string())
}

/// `83 %`, `0.4 %`, `0 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        p if p < 0.01 => "< 0.01 %".to_owned(),
        p if p < 1.0 => format!("{p:.2} %"),
        // What is nearly all is not all.
        p if p > 99.99 && p < 100.0 => "> 99.99 %".to_owned(),
        p if p > 99.0 && p < 100.0 => format!("{} %", trimmed((p * 100.0).round() / 100.0)),
        p if p < 10.0 => format!("{p:.1} %"),
        p => format!("{} %", grouped(p.round() as u64)),
    }
}

/// `part` of `whole` as a share; nothing where there is no whole.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| float(part) / float(whole))
}

/// `1:05`, `1:02:41`.
pub(super) fn clock(at_s: f64) -> String {
    let at = at_s.max(0.0).round() as u64;
    match at / 3600 {
        0 => format!("{}:{:02}", at / 60, at % 60),
        hours => format!("{hours}:{:02}:{:02}", at / 60 % 60, at % 60),
    }
}

/// `41.5 s`, `2 min 5 s`, `1 h 2 min`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..120 => format!("{seconds:.1} s"),
        120..7200 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// `118 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes >> 20 {
        mib @ 0..10_240 => format!("{} MiB", grouped(mib)),
        mib => format!("{} GiB", grouped(mib >> 10)),
    }
}

/// `backing off` of `backing_off`.
pub(super) fn words(name: &str) -> String {
    super::shown(name).replace('_', " ")
}

/// What is not there is a dash.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        let numbers = [0.0, 0.4, 9.96, 12.5, 400.2, 12_400.0, 1_234_567.0].map(number);
        assert_eq!(numbers, ["0", "0.4", "10", "12.5", "400", "12,400", "1,234,567"]);
        let shares = [0.0, 0.000_01, 0.004, 0.05, 0.83, 0.999_99, 1.0, 12.4].map(percent);
        assert_eq!(
            shares,
            [
                "0 %",
                "< 0.01 %",
                "0.40 %",
                "5.0 %",
                "83 %",
                "> 99.99 %",
                "100 %",
                "1,240 %"
            ]
        );
        let ticks = [0.0, 2e-5, 0.0025, 0.5, 1.0, 120.0].map(|value| Unit::Seconds.tick(value));
        assert_eq!(ticks, ["0", "20 µs", "2.5 ms", "500 ms", "1 s", "120 s"]);
        assert_eq!([5.0, 65.0, 3_761.0].map(clock), ["0:05", "1:05", "1:02:41"]);
        assert_eq!(
            [41.5, 125.0, 7_320.0].map(duration),
            ["41.5 s", "2 min 5 s", "2 h 2 min"]
        );
    }
}
