//! Words that depend on numbers.

/// A count with its noun: `1 leaf`, `2 leaves`.
#[must_use]
pub fn counted(count: impl TryInto<u64>, one: &str, several: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {}", agreeing(count, one, several))
}

/// The form that agrees with a count that stands elsewhere: `is`, `are`.
#[must_use]
pub fn agreeing<'a>(count: impl TryInto<u64>, one: &'a str, several: &'a str) -> &'a str {
    match count.try_into() {
        Ok(1) => one,
        _ => several,
    }
}

/// `1 device`, `2 devices`.
#[must_use]
pub fn devices(count: impl TryInto<u64>) -> String {
    counted(count, "device", "devices")
}

/// Seconds in the unit in which a person thinks of them, with three digits.
#[must_use]
pub fn readable(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let decimals = match value {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

/// `00:02:41`, of seconds since a run began.
#[must_use]
pub fn clock(at_s: u64) -> String {
    format!("{:02}:{:02}:{:02}", at_s / 3600, at_s / 60 % 60, at_s % 60)
}

/// The digits of a whole number in groups of three: `12,400`.
pub(crate) fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1, 2, 5`.
pub(crate) fn listed(values: impl IntoIterator<Item = impl ToString>) -> String {
    let words: Vec<_> = values.into_iter().map(|value| value.to_string()).collect();
    words.join(", ")
}

/// `1, 2, 5 to 9`, of numbers in their order: there may be a million of them.
#[must_use]
pub fn stretches(numbers: &[u32]) -> String {
    let follow = |one: &u32, next: &u32| one.checked_add(1) == Some(*next);
    let words = numbers.chunk_by(follow).map(|stretch| match stretch {
        [first, _, .., last] => format!("{first} to {last}"),
        few => listed(few),
    });
    listed(words)
}

/// Microseconds as seconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the values are far below 2^53")]
pub fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1_u32, "leaf", "leaves"), "1 leaf");
        assert_eq!(devices(0_usize), "0 devices");
        assert_eq!(devices(1_u32), "1 device");
        assert_eq!(devices(2_u64), "2 devices");
        let is = |count: usize| agreeing(count, "is", "are");
        assert_eq!([is(0), is(1), is(2)], ["are", "is", "are"]);
    }

    #[test]
    fn numbers_that_follow_each_other_are_named_by_the_first_and_the_last() {
        for (numbers, words) in [
            (&[][..], ""),
            (&[3], "3"),
            (&[1, 2], "1, 2"),
            (&[1, 2, 5, 6, 7, 8, u32::MAX], "1, 2, 5 to 8, 4294967295"),
            (&[0, 1, 2], "0 to 2"),
        ] {
            assert_eq!(stretches(numbers), words);
        }
    }

    #[test]
    fn times_are_readable() {
        for (seconds, text) in [
            (0.000_012, "12.0 µs"),
            (0.000_999, "999 µs"),
            (0.0034, "3.40 ms"),
            (0.25, "250 ms"),
            (3.02, "3.02 s"),
            (61.7, "61.7 s"),
            (600.0, "600 s"),
        ] {
            assert_eq!(readable(seconds), text);
        }
    }
}
