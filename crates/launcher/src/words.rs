//! Words that depend on numbers.

/// A count with its noun: `1 leaf`, `2 leaves`.
pub(crate) fn counted(count: impl TryInto<u64>, one: &str, several: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    }
}

/// `1 device`, `2 devices`.
pub(crate) fn devices(count: impl TryInto<u64>) -> String {
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
    }
}
