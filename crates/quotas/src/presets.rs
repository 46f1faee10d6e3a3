//! The files of limits that are part of the program.

use std::sync::LazyLock;

use crate::amount::Amount;
use crate::limit::Limits;
use crate::read::read;

const FILES: [(&str, &str); 6] = [
    ("iot-central", include_str!("../presets/iot-central.toml")),
    ("dps", include_str!("../presets/dps.toml")),
    ("hub-f1", include_str!("../presets/hub-f1.toml")),
    ("hub-s1", include_str!("../presets/hub-s1.toml")),
    ("hub-s2", include_str!("../presets/hub-s2.toml")),
    ("hub-s3", include_str!("../presets/hub-s3.toml")),
];

/// The names, as they are listed for a person.
pub const NAMES: &str = "iot-central, dps, hub-f1, hub-s1, hub-s2, hub-s3";

/// The names.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The limits of this name.
#[must_use]
pub fn preset(name: &str) -> Option<Limits> {
    let (name, text) = FILES.iter().find(|(known, _)| *known == name)?;
    Some(read(name, text, &preset).expect("a test reads every preset"))
}

/// What the documentation allows of something that does not depend on a tier, such as `dps.polls`.
///
/// # Panics
///
/// No preset has such a limit.
#[must_use]
pub fn documented(id: &str) -> Amount {
    static PRESETS: LazyLock<Vec<Limits>> = LazyLock::new(|| names().filter_map(preset).collect());
    let found = PRESETS.iter().find_map(|limits| limits.get(id)?.allowed(1));
    found.unwrap_or_else(|| panic!("no preset has the limit {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Kind;

    #[test]
    fn every_preset_can_be_read_and_each_of_its_limits_says_where_it_is_from() {
        assert_eq!(names().collect::<Vec<_>>().join(", "), NAMES);
        for name in names() {
            let limits = preset(name).unwrap();
            assert_eq!(limits.name, name);
            for limit in &limits.limits {
                assert!(limit.allowed(1).is_some(), "{name}: {}", limit.id);
                assert!(limit.scope.is_some() && limit.source.is_some(), "{name}: {}", limit.id);
            }
        }
        assert_eq!(preset("hub-s4"), None);
    }

    /// The numbers of the documentation, written a second time.
    #[test]
    fn the_presets_hold_the_documented_numbers() {
        for (name, units, expected) in [
            (
                "iot-central",
                1,
                &[
                    ("central.devices", "200000", Kind::Fixed),
                    ("central.messages", "200/s", Kind::Scales),
                    ("central.device_messages", "10/s", Kind::Fixed),
                    ("central.property_updates", "100/s", Kind::Scales),
                    ("central.commands", "20/s", Kind::Scales),
                    ("central.rest", "20/s", Kind::Fixed),
                    ("central.rest_queries", "1/s", Kind::Fixed),
                    ("central.registrations", "200/min", Kind::SetByDps),
                    ("central.hub_per", "10000", Kind::Unstated),
                    ("central.templates", "1000", Kind::Unstated),
                    ("central.capabilities", "300", Kind::Unstated),
                    ("central.message", "256 KB", Kind::Fixed),
                    ("central.message_down", "64 KB", Kind::Fixed),
                    ("central.billed_unit", "4 KB", Kind::Unstated),
                ][..],
            ),
            (
                "dps",
                1,
                &[
                    ("dps.registrations", "1000/min", Kind::Adjustable),
                    ("dps.operations", "1000/min", Kind::Adjustable),
                    ("dps.polls", "5/10s", Kind::Fixed),
                    ("dps.individual_enrollments", "1000000", Kind::Unstated),
                    ("dps.enrollment_groups", "100", Kind::Unstated),
                    ("dps.authorities", "25", Kind::Unstated),
                    ("dps.hubs", "50", Kind::Unstated),
                    ("dps.message", "96 KB", Kind::Fixed),
                ],
            ),
            (
                "hub-s1",
                1,
                &[
                    ("dps.registrations", "1000/min", Kind::Adjustable),
                    ("hub.connects", "100/s", Kind::Throttle),
                    ("hub.sends", "100/s", Kind::Throttle),
                    ("hub.twin_reads", "100/s", Kind::Throttle),
                    ("hub.twin_updates", "50/s", Kind::Throttle),
                    ("hub.c2d", "1.67/s", Kind::Throttle),
                    ("hub.c2d_waiting", "50", Kind::Fixed),
                    ("hub.methods", "160 KB/s", Kind::Throttle),
                    ("hub.daily", "400000/day", Kind::Quota),
                    ("hub.billed_unit", "4 KB", Kind::Unstated),
                ],
            ),
            (
                "hub-s1",
                10,
                &[
                    ("hub.connects", "120/s", Kind::Throttle),
                    ("hub.sends", "120/s", Kind::Throttle),
                    ("hub.twin_reads", "100/s", Kind::Throttle),
                    ("hub.c2d", "16.7/s", Kind::Throttle),
                    ("hub.methods", "1.56 MB/s", Kind::Throttle),
                    ("hub.daily", "4000000/day", Kind::Quota),
                ],
            ),
            (
                "hub-f1",
                1,
                &[
                    ("hub.connects", "100/s", Kind::Throttle),
                    ("hub.daily", "8000/day", Kind::Quota),
                    ("hub.billed_unit", "512 B", Kind::Unstated),
                ],
            ),
            (
                "hub-s2",
                20,
                &[
                    ("hub.connects", "2400/s", Kind::Throttle),
                    ("hub.sends", "2400/s", Kind::Throttle),
                    ("hub.twin_reads", "200/s", Kind::Throttle),
                    ("hub.twin_updates", "100/s", Kind::Throttle),
                    ("hub.c2d", "33.4/s", Kind::Throttle),
                    ("hub.methods", "9.38 MB/s", Kind::Throttle),
                    ("hub.daily", "120000000/day", Kind::Quota),
                ],
            ),
            (
                "hub-s3",
                2,
                &[
                    ("hub.connects", "12000/s", Kind::Throttle),
                    ("hub.sends", "12000/s", Kind::Throttle),
                    ("hub.twin_reads", "1000/s", Kind::Throttle),
                    ("hub.twin_updates", "500/s", Kind::Throttle),
                    ("hub.c2d", "166.66/s", Kind::Throttle),
                    ("hub.methods", "48 MB/s", Kind::Throttle),
                    ("hub.daily", "600000000/day", Kind::Quota),
                ],
            ),
        ] {
            let limits = preset(name).unwrap();
            for (id, amount, kind) in expected {
                let limit = limits.get(id).unwrap_or_else(|| panic!("{name} has no {id}"));
                let found = (limit.allowed(units).unwrap().to_string(), limit.kind);
                assert_eq!(found, ((*amount).to_owned(), *kind), "{name} × {units}: {id}");
            }
        }
    }

    #[test]
    fn units_are_sold_of_hubs_only() {
        let units = names().map(|name| preset(name).unwrap().max_units);
        assert_eq!(
            units.collect::<Vec<_>>(),
            [None, None, Some(1), Some(200), Some(200), Some(10)]
        );
    }

    #[test]
    fn what_does_not_depend_on_a_tier_is_found_by_its_id() {
        assert_eq!(documented("dps.polls").to_string(), "5/10s");
        assert_eq!(documented("hub.c2d_waiting").to_string(), "50");
    }
}
