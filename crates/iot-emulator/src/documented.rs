//! Limits that are kept whatever the quota is, from the same files as the quotas.

use std::sync::LazyLock;
use std::time::Duration;

/// Largest device-to-cloud message, in bytes: body and properties.
pub(crate) static MESSAGE: LazyLock<usize> = LazyLock::new(|| count("hub.message"));
/// Largest cloud-to-device message, in bytes: body and properties.
pub(crate) static MESSAGE_DOWN: LazyLock<usize> = LazyLock::new(|| count("central.message_down"));
/// Largest message that DPS takes, in bytes.
pub(crate) static DPS_MESSAGE: LazyLock<usize> = LazyLock::new(|| count("dps.message"));
/// Cloud-to-device messages that may wait for one device.
pub(crate) static MESSAGES_WAITING: LazyLock<usize> = LazyLock::new(|| count("hub.c2d_waiting"));
/// Polls that a device may make for an operation, and in which time.
pub(crate) static POLLS: LazyLock<(usize, Duration)> = LazyLock::new(|| {
    let per = quotas::documented("dps.polls").per.expect("it is a rate");
    (count("dps.polls"), per)
});

fn count(id: &str) -> usize {
    quotas::documented(id).count as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_of_the_documentation() {
        assert_eq!(
            [*MESSAGE, *MESSAGE_DOWN, *DPS_MESSAGE],
            [256 * 1024, 64 * 1024, 96 * 1024]
        );
        assert_eq!(*MESSAGES_WAITING, 50);
        assert_eq!(*POLLS, (5, Duration::from_secs(10)));
    }
}
