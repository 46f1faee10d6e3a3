//! Which profile and which faults each device has, and how many messages it may send. Pure: the plan decides, so that all processes agree.

use std::iter::zip;

use fleet_protocol::plan::{DeviceFault, Devices, Fault, Group, Plan, Shard, fault, profile};
use rand::Rng;

use crate::random::{Purpose, stream};

/// What a device is among those of its group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The index of its profile in the group; 0 also where the group has none.
    pub(crate) profile: u16,
    /// Its faults.
    pub(crate) faults: Faults,
    /// How many messages it sends; without a number, as many as are due.
    pub(crate) messages: Option<u64>,
}

/// Which of its group's faults a device has: at most one of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults([Option<u8>; Fault::KINDS]);

impl Faults {
    /// The faults themselves, which are some of those of the group.
    pub(crate) fn of(self, group: &[DeviceFault]) -> impl Iterator<Item = &Fault> {
        let places = self.0.into_iter().flatten();
        places.filter_map(|place| group.get(usize::from(place)).map(|fault| &fault.fault))
    }

    /// All of them, where no two are of one kind.
    #[cfg(test)]
    pub(crate) fn all(group: &[DeviceFault]) -> Self {
        let mut all = Self::default();
        for (place, fault) in zip(0.., group) {
            all.0[fault.fault.kind()] = Some(place);
        }
        all
    }
}

/// The parts of a shard's devices, in the order of [`Plan::devices`]. `components` is how many of them send, of a device
/// of each group.
pub(crate) fn parts(plan: &Plan, components: &[usize], shard: Shard) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut messages = plan.messages.map(|all| Split::new(plan, components, all));
    let mut index = 0_u32;
    for (group, components) in zip(&plan.groups, components) {
        let (profiles, faults) = (profiles(plan.seed, group), faults(plan.seed, group));
        for place in 0..group.devices.count() {
            let profile = profiles.get(place as usize).copied().unwrap_or(0);
            let faults = faults.get(place as usize).copied().unwrap_or_default();
            let messages = messages
                .as_mut()
                .map(|split| split.next(rate(group, *components, profile)));
            if shard.holds(index) {
                parts.push(Part {
                    profile,
                    faults,
                    messages,
                });
            }
            index = index.wrapping_add(1);
        }
    }
    parts
}

/// The profile of each device of a group, in order; empty where it has none. Seed and device id put the devices into an
/// order, and each profile takes its share of that.
pub fn profiles(seed: u64, group: &Group) -> Vec<u16> {
    if group.profiles.is_empty() {
        return Vec::new();
    }
    let order = order(seed, group, Purpose::Profile);
    let mut profiles = vec![0; order.len()];
    let mut begin = 0;
    for (profile, end) in zip(0.., profile::ends(&group.profiles, group.devices.count())) {
        let end = end as usize;
        for place in &order[begin..end] {
            profiles[*place] = profile;
        }
        begin = end;
    }
    profiles
}

/// The faults of each device of a group, in order; empty where it has none.
pub fn faults(seed: u64, group: &Group) -> Vec<Faults> {
    if group.faults.is_empty() {
        return Vec::new();
    }
    let orders: [Option<Vec<usize>>; Fault::KINDS] = std::array::from_fn(|kind| {
        let is_there = group.faults.iter().any(|fault| fault.fault.kind() == kind);
        is_there.then(|| order(seed, group, Purpose::Fault(kind)))
    });
    let mut all = vec![Faults::default(); group.devices.count() as usize];
    let places = fault::places(&group.faults, group.devices.count());
    for ((index, fault), places) in zip(0.., &group.faults).zip(places) {
        let kind = fault.fault.kind();
        let having = orders[kind]
            .as_ref()
            .and_then(|order| order.get(places.start as usize..places.end as usize));
        for place in having.unwrap_or_default() {
            all[*place].0[kind] = Some(index);
        }
    }
    all
}

/// The places of a group's devices in an order that seed and device id decide.
fn order(seed: u64, group: &Group, purpose: Purpose) -> Vec<usize> {
    let drawn = |id: &str| stream(seed, id, purpose).next_u64();
    let mut order: Vec<(u64, usize)> = match &group.devices {
        Devices::Range(range) => zip(0.., 0..range.count)
            .map(|(place, number)| (drawn(&range.id(number)), place))
            .collect(),
        Devices::Ids(ids) => zip(ids, 0..).map(|(id, place)| (drawn(id.as_str()), place)).collect(),
    };
    order.sort_unstable();
    order.into_iter().map(|(_, place)| place).collect()
}

/// Messages in a second of a device that is always on time, as far as the plan says.
fn rate(group: &Group, components: usize, profile: u16) -> f64 {
    if group.expect.is_some() {
        // They don't get as far as that.
        return 0.0;
    }
    let (telemetry, factor) = match group.profiles.get(usize::from(profile)) {
        None => (group.telemetry, 1.0),
        Some(profile) => {
            let online = profile.day.map_or(1.0, |day| day.online);
            (profile.telemetry, f64::from(profile.burst) * online)
        }
    };
    components as f64 * factor * 1000.0 / telemetry.interval_ms as f64
}

/// Splits a number of messages among devices, by their rates: exact in sum, and each part to within one message.
struct Split {
    all: u64,
    total: f64,
    sum: f64,
    given: u64,
}

impl Split {
    fn new(plan: &Plan, components: &[usize], all: u64) -> Self {
        let mut split = Self {
            all,
            total: 0.0,
            sum: 0.0,
            given: 0,
        };
        // In the same order as the parts: the last sum is then this one, to the last bit.
        for (group, components) in zip(&plan.groups, components) {
            let profiles = profiles(plan.seed, group);
            for place in 0..group.devices.count() {
                split.total += rate(group, *components, profiles.get(place as usize).copied().unwrap_or(0));
            }
        }
        split
    }

    fn next(&mut self, rate: f64) -> u64 {
        self.sum += rate;
        let share = if self.total > 0.0 { self.sum / self.total } else { 0.0 };
        // At most all of them, and a cast saturates.
        let until_here = ((self.all as f64 * share).floor() as u64).clamp(self.given, self.all);
        let part = until_here - self.given;
        self.given = until_here;
        part
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fleet_protocol::plan::Profile;

    use super::*;

    const COMPONENTS: &[usize] = &[1, 3];

    /// A hundred devices of a group with three profiles, and two with none.
    fn plan() -> Plan {
        let mut plan: Plan = serde_json::from_str(include_str!("../../fleet-protocol/tests/data/plan.json")).unwrap();
        let profile = |name: &str, weight: f64, interval_ms: u64| -> Profile {
            serde_json::from_value(serde_json::json!({
                "name": name, "weight": weight, "telemetry": { "interval_ms": interval_ms, "jitter": 0.1 },
            }))
            .unwrap()
        };
        plan.groups[0].profiles = vec![
            profile("often", 7.0, 1_000),
            profile("seldom", 2.0, 60_000),
            profile("bursts", 1.0, 10_000),
        ];
        plan.groups[0].profiles[2].burst = 20;
        plan
    }

    #[test]
    fn the_shares_are_exact_and_the_shards_agree() {
        let plan = plan();
        let whole = parts(&plan, COMPONENTS, Shard::WHOLE);
        let mut count = BTreeMap::new();
        for part in &whole[..100] {
            *count.entry(part.profile).or_insert(0) += 1;
        }
        assert_eq!(count, BTreeMap::from([(0, 70), (1, 20), (2, 10)]));
        assert_eq!(whole[100..], [Part::default(); 2]);
        let shards: Vec<_> = (0..3)
            .map(|i| parts(&plan, COMPONENTS, format!("{i}/3").parse().unwrap()))
            .collect();
        for (index, part) in whole.iter().enumerate() {
            assert_eq!(shards[index % 3][index / 3], *part);
        }
    }

    #[test]
    fn faults_have_their_shares_whatever_shard_a_device_is_in() {
        let mut plan = plan();
        let faults = r#"[{"share":0.1,"fault":{"slow":{"latency_ms":10}}},{"share":0.2,"fault":{"slow":{"latency_ms":20}}},
                         {"share":0.5,"fault":{"cut":{"every_ms":1000}}}]"#;
        plan.groups[0].faults = serde_json::from_str(faults).unwrap();
        let whole = parts(&plan, COMPONENTS, Shard::WHOLE);
        let having = |fault: u8| {
            let has = |part: &&Part| part.faults.0.contains(&Some(fault));
            whole[..100].iter().filter(has).count()
        };
        assert_eq!([having(0), having(1), having(2)], [10, 20, 50]);
        assert!(whole[100..].iter().all(|part| part.faults == Faults::default()));
        for (index, part) in whole.iter().enumerate() {
            let shard = format!("{}/3", index % 3).parse().unwrap();
            assert_eq!(parts(&plan, COMPONENTS, shard)[index / 3], *part);
        }
        // Whether a device is slow says nothing of whether it is cut.
        let both = whole
            .iter()
            .filter(|part| part.faults.0[0].is_some() && part.faults.0[2].is_some());
        assert!((8..=22).contains(&both.count()));
    }

    #[test]
    fn seed_and_device_id_decide_and_not_the_place_in_the_group() {
        let mut other = plan();
        other.seed += 1;
        assert_ne!(
            profiles(other.seed, &other.groups[0]),
            profiles(plan().seed, &plan().groups[0])
        );
        let mut listed = plan();
        let Devices::Range(range) = &plan().groups[0].devices else {
            panic!("it is a range")
        };
        let ids = (0..range.count).rev().map(|number| range.id(number).parse().unwrap());
        listed.groups[0].devices = Devices::Ids(ids.collect());
        let mut backwards = profiles(listed.seed, &listed.groups[0]);
        backwards.reverse();
        assert_eq!(backwards, profiles(plan().seed, &plan().groups[0]));
    }

    #[test]
    fn the_messages_of_all_devices_are_the_number_and_each_has_its_part() {
        for all in [0, 1, 99, 100_000, 1 << 52] {
            let mut plan = plan();
            plan.messages = Some(all);
            let whole = parts(&plan, COMPONENTS, Shard::WHOLE);
            let sum: u64 = whole.iter().filter_map(|part| part.messages).sum();
            assert_eq!(sum, all);
            let shards = (0..7).flat_map(|i| parts(&plan, COMPONENTS, format!("{i}/7").parse().unwrap()));
            assert_eq!(shards.filter_map(|part| part.messages).sum::<u64>(), all);
        }
        let mut plan = plan();
        plan.messages = Some(1_000_000);
        let whole = parts(&plan, COMPONENTS, Shard::WHOLE);
        let of = |profile| {
            whole[..100]
                .iter()
                .find(|part| part.profile == profile)
                .unwrap()
                .messages
                .unwrap()
        };
        // One in a second against one in a minute, and twenty in ten seconds.
        assert!(
            of(0).abs_diff(of(1) * 60) <= 61 && of(2).abs_diff(of(0) * 2) <= 3,
            "{} {} {}",
            of(0),
            of(1),
            of(2)
        );
    }
}
