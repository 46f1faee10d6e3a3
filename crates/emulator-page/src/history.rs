//! The last temperatures of the few devices that are open in a browser. Other devices have none.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use iot_protocol::id::DeviceId;
use jiff::Timestamp;

/// Points that are kept of one thermostat.
const POINTS: usize = 300;
/// Thermostats of one device that are kept.
const THERMOSTATS: usize = 4;
/// Devices that are kept. One more, and the one that was not looked at for longest is dropped.
const DEVICES: usize = 32;

pub(crate) type Point = (Timestamp, f64);

/// The points of a device's thermostats, by component.
pub(crate) type History = BTreeMap<Option<String>, VecDeque<Point>>;

/// The histories, the one that was looked at last in front.
#[derive(Debug, Default)]
pub(crate) struct Histories(Mutex<VecDeque<(DeviceId, History)>>);

impl Histories {
    /// Adds what a device shows now, and gives all that is known of it.
    pub(crate) fn look<'a>(
        &self,
        id: &DeviceId,
        shown: impl Iterator<Item = (Option<&'a str>, Timestamp, f64)>,
    ) -> History {
        let mut devices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = devices.iter().position(|(known, _)| known == id);
        let (id, mut history) = known
            .and_then(|known| devices.remove(known))
            .unwrap_or_else(|| (id.clone(), History::new()));
        for (component, at, temperature) in shown.take(THERMOSTATS) {
            let points = history.entry(component.map(Into::into)).or_default();
            if points.back().is_none_or(|(last, _)| *last < at) {
                if points.len() == POINTS {
                    points.pop_front();
                }
                points.push_back((at, temperature));
            }
        }
        while history.len() > THERMOSTATS {
            history.pop_last();
        }
        devices.push_front((id, history.clone()));
        devices.truncate(DEVICES);
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_new_value_is_a_point_and_the_same_value_seen_twice_is_one() {
        let (histories, id) = (Histories::default(), DeviceId::new("t-1").unwrap());
        for (second, temperature) in [(1, 20.0), (1, 20.0), (3, 21.0), (2, 5.0)] {
            histories.look(&id, [(None, at(second), temperature)].into_iter());
        }
        let history = histories.look(&id, [(Some("thermostat1"), at(3), 19.0)].into_iter());
        assert_eq!(history[&None], [(at(1), 20.0), (at(3), 21.0)]);
        assert_eq!(history[&Some("thermostat1".into())], [(at(3), 19.0)]);
    }

    #[test]
    fn points_and_devices_are_bounded() {
        let (histories, first) = (Histories::default(), DeviceId::new("first").unwrap());
        for second in 0..1000 {
            histories.look(&first, [(None, at(second), 20.0)].into_iter());
        }
        let history = histories.look(&first, [].into_iter());
        assert_eq!(
            (history[&None].len(), history[&None][0].0),
            (POINTS, at(1000 - POINTS as i64))
        );
        for number in 0..DEVICES {
            histories.look(&DeviceId::new(&format!("t-{number}")).unwrap(), [].into_iter());
        }
        assert_eq!(histories.0.lock().unwrap().len(), DEVICES);
        assert!(histories.look(&first, [].into_iter()).is_empty(), "it was dropped");
    }
}
