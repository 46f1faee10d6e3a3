//! Plans against values worked out by hand.

use super::*;
use settings::Rate;

fn thermostats(devices: u32, interval_s: f64) -> GroupDemand {
    GroupDemand {
        name: "thermostats".into(),
        devices,
        interval_s,
        bodies: vec![20],
        property_updates: traffic::THERMOSTAT_UPDATES,
        habits: Habits::default(),
    }
}

/// A fleet of thermostats that all come online within the first stage, stay and leave.
fn demand(devices: u32, interval_s: f64, quota: Option<(&str, u32)>) -> Demand {
    let stage = |share, over_s| StageDemand { share, over_s };
    Demand {
        groups: vec![thermostats(devices, interval_s)],
        stages: vec![stage(1.0, 10.0), stage(1.0, 50.0), stage(0.0, 10.0)],
        messages: None,
        events: Vec::new(),
        negative: 0,
        wanted_peak: devices,
        register_rate: Rate::per_minute(200.0),
        commands_per_s: 0.0,
        properties_per_s: 0.0,
        looks_per_s: 0.0,
        c2d_per_s: 0.0,
        connect_rate: Rate::per_second(50.0),
        processes: 2,
        with_emulator: false,
        several_hubs: true,
        source_addresses: 1,
        spare_file_handles: 64,
        file_handles_allowed: None,
        enrollment_groups: 1,
        authorities: 1,
        individual_enrollments: 0,
        quota: quota.map(|(name, units)| Quota {
            limits: quotas::preset(name).unwrap(),
            units,
        }),
    }
}

fn share<'a>(plan: &'a PlanSummary, id: &str) -> &'a QuotaShare {
    let found = plan.quotas.iter().find(|quota| quota.id == id);
    found.unwrap_or_else(|| panic!("{id} is not in {:?}", plan.quotas))
}

#[test]
fn an_application_is_asked_for_what_its_devices_do() {
    let plan = plan(&demand(100, 5.0, Some(("iot-central", 1))));
    // 100 at 200/min take 30 s; then 70 s of stages.
    assert_eq!((plan.register_s, plan.estimate_s, plan.all_online_s), (30, 100.0, 10));
    assert_eq!((plan.wanted_peak, plan.online_at_end), (100, 100));
    for (id, asked, allowed, per, share_of) in [
        ("central.registrations", 200.0, 200.0, Some("min"), 1.0),
        ("central.messages", 20.0, 200.0, Some("s"), 0.1),
        ("central.device_messages", 0.2, 10.0, Some("s"), 0.02),
        // Ten devices a second come online.
        ("central.property_updates", 25.0, 100.0, Some("s"), 0.25),
        ("central.commands", 0.0, 20.0, Some("s"), 0.0),
        ("central.devices", 100.0, 200_000.0, None, 0.0005),
    ] {
        let quota = share(&plan, id);
        let found = (quota.asked, quota.allowed, quota.per.as_deref(), quota.share);
        assert_eq!(found, (asked, allowed, per, share_of), "{id}");
    }
    assert_eq!((plan.verdict, plan.hubs), (Verdict::Within, Some(1)));
    // 100 × (5 + 50 + 5) s online, a message each 5 s.
    let traffic = &plan.traffic;
    assert_eq!((traffic.run_messages, traffic.run_billed), (1200, 1200));
    assert_eq!(
        (traffic.messages_per_day, traffic.messages_per_month),
        (1_728_000, 51_840_000)
    );
    // 14 KiB for each, and 13 MiB for each of two processes.
    assert_eq!(plan.machine.memory_bytes, 100 * 14 * 1024 + 26 * 1024 * 1024);
    assert_eq!((plan.machine.file_handles, plan.machine.ports), (50 + 64, 100));
    assert_eq!((&plan.warnings[..], &plan.notes[..]), (&[][..], &[][..]));
}

#[test]
fn a_limit_that_scales_warns_and_a_fixed_one_refuses() {
    // 10,000 devices each 5 s: 2,000 messages a second, ten times what is documented.
    let scales = plan(&demand(10_000, 5.0, Some(("iot-central", 1))));
    assert_eq!(scales.verdict, Verdict::AboveScaling);
    assert_eq!(share(&scales, "central.messages").share, 10.0);
    assert_eq!(scales.refusing(1.0).count(), 0);
    assert_eq!(scales.hubs, Some(1));
    // A device that sends 20 a second.
    let fixed = plan(&demand(1, 0.05, Some(("iot-central", 1))));
    assert_eq!(fixed.verdict, Verdict::AboveFixed);
    let refusing: Vec<_> = fixed
        .refusing(1.0)
        .map(|quota| (quota.id.as_str(), quota.share))
        .collect();
    assert_eq!(refusing, [("central.device_messages", 2.0)]);
    assert_eq!(fixed.refusing(2.0).count(), 0);
    // The bound may be lower than the limit; the verdict is about the limit.
    let below = plan(&demand(1, 0.125, Some(("iot-central", 1))));
    assert_eq!((below.verdict, below.refusing(0.5).count()), (Verdict::Within, 1));
    assert_eq!(plan(&demand(25_000, 60.0, Some(("iot-central", 1)))).hubs, Some(3));
}

#[test]
fn a_day_s_messages_are_those_of_the_run() {
    // 100 × 60 s online, each second: 6,000 messages. With 100 twin reads and 250 updates: 6,350 of 8,000.
    let free = plan(&demand(100, 1.0, Some(("hub-f1", 1))));
    let daily = share(&free, "hub.daily");
    assert_eq!((daily.asked, daily.allowed, daily.share), (6350.0, 8000.0, 0.79375));
    assert_eq!(
        free.verdict,
        Verdict::Within,
        "100 messages a second are 8.6 million a day, which is only shown"
    );
    assert_eq!(free.traffic.messages_per_day, 8_640_000);
    // A body of 600 bytes is two of 0.5 KB.
    let mut large = demand(100, 1.0, Some(("hub-f1", 1)));
    large.groups[0].bodies = vec![600];
    let large = plan(&large);
    assert_eq!(share(&large, "hub.daily").asked, 12_350.0);
    assert_eq!(large.verdict, Verdict::AboveFixed);
    assert_eq!(
        large.refusing(1.0).map(|quota| quota.id.as_str()).collect::<Vec<_>>(),
        ["hub.daily"]
    );
    // Of a run of ten days only one counts.
    let mut long = demand(1, 86.4, Some(("hub-s1", 1)));
    long.stages = vec![StageDemand {
        share: 1.0,
        over_s: 864_000.0,
    }];
    assert_eq!(share(&plan(&long), "hub.daily").asked, 1000.0);
}

#[test]
fn units_of_a_hub_allow_more() {
    let asks = |units| plan(&demand(1500, 10.0, Some(("hub-s1", units))));
    let (one, thirteen) = (asks(1), asks(13));
    assert_eq!(
        (share(&one, "hub.sends").asked, share(&one, "hub.sends").allowed),
        (150.0, 100.0)
    );
    assert_eq!(
        share(&one, "hub.sends").words(),
        "above a throttle: expect delays, then 429"
    );
    assert_eq!(share(&thirteen, "hub.sends").allowed, 156.0);
    // Reading twins is not a matter of units: 50 of 100 a second.
    assert_eq!(share(&thirteen, "hub.twin_reads").share, 0.5);
    assert_eq!(share(&one, "hub.daily").allowed, 400_000.0);
    assert_eq!(share(&thirteen, "hub.daily").allowed, 5_200_000.0);
    assert_eq!(one.hubs, None, "a hub of one's own is one hub");
}

#[test]
fn the_two_lengths_are_told_apart() {
    let mut slow = demand(1002, 5.0, None);
    slow.register_rate = Rate::per_second(50.0);
    slow.connect_rate = Rate::per_second(1.0);
    let plan = plan(&slow);
    // 21 s registering and 70 s of stages; but the last device would be online 16m42s after the stages have begun.
    assert_eq!((plan.estimate_s, plan.all_online_s), (91.0, 1002));
    // 60 s of 1/s, and in the last 10 s the wanted fall from 1002 by 100.2/s: they meet after 942 / 101.2 s at 69.3.
    assert_eq!(plan.online_at_end, 70);
    assert_eq!(
        plan.warnings,
        [
            "connect at 1/s is too slow for the stages: 70 of 1002 devices will be online when the stages end; the others \
             fail. All would be online 16m42s after the stages begin"
        ]
    );
}

#[test]
fn without_limits_nothing_is_judged_and_that_is_said() {
    let unknown = plan(&demand(10, 5.0, None));
    assert_eq!((unknown.verdict, unknown.quotas.len()), (Verdict::Unknown, 0));
    assert!(unknown.notes[0].starts_with("no quota is named"), "{:?}", unknown.notes);
    let dps = plan(&demand(10, 5.0, Some(("dps", 1))));
    assert!(dps.notes[0].contains("can't be judged"), "{:?}", dps.notes);
    let ids: Vec<_> = dps.quotas.iter().map(|quota| quota.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "dps.registrations",
            "dps.individual_enrollments",
            "dps.enrollment_groups",
            "dps.authorities"
        ]
    );
    assert_eq!(plan(&demand(10, 5.0, Some(("hub-s1", 1)))).notes, [""; 0]);
}

#[test]
fn a_fleet_without_telemetry_asks_for_no_messages() {
    let mut edge = demand(3, 5.0, Some(("iot-central", 1)));
    edge.groups[0].bodies.clear();
    edge.groups[0].property_updates = 0.0;
    let plan = plan(&edge);
    assert_eq!((plan.traffic.messages_per_s, plan.traffic.payload_bytes), (0.0, 0));
    assert_eq!(plan.verdict, Verdict::Within);
}

#[test]
fn a_plan_survives_json() {
    let plan = plan(&demand(100, 5.0, Some(("hub-s2", 3))));
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<PlanSummary>(&text).unwrap(), plan);
}

#[test]
fn a_month_costs_what_its_devices_units_and_messages_do() {
    let mut summary = plan(&demand(100, 60.0, Some(("iot-central", 1))));
    let prices = Prices {
        currency: "EUR".into(),
        device_month: 0.4,
        unit_month: 0.0,
        message: 0.000_01,
        included_messages: 5_000.0,
    };
    // A message a minute of each is 4,320,000 in thirty days, 3,820,000 more than are included.
    let cost = prices.cost(&summary);
    assert!(
        (cost.devices - 40.0).abs() < 1e-9 && (cost.messages - 38.2).abs() < 1e-9,
        "{cost:?}"
    );
    summary.cost = Some(cost);
    let text = text::sections(&summary);
    let words = "\nCost of a month like this, by your prices\n  78.20 EUR: devices 40.00 EUR, units 0.00 EUR, messages beyond those \
                 included 38.20 EUR\n";
    assert!(text.contains(words), "{text}");
    let many = Prices {
        device_month: 12_345.678,
        ..prices
    };
    summary.cost = Some(many.cost(&summary));
    assert!(
        text::sections(&summary).contains("  1,234,606.00 EUR: devices 1,234,567.80 EUR"),
        "{}",
        text::sections(&summary)
    );
}

#[test]
fn events_cost_the_connections_that_they_cause_and_save_the_messages_of_those_that_are_away() {
    let event = |effect, times_s: &[f64]| EventDemand {
        name: "event.0".into(),
        group: None,
        share: 0.5,
        effect,
        times_s: times_s.to_vec(),
    };
    let of = |events: Vec<EventDemand>| {
        let mut demand = demand(100, 5.0, Some(("hub-s1", 1)));
        demand.events = events;
        let traffic = plan(&demand).traffic;
        (
            traffic.run_connects,
            traffic.connects_per_s,
            traffic.run_messages,
            traffic.run_billed,
        )
    };
    // A hundred connect in ten seconds; 1,200 messages, a hundred twin reads and 250 updates.
    assert_eq!(of(Vec::new()), (100, 10.0, 1200, 1550));
    assert_eq!(of(vec![event(EventEffect::Nothing, &[20.0])]), (100, 10.0, 1200, 1550));
    // Twice half of them, all at once, and each reads its twin.
    assert_eq!(
        of(vec![event(EventEffect::Storm, &[20.0, 30.0])]),
        (200, 50.0, 1200, 1650)
    );
    // Fifty are without power for ten seconds: a hundred messages fewer, and they report as new devices do.
    let cut = |over_s| EventEffect::Reconnect {
        over_s,
        offline_s: 10.0,
        starts_up: true,
    };
    assert_eq!(of(vec![event(cut(0.0), &[20.0])]), (150, 50.0, 1100, 1100 + 150 + 375));
    assert_eq!(of(vec![event(cut(10.0), &[20.0])]).1, 10.0);
    // Halfway through the ramp, only half of them are online.
    assert_eq!(of(vec![event(cut(0.0), &[5.0])]).0, 125);
    // Half of fifty in each minute, for 24 s, are ten departures of five seconds.
    let churn = EventEffect::Churn {
        share_per_minute: 0.5,
        lasts_s: 24.0,
        away_s: 5.0,
    };
    assert_eq!(of(vec![event(churn, &[20.0])]), (110, 10.0, 1190, 1550));
}

#[test]
fn an_event_of_one_group_is_counted_for_its_devices_and_one_after_the_stages_is_named() {
    let mut demand = demand(100, 5.0, None);
    let mut others = thermostats(300, 5.0);
    others.name = "others".into();
    demand.groups.push(others);
    demand.wanted_peak = 400;
    let event = |name: &str, at| EventDemand {
        name: name.into(),
        group: Some("others".into()),
        share: 1.0,
        effect: EventEffect::Storm,
        times_s: vec![at],
    };
    demand.events = vec![event("event.0", 20.0), event("event.1", 70.0)];
    let plan = plan(&demand);
    assert_eq!(plan.traffic.run_connects, 700);
    assert_eq!(
        plan.warnings,
        ["event.1 comes 1m10s after the stages begin, and they take 1m10s: it does not happen"]
    );
}

#[test]
fn profiles_are_counted_by_what_they_send_and_when() {
    let of = |habits: Habits, bodies: Vec<u32>| {
        let mut demand = demand(100, 5.0, Some(("iot-central", 1)));
        demand.groups[0].habits = habits;
        demand.groups[0].bodies = bodies;
        plan(&demand).traffic
    };
    let usual = Habits::default();
    let of_usual = of(usual, vec![20]);
    assert_eq!((of_usual.run_messages, of_usual.device_messages_per_s), (1200, 0.2));
    // Twenty at once each five seconds, of 5,000 bytes, which is two units of 4 KB.
    let bursts = of(Habits { burst: 20, ..usual }, vec![5_000]);
    assert_eq!((bursts.run_messages, bursts.run_billed), (24_000, 48_000));
    assert_eq!((bursts.device_messages_per_s, bursts.messages_per_s), (20.0, 400.0));
    // A quarter of the measurements is news.
    assert_eq!(of(Habits { sent: 0.25, ..usual }, vec![20]).run_messages, 300);
    // Online for half of the run and a tenth of a day, and twice.
    let habits = Habits {
        online: 0.5,
        online_in_a_day: 0.1,
        sessions: 2.0,
        ..usual
    };
    let parts = of(habits, vec![20]);
    assert_eq!(
        (parts.run_messages, parts.run_connects, parts.messages_per_day),
        (600, 200, 172_800)
    );
    // Each once in ten seconds, besides those of devices that come online.
    let reports = of(
        Habits {
            reports_per_s: 0.1,
            ..usual
        },
        vec![20],
    );
    assert_eq!(reports.property_updates_per_s, of_usual.property_updates_per_s + 10.0);
}

#[test]
fn a_number_of_messages_ends_the_run_or_is_said_to_be_out_of_reach() {
    let of = |messages| {
        let mut demand = demand(100, 5.0, None);
        demand.messages = Some(messages);
        let plan = plan(&demand);
        (plan.traffic.run_messages, plan.traffic.run_billed, plan.warnings)
    };
    assert_eq!(of(1000), (1000, 1000, Vec::new()));
    let (messages, _, warnings) = of(2000);
    assert_eq!(messages, 1200);
    assert_eq!(
        warnings,
        ["load.messages is 2000, and about 1200 will be due before the stages are over"]
    );
}
