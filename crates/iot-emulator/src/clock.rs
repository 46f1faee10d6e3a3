//! The wall clock, read at the edges only, and the forms in which the services write it.

use jiff::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// As DPS and the hub write it: UTC with seven fractional digits.
pub(crate) fn ticks(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string()
}

/// As IoT Central writes it: UTC with milliseconds.
pub fn millis(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// As HTTP writes it.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_services_write_them() {
        let at: Timestamp = "2026-11-23T15:00:00.1234567Z".parse().unwrap();
        assert_eq!(ticks(at), "2026-11-23T15:00:00.1234567Z");
        assert_eq!(
            ticks("2026-11-23T15:00:00Z".parse().unwrap()),
            "2026-11-23T15:00:00.0000000Z"
        );
        assert_eq!(millis(at), "2026-11-23T15:00:00.123Z");
        assert_eq!(http_date(at), "Mon, 23 Nov 2026 15:00:00 GMT");
    }
}
