//! When each device of an absence leaves, and when it is back. Pure: times are offsets from the absence's beginning.

use std::time::Duration;

use crate::churn::Step;

/// The devices leave one after the other, the first after `begin` and each `pause` after the one before, and each is
/// back after `lasts`.
pub(crate) fn steps(devices: &[usize], begin: Duration, pause: Duration, lasts: Duration) -> Vec<(Duration, Step)> {
    let leaves = |(number, device): (u32, &usize)| (begin.saturating_add(pause.saturating_mul(number)), *device);
    let leaves = (0..).zip(devices).map(leaves);
    let mut steps: Vec<_> = leaves
        .flat_map(|(at, device)| {
            let back = at.saturating_add(lasts);
            [(at, Step::Leaves(device)), (back, Step::ComesBack(device))]
        })
        .collect();
    // A device leaves before it comes back, and the sort keeps the order of what is at one moment.
    steps.sort_by_key(|(at, _)| *at);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_away_for_the_same_time() {
        let seconds = Duration::from_secs;
        let steps = |devices: &[usize], lasts| super::steps(devices, seconds(1), seconds(2), seconds(lasts));
        let (leaves, back) = (Step::Leaves, Step::ComesBack);
        let expected = [(1, leaves(7)), (3, leaves(9)), (6, back(7)), (8, back(9))];
        assert_eq!(steps(&[7, 9], 5), expected.map(|(at, step)| (seconds(at), step)));
        let expected = [(1, leaves(7)), (2, back(7)), (3, leaves(9)), (4, back(9))];
        assert_eq!(steps(&[7, 9], 1), expected.map(|(at, step)| (seconds(at), step)));
        assert_eq!(steps(&[], 5), []);
    }
}
