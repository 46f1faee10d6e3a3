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
}
