//! When in a day each device is online by its profile. Pure: times are those of the stages.

use std::time::Duration;

use fleet_protocol::plan::{Day, Shape};
use rand::RngExt;

use crate::random::{Purpose, stream};

/// The middle of an office's day: a quarter to one.
const NOON: f64 = 12.75 / 24.0;
/// How far the middle of a device's day is from that at most: two hours.
const SPREAD: f64 = 2.0 / 24.0;

/// The part of each day in which a device is online.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Duty {
    /// As a share of the day, from 0 to 1.
    begin: f64,
    online: f64,
}

impl Duty {
    fn of(day: &Day, seed: u64, device_id: &str) -> Self {
        let mut random = stream(seed, device_id, Purpose::Day);
        let begin = match day.shape {
            Shape::Flat => random.random_range(0.0..1.0),
            Shape::Office => {
                // Two draws: most devices are near the middle of the range.
                let off = random.random_range(-0.5..0.5) + random.random_range(-0.5..0.5);
                NOON + SPREAD * off - day.online / 2.0
            }
        };
        Self {
            begin: begin - begin.floor(),
            online: day.online,
        }
    }

    fn is_on(&self, share_of_day: f64) -> bool {
        let since = share_of_day - self.begin;
        since - since.floor() < self.online
    }
}

/// The part of a run that a device is online by its day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InRun {
    /// The share of the time, from 0 to 1.
    pub online: f64,
    /// How often it comes online.
    pub sessions: u32,
}

/// The part of a run whose stages take `length` that a device is online by its day.
#[must_use]
pub fn in_run(day: &Day, seed: u64, device_id: &str, length: Duration) -> InRun {
    let always = InRun {
        online: 1.0,
        sessions: 1,
    };
    if day.online >= 1.0 || length.is_zero() {
        return always;
    }
    let duty = Duty::of(day, seed, device_id);
    let days = length.as_secs_f64() / Duration::from_millis(day.length_ms).as_secs_f64();
    // What is online until some moment, counted from the beginning of the first part of a day after midnight.
    let until = |moment: f64| {
        let whole = (moment - duty.begin).floor();
        whole * duty.online + (moment - duty.begin - whole).min(duty.online)
    };
    let begun = (days - duty.begin).ceil().max(0.0) as u32;
    InRun {
        online: (until(days) - until(0.0)) / days,
        sessions: begun + u32::from(duty.is_on(0.0) && duty.begin > 0.0),
    }
}

/// A device begins or ends its part of the day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    pub(crate) device: usize,
    pub(crate) is_on: bool,
}

/// The days of a process's devices.
#[derive(Debug, Default)]
pub(crate) struct Days {
    duties: Vec<(usize, Duration, Duty)>,
    /// The changes to come, by their time of the stages.
    next: std::collections::BinaryHeap<std::cmp::Reverse<(Duration, usize, bool)>>,
}

impl Days {
    /// Of these devices, each with its index and its day, if it has one; always online are the others.
    pub(crate) fn new<'a>(seed: u64, devices: impl Iterator<Item = (usize, Option<&'a Day>, &'a str)>) -> Self {
        let duties = devices.filter_map(|(device, day, id)| {
            // Without an absence there is nothing to do.
            let day = day.filter(|day| day.online < 1.0)?;
            Some((device, Duration::from_millis(day.length_ms), Duty::of(day, seed, id)))
        });
        Self {
            duties: duties.collect(),
            next: std::collections::BinaryHeap::new(),
        }
    }

    /// Who is offline when the stages have lasted so long; the changes go on from there.
    pub(crate) fn begin(&mut self, elapsed: Duration) -> Vec<Change> {
        self.next.clear();
        let mut changes = Vec::new();
        for (place, (device, length, duty)) in self.duties.iter().enumerate() {
            let share = share_of_day(elapsed, *length);
            changes.push(Change {
                device: *device,
                is_on: duty.is_on(share),
            });
            for (at, is_on) in [(duty.begin, true), (duty.begin + duty.online, false)] {
                let ahead = at - share;
                let ahead = length.mul_f64(ahead - ahead.floor());
                // What is now has been done.
                let ahead = if ahead.is_zero() { *length } else { ahead };
                self.next.push(std::cmp::Reverse((elapsed + ahead, place, is_on)));
            }
        }
        changes
    }

    /// The changes until the stages have lasted so long, in the order of their time.
    pub(crate) fn until(&mut self, elapsed: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(std::cmp::Reverse((at, place, is_on))) = self.next.peek().copied() {
            if at > elapsed {
                break;
            }
            self.next.pop();
            let (device, length, _) = self.duties[place];
            changes.push(Change { device, is_on });
            self.next.push(std::cmp::Reverse((at + length, place, is_on)));
        }
        changes
    }
}

fn share_of_day(elapsed: Duration, length: Duration) -> f64 {
    let days = elapsed.as_secs_f64() / length.as_secs_f64();
    days - days.floor()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn day(shape: Shape, online: f64) -> Day {
        Day {
            shape,
            online,
            length_ms: 24 * 60 * 60 * 1000,
        }
    }

    /// How many of a thousand devices are online at each full hour of two days.
    fn online(day: &Day, seed: u64) -> Vec<usize> {
        let ids: Vec<_> = (0..1_000).map(|i| format!("d{i:04}")).collect();
        let devices = ids
            .iter()
            .enumerate()
            .map(|(index, id)| (index, Some(day), id.as_str()));
        let mut days = Days::new(seed, devices);
        let mut is_on = vec![true; ids.len()];
        let mut apply = |changes: Vec<Change>| {
            changes
                .into_iter()
                .for_each(|change| is_on[change.device] = change.is_on);
            is_on.iter().filter(|is_on| **is_on).count()
        };
        let first = apply(days.begin(Duration::ZERO));
        let later = (1..48).map(|hour| apply(days.until(DAY / 24 * hour)));
        [first].into_iter().chain(later).collect()
    }

    #[test]
    fn an_office_fills_in_the_morning_and_is_empty_at_night() {
        let online = online(&day(Shape::Office, 10.0 / 24.0), 7);
        assert_eq!(online[..5], [0; 5]);
        assert!(
            online[8] > 400 && online[12] == 1_000 && online[14] == 1_000,
            "{online:?}"
        );
        assert!(online[18] < 600 && online[21] == 0, "{online:?}");
        assert_eq!(online[..24], online[24..], "each day is like the one before");
    }

    #[test]
    fn a_flat_day_has_its_share_online_at_each_moment() {
        let online = online(&day(Shape::Flat, 0.25), 7);
        assert!(online.iter().all(|online| (190..310).contains(online)), "{online:?}");
    }

    #[test]
    fn seed_and_device_decide_and_a_process_that_comes_later_agrees() {
        let office = day(Shape::Office, 0.4);
        assert_eq!(online(&office, 7), online(&office, 7));
        assert_ne!(Duty::of(&office, 7, "a"), Duty::of(&office, 8, "a"));
        assert_ne!(Duty::of(&office, 7, "a"), Duty::of(&office, 7, "b"));
        let state = |steps: &[u32]| {
            let ids: Vec<_> = (0..100).map(|i| format!("d{i}")).collect();
            let devices = ids
                .iter()
                .enumerate()
                .map(|(index, id)| (index, Some(&office), id.as_str()));
            let mut days = Days::new(7, devices);
            let mut is_on = vec![true; ids.len()];
            for (number, hour) in steps.iter().enumerate() {
                let at = DAY / 24 * *hour;
                let changes = if number == 0 { days.begin(at) } else { days.until(at) };
                changes
                    .into_iter()
                    .for_each(|change| is_on[change.device] = change.is_on);
            }
            is_on
        };
        assert_eq!(state(&[0, 3, 8, 33]), state(&[33]));
    }

    #[test]
    fn the_part_of_a_run_is_what_the_changes_come_to() {
        for (shape, online, hours) in [
            (Shape::Office, 0.4, 7),
            (Shape::Office, 0.4, 100),
            (Shape::Flat, 0.3, 48),
            (Shape::Flat, 0.9, 31),
        ] {
            let day = day(shape, online);
            for id in ["a", "b", "c", "d", "e"] {
                let mut days = Days::new(7, [(0, Some(&day), id)].into_iter());
                let mut is_on = days.begin(Duration::ZERO)[0].is_on;
                let (mut sessions, mut minutes) = (u32::from(is_on), 0);
                for minute in 0..=hours * 60 {
                    for change in days.until(Duration::from_secs(minute * 60)) {
                        sessions += u32::from(change.is_on && !is_on);
                        is_on = change.is_on;
                    }
                    minutes += u32::from(is_on && minute < hours * 60);
                }
                let found = in_run(&day, 7, id, Duration::from_secs(hours * 3600));
                let counted = f64::from(minutes) / (hours * 60) as f64;
                assert!((found.online - counted).abs() < 0.01, "{id}: {found:?}, {counted}");
                assert_eq!(found.sessions, sessions, "{id}");
            }
        }
    }

    #[test]
    fn who_is_always_online_has_no_changes() {
        let always = day(Shape::Flat, 1.0);
        let devices = [(0, Some(&always), "a"), (1, None, "b")];
        let mut days = Days::new(7, devices.into_iter());
        assert!(days.begin(Duration::ZERO).is_empty() && days.until(DAY * 3).is_empty());
    }
}
