//! What a manifest will ask of its target and of this machine, and whether a run may be begun. Starts nothing.

mod events;
mod groups;

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use anyhow::anyhow;
use device_sim::limits::{SPARE_FILE_HANDLES, most_file_handles};
use fleet_report::plan::text::{amounts, percent};
use fleet_report::plan::{Demand, PlanSummary, QuotaShare, StageDemand};
use settings::reading::from_percent;

use super::load::peak;
use super::plan::{device_count, negative_count, processes, source_addresses};
use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::allowance::quota;
use crate::manifest::operator::Operator;
use crate::manifest::types::Target;

/// How much of a limit a run may ask for before it is refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxQuota(f64);

/// How far a run may go beyond the limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// The share of each limit.
    pub max: MaxQuota,
    /// Whether the run is begun all the same.
    pub force: bool,
}

impl FromStr for MaxQuota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match from_percent(text.trim()) {
            Some(share) if share > 0.0 && share.is_finite() => Ok(Self(share)),
            Some(_) => Err(format!("`{text}` is not above 0%")),
            None => Err(format!("`{text}` is not a share in percent, such as 100%")),
        }
    }
}

/// What the run of a manifest will ask for.
///
/// # Errors
///
/// The current folder can't be read, so that no path can be made absolute.
pub(crate) fn plan(manifest: &Manifest) -> anyhow::Result<PlanSummary> {
    let all = super::plan::groups(manifest)?;
    let negative = negative_count(&all);
    let groups: Vec<_> = all.iter().filter(|group| group.expect.is_none()).collect();
    let devices = device_count(&all) - negative;
    let load = &manifest.load;
    let stages = load.stages.iter().map(|stage| StageDemand {
        share: stage.share,
        over_s: stage.over.0.as_secs_f64(),
    });
    let enrolled = manifest.individual.iter().filter(|individual| individual.is_enrolled());
    let individual = enrolled.map(|individual| match &individual.devices {
        Some(range) => range.count,
        None => 1,
    });
    let length: Duration = load.stages.iter().map(|stage| stage.over.0).sum();
    let enrolled = manifest.group.iter().filter(|group| group.is_enrolled()).count();
    let secondary = manifest.group.iter().filter(|group| group.secondary).count();
    let mut demands = Vec::new();
    for group in &groups {
        let blueprint = super::plan::blueprint(manifest, group)?;
        demands.extend(groups::demands(group, &blueprint, manifest.fleet.seed, length));
    }
    let demand = Demand {
        stages: stages.collect(),
        messages: load.messages,
        events: events::demands(manifest),
        wanted_peak: device_sim::ramp::wanted(peak(&load.stages), devices),
        register_rate: load.register_rate,
        connect_rate: load.connect_rate,
        commands_per_s: manifest.operator.as_ref().map_or(0.0, Operator::commands_per_s),
        c2d_per_s: manifest.operator.as_ref().map_or(0.0, Operator::messages_per_s),
        looks_per_s: manifest.operator.as_ref().map_or(0.0, Operator::looks_per_s),
        properties_per_s: manifest.operator.as_ref().map_or(0.0, Operator::properties_per_s),
        negative,
        processes: processes(manifest, &all, most_file_handles()),
        with_emulator: matches!(manifest.target, Target::Emulator(_)),
        several_hubs: matches!(manifest.target, Target::IotCentral(_)),
        spare_file_handles: SPARE_FILE_HANDLES,
        file_handles_allowed: most_file_handles(),
        source_addresses: number(source_addresses(manifest).len()).max(1),
        enrollment_groups: number(enrolled),
        authorities: number(enrolled + secondary),
        individual_enrollments: individual.fold(0, u32::saturating_add),
        quota: quota(&manifest.target),
        groups: demands,
    };
    Ok(fleet_report::plan::plan(&demand))
}

/// A count that does not fit is more than any limit.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Refuses a plan that asks for more of a limit than the bound, where the limit is one beyond which everything fails.
///
/// # Errors
///
/// It does, and `force` is not set.
pub(crate) fn refuse_above(plan: &PlanSummary, bound: Bound) -> Result<(), Failure> {
    let refusing: Vec<&QuotaShare> = plan.refusing(bound.max.0).collect();
    if refusing.is_empty() || bound.force {
        return Ok(());
    }
    let quota = plan.quota.as_deref().unwrap_or_default();
    let mut words = format!(
        "the plan asks for more than {} of what {quota} allows, so nothing is started",
        percent(bound.max.0)
    );
    for quota in refusing {
        let (id, share) = (&quota.id, percent(quota.share));
        // Writing into a string can't fail.
        let _ = write!(words, "\n  {}: {}, {share} ({id})", quota.what, amounts(quota));
    }
    words +=
        "\nhint: ask for less, name the quota that holds, raise --max-quota, or begin it all the same with --force";
    Err(Failure::refused(anyhow!(words)))
}

/// What a person should be told before a run begins: each of them a sentence.
pub(crate) fn warnings(plan: &PlanSummary) -> impl Iterator<Item = String> {
    let above = plan.quotas.iter().filter(|quota| quota.is_above(1.0));
    // The first warning of a plan is about these, with what follows from it.
    let above = above.filter(|quota| !quota.id.ends_with(".registrations"));
    let above = above.map(|quota| {
        let share = percent(quota.share);
        format!("{}: {}, {share}: {}", quota.what, amounts(quota), quota.words())
    });
    plan.warnings.iter().cloned().chain(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(target: &str, load: &str) -> Manifest {
        let text = format!(
            "[fleet]\nname = \"f\"\n[target]\nkind = \"emulator\"\n{target}\n[[group]]\nid = \"g\"\n\
             devices = {{ prefix = \"t-\", count = 60 }}\n[load]\n{load}\n"
        );
        crate::manifest::parse("f.toml", &text, std::path::Path::new("."), &[]).unwrap()
    }

    fn warnings_of(manifest: &Manifest) -> Vec<String> {
        warnings(&plan(manifest).unwrap()).collect()
    }

    fn bound(max: &str) -> Bound {
        let max = max.parse().unwrap();
        Bound { max, force: false }
    }

    #[test]
    fn a_bound_is_a_share_in_percent() {
        assert_eq!("80 %".parse(), Ok(MaxQuota(0.8)));
        assert_eq!("1000%".parse(), Ok(MaxQuota(10.0)));
        for bad in ["", "100", "80 percent", "%", "0%", "-5%", "inf%", "NaN%"] {
            assert!(bad.parse::<MaxQuota>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_plan_above_a_limit_that_ends_it_is_refused_unless_it_is_forced() {
        // 60 devices for 40 s at 20 a second and device: more than F1 has in a day.
        let text = "quota = \"hub-f1\"\n[[individual]]\ndevice_id = \"loud\"\ntelemetry = { interval = \"1ms\" }";
        let loud = plan(&manifest(text, "")).unwrap();
        let refused = refuse_above(&loud, bound("100%")).unwrap_err();
        assert_eq!(refused.code(), crate::exit::REFUSED);
        let words = refused.to_string();
        assert!(
            words.starts_with("the plan asks for more than 100 % of what hub-f1 allows, so nothing is started\n")
                && words.contains("(hub.daily)")
                && words.ends_with("begin it all the same with --force"),
            "{words}"
        );
        let force = Bound {
            force: true,
            ..bound("100%")
        };
        refuse_above(&loud, force).unwrap();
        refuse_above(&loud, bound("10000%")).unwrap();
        assert!(
            warnings_of(&manifest(text, ""))
                .iter()
                .any(|said| said.contains("above a fixed limit"))
        );
        let quiet = plan(&manifest("quota = \"hub-f1\"", "")).unwrap();
        refuse_above(&quiet, bound("100%")).unwrap();
        assert_eq!(
            refuse_above(&quiet, bound("1%")).unwrap_err().code(),
            crate::exit::REFUSED
        );
    }

    #[test]
    fn an_operator_that_asks_for_more_than_the_rest_api_accepts_is_refused() {
        let plan_of = |rates: &str| {
            let text = format!("quota = \"iot-central\"\n[operator]\n{rates}\n");
            plan(&manifest(&text, "")).unwrap()
        };
        // One request a second for commands and looks each, three for properties.
        let within = plan_of("command_rate = \"5/s\"\nproperty_rate = \"4/s\"\narrival_rate = \"3/s\"");
        refuse_above(&within, bound("100%")).unwrap();
        let asked = |plan: &PlanSummary, id: &str| {
            let quota = plan.quotas.iter().find(|quota| quota.id == id);
            quota.map(|quota| quota.asked)
        };
        assert_eq!(asked(&within, "central.rest"), Some(20.0));
        assert_eq!(asked(&within, "central.commands"), Some(5.0));
        let above = plan_of("property_rate = \"7/s\"");
        let words = refuse_above(&above, bound("100%")).unwrap_err().to_string();
        assert!(
            words.contains("REST requests: 21 of 20/s, 105 % (central.rest)"),
            "{words}"
        );
        let without = plan(&manifest("quota = \"iot-central\"", "")).unwrap();
        assert_eq!(asked(&without, "central.rest"), None);
    }

    #[test]
    fn a_controller_sends_three_messages_of_a_measurement() {
        let text = "[[individual]]\ndevice_id = \"c\"\nmodel = \"temperature-controller\"";
        let plan = plan(&manifest(text, "")).unwrap();
        // Sixty thermostats each 5 s, and three messages of the controller.
        assert_eq!(
            (plan.traffic.messages_per_s, plan.traffic.device_messages_per_s),
            (12.6, 0.6)
        );
        assert!(
            (18..=24).contains(&plan.traffic.payload_bytes),
            "{}",
            plan.traffic.payload_bytes
        );
    }

    #[test]
    fn events_cost_connections_at_each_of_their_times() {
        let events = "stages = [\"100%@10s\", \"100%@50s\"]\n[[event]]\nstage = 2\nat = \"5s\"\nevery = \"10s\"\naction = \
                      \"storm\"\nshare = \"50%\"\n[[event]]\nat = \"20s\"\naction = \"reboot\"\nfor = \"10s\"\n[[event]]\n\
                      at = \"2m\"\naction = \"retry\"";
        let plan = plan(&manifest("", events)).unwrap();
        // Sixty, thirty at 15, 25, 35, 45 and 55 s, and after the power cut the thirty that the storm at 25 s has left.
        assert_eq!(plan.traffic.run_connects, 60 + 5 * 30 + 30);
        // A ramp of 10 s and 50 s, and ten seconds without power, each five seconds a message.
        assert_eq!(plan.traffic.run_messages, 60 * (5 + 50 - 10) / 5);
        assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
        assert!(
            plan.warnings[0].starts_with("event.2 comes 2m after the stages begin"),
            "{:?}",
            plan.warnings
        );
    }

    #[test]
    fn devices_that_must_be_refused_are_counted_apart() {
        let strangers = "[[group]]\nid = \"s\"\ndevices = { prefix = \"s-\", count = 5 }\nexpect = \"refused\"\n\
                         certificate = \"foreign\"";
        let [with, without] = [strangers, ""].map(|text| plan(&manifest(text, "")).unwrap());
        assert_eq!((with.devices, with.negative, with.wanted_peak), (60, 5, 60));
        assert_eq!((without.devices, without.negative), (60, 0));
        assert_eq!((&with.traffic, with.register_s), (&without.traffic, without.register_s));
        assert_eq!(with.machine.file_handles, without.machine.file_handles + 5);
    }

    #[test]
    fn a_quota_is_what_devices_register_at_unless_the_manifest_asks_for_more() {
        let central = "quota = \"iot-central\"";
        let left_out = manifest(central, "");
        assert_eq!(left_out.load.register_rate.to_string(), "200/min");
        assert_eq!(warnings_of(&left_out), [""; 0]);
        assert_eq!(plan(&left_out).unwrap().register_s, 18);
        let asked = manifest(central, "register_rate = \"50/s\"");
        assert_eq!(
            warnings_of(&asked)[0],
            "register at 50/s asks for 15 times what iot-central allows (200/min): registering takes about 18s"
        );
        assert_eq!(plan(&asked).unwrap().register_s, 18);
        assert_eq!(plan(&manifest("", "register_rate = \"50/s\"")).unwrap().register_s, 2);
    }

    #[test]
    fn a_quota_in_a_file_is_what_devices_register_at_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("small.toml");
        let quota = format!("quota = \"{}\"", file.display());
        for (limit, rate, warned) in [
            ("registrations = \"30/min\"", "30/min", true),
            ("registrations = \"2/s\"", "2/s", true),
            ("registrations = \"1440/day\"", "1/min", true),
            // Without a limit there is none to keep.
            ("", "50/s", false),
        ] {
            std::fs::write(&file, format!("[dps]\n{limit}\n")).unwrap();
            let left_out = manifest(&quota, "");
            assert_eq!(left_out.load.register_rate.to_string(), rate);
            assert_eq!(warnings_of(&left_out), [""; 0], "{limit}");
            let asked = manifest(&quota, "register_rate = \"50/s\"");
            let said = warnings_of(&asked);
            assert_eq!(said.len(), usize::from(warned), "{said:?}");
            assert!(said.iter().all(|said| said.contains("small.toml allows (")), "{said:?}");
        }
    }

    #[test]
    fn a_rate_of_connections_that_does_not_meet_the_stages_is_said() {
        let slow = manifest(
            "",
            "connect_rate = \"1/s\"\nstages = [\"100%@2s\", \"100%@10s\", \"0%@2s\"]",
        );
        let said = warnings_of(&slow);
        assert_eq!(
            said,
            [
                "connect at 1/s is too slow for the stages: 14 of 60 devices will be online when the stages end; the others \
                 fail. All would be online 1m after the stages begin"
            ]
        );
        for enough in [
            "connect_rate = \"50/s\"",
            "connect_rate = \"1/s\"\nstages = [\"100%@60s\", \"0%@1s\"]",
            "connect_rate = \"1/s\"\nstages = [\"100%@1s\", \"100%@60s\"]",
            "connect_rate = \"1/s\"\nstages = [\"10%@5s\", \"0%@5s\"]",
        ] {
            assert_eq!(warnings_of(&manifest("", enough)), [""; 0], "{enough}");
        }
    }
}
