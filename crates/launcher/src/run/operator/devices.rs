//! The devices that an operator can turn to: those that are online and that it is not waiting for. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use device_sim::random::{DeviceRng, Purpose, stream};
use fleet_protocol::plan::{Devices as Ids, Group, Model};
use rand::RngExt;
use tokio::time::Instant;

use super::figures::Skip;

/// So many devices are drawn until one has been online for long enough: where most have, one of them is found.
const DRAWS: u32 = 16;

/// A group that an operator works with.
#[derive(Debug, Clone)]
pub(super) struct Served {
    /// As figures call it.
    pub(super) name: String,
    /// The component with the thermostat; none where the device is one.
    pub(super) component: Option<&'static str>,
    /// Twice the time between two of a device's messages: one that has been online for that long has measured, and its last
    /// message is no older.
    pub(super) two_intervals: Duration,
    ids: Ids,
}

impl Served {
    pub(super) fn new(group: &Group) -> Self {
        Self {
            name: group.name.clone(),
            component: match group.model {
                Model::TemperatureController => Some("thermostat1"),
                Model::Thermostat | Model::EdgeIdentity | Model::Own(_) => None,
            },
            two_intervals: Duration::from_millis(group.telemetry.interval_ms).saturating_mul(2),
            ids: group.devices.clone(),
        }
    }

    fn has(&self, id: &str) -> bool {
        match &self.ids {
            Ids::Range(range) => {
                let number = id.strip_prefix(&range.prefix).and_then(|rest| rest.parse::<u32>().ok());
                let index = number.and_then(|number| number.checked_sub(range.first));
                // The number alone could be written in another way.
                index.is_some_and(|index| index < range.count && range.id(index) == id)
            }
            Ids::Ids(ids) => ids.iter().any(|one| one.as_str() == id),
        }
    }
}

/// A device, and the number of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) id: Arc<str>,
    pub(super) group: usize,
    /// Since when it is online.
    since: Instant,
}

/// The devices that are online.
#[derive(Debug)]
pub(super) struct Devices {
    groups: Vec<Served>,
    seed: u64,
    share: f64,
    random: DeviceRng,
    free: Vec<Device>,
    /// Where in `free` a device is; nowhere while it is waited for.
    online: HashMap<Arc<str>, Option<usize>>,
}

impl Devices {
    /// None is online. Of the devices of `groups`, a share is turned to.
    pub(super) fn new(groups: Vec<Served>, seed: u64, share: f64) -> Self {
        Self {
            groups,
            seed,
            share,
            random: stream(seed, "", Purpose::Operator),
            free: Vec::new(),
            online: HashMap::new(),
        }
    }

    /// The groups, by their numbers.
    pub(super) fn groups(&self) -> &[Served] {
        &self.groups
    }

    /// A device is online.
    pub(super) fn came(&mut self, id: &str, since: Instant) {
        if self.online.contains_key(id) || !self.is_in_share(id) {
            return;
        }
        if let Some(group) = self.groups.iter().position(|group| group.has(id)) {
            let id = Arc::from(id);
            self.online.insert(Arc::clone(&id), Some(self.free.len()));
            self.free.push(Device { id, group, since });
        }
    }

    /// A device is not online any more.
    pub(super) fn left(&mut self, id: &str) {
        if let Some(Some(at)) = self.online.remove(id) {
            self.take(at);
        }
    }

    /// Draws a device, which is not drawn again before it was given back; where it has to have measured, one that is likely
    /// to.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(super) fn draw(&mut self, has_measured: bool, now: Instant) -> Result<Device, Skip> {
        if self.free.is_empty() {
            return Err(match self.online.is_empty() {
                true => Skip::NoDeviceOnline,
                false => Skip::TooManyUnderWay,
            });
        }
        for _ in 0..DRAWS {
            let at = self.random.random_range(0..self.free.len());
            let Device { group, since, .. } = self.free[at];
            if !has_measured || now.duration_since(since) >= self.groups[group].two_intervals {
                let device = self.take(at);
                self.online.insert(Arc::clone(&device.id), None);
                return Ok(device);
            }
        }
        Err(Skip::OnlineTooBriefly)
    }

    /// The operator does not wait for the device any more.
    pub(super) fn give_back(&mut self, device: Device) {
        // One that has left meanwhile comes back by itself.
        if let Some(place) = self.online.get_mut(&device.id)
            && place.is_none()
        {
            *place = Some(self.free.len());
            self.free.push(device);
        }
    }

    /// A value for a property, to two digits.
    pub(super) fn value(&mut self, [least, greatest]: [f64; 2]) -> f64 {
        let value = self.random.random_range(least..=greatest);
        ((value * 100.0).round() / 100.0).clamp(least, greatest)
    }

    /// As an order picks its share of the devices.
    fn is_in_share(&self, id: &str) -> bool {
        self.share >= 1.0 || stream(self.seed, id, Purpose::Selection).random_range(0.0..1.0) < self.share
    }

    fn take(&mut self, at: usize) -> Device {
        let device = self.free.swap_remove(at);
        if let Some(moved) = self.free.get(at) {
            self.online.insert(Arc::clone(&moved.id), Some(at));
        }
        device
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fleet_protocol::plan::Range;

    use super::*;

    fn devices(share: f64) -> Devices {
        let served = |name: &str, ids, component| Served {
            name: name.to_owned(),
            component,
            two_intervals: Duration::from_secs(10),
            ids,
        };
        let range = Ids::Range(Range {
            prefix: "t-".into(),
            count: 100,
            first: 1,
            width: 4,
        });
        let ids = Ids::Ids(vec!["lab".parse().unwrap()]);
        let groups = vec![served("a", range, None), served("individual", ids, Some("thermostat1"))];
        Devices::new(groups, 7, share)
    }

    fn all(devices: &mut Devices) -> Vec<Device> {
        let now = Instant::now();
        std::iter::from_fn(|| devices.draw(false, now).ok()).collect()
    }

    #[test]
    fn only_devices_that_are_online_and_free_are_drawn() {
        let (mut devices, now) = (devices(1.0), Instant::now());
        assert_eq!(devices.draw(false, now), Err(Skip::NoDeviceOnline));
        for id in ["t-0001", "t-0002", "lab", "t-1", "t-0101", "x", "lab"] {
            devices.came(id, now);
        }
        let drawn = all(&mut devices);
        let ids: BTreeSet<_> = drawn.iter().map(|device| (&*device.id, device.group)).collect();
        assert_eq!(ids, BTreeSet::from([("lab", 1), ("t-0001", 0), ("t-0002", 0)]));
        assert_eq!(devices.draw(false, now), Err(Skip::TooManyUnderWay));
        devices.left("lab");
        drawn.into_iter().for_each(|device| devices.give_back(device));
        devices.left("t-0001");
        let left = all(&mut devices);
        assert_eq!(left.iter().map(|device| &*device.id).collect::<Vec<_>>(), ["t-0002"]);
        // One that left while it was waited for, and came back, is there once.
        devices.left("t-0002");
        devices.came("t-0002", now);
        devices.give_back(left[0].clone());
        assert_eq!(all(&mut devices).len(), 1);
    }

    #[test]
    fn a_device_has_measured_once_it_was_online_for_two_intervals() {
        let (mut devices, begin) = (devices(1.0), Instant::now());
        devices.came("lab", begin);
        let at = |millis| begin + Duration::from_millis(millis);
        assert_eq!(devices.draw(true, at(9_999)), Err(Skip::OnlineTooBriefly));
        assert!(devices.draw(true, at(10_000)).is_ok());
    }

    #[test]
    fn a_share_is_the_one_that_an_order_picks() {
        let mut fifth = devices(0.2);
        let now = Instant::now();
        (1..=100).for_each(|number| fifth.came(&format!("t-{number:04}"), now));
        let drawn = all(&mut fifth).len();
        assert!((10..=30).contains(&drawn), "{drawn}");
    }

    #[test]
    fn values_are_in_their_range() {
        let mut devices = devices(1.0);
        for range in [[18.0, 24.0], [20.0, 20.0], [0.001, 0.002]] {
            for _ in 0..100 {
                let value = devices.value(range);
                assert!((range[0]..=range[1]).contains(&value), "{value}");
            }
        }
    }
}
