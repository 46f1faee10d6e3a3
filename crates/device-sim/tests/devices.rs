//! Devices against the emulator, over real TLS and MQTT: what a plan promises is what happens.

mod common;

use common::{Running, World, assert_account_closes, counter, soon, with_reasons};
use fleet_protocol::lines::{EndReason, Line, State};
use fleet_protocol::plan::{Model, Stage};
use fleet_protocol::reason::Reason;
use fleet_report::plan::traffic::{CONTROLLER_UPDATES, THERMOSTAT_UPDATES};
use iot_emulator::{Entry, Event, Service};
use iot_protocol::username::HubUserName;
use mqtt_link::{ConnectOptions, Credentials, Endpoint, Link, Tls, TrustRoots};
use provisioning::certificate::load::certificates_in;
use provisioning::identities::GroupFolder;
use serde_json::{Value, json};
use testing::rest::Rest;

#[tokio::test]
async fn one_device_registers_connects_reports_and_leaves_in_order() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let mut running = Running::start(world.plan(1), "0/1");

    let assigned = running.device("thermo-1", State::Pending).await;
    assert_eq!(assigned.hub.as_deref(), Some("localhost"));
    let online = running.device("thermo-1", State::Online).await;
    let leaf = GroupFolder::at(world.path().join("certs/thermostats"))
        .load_current("thermo-1")
        .unwrap()
        .leaf;
    assert_eq!(online.leaf_sha256.as_ref(), Some(&leaf.sha256));
    running
        .stats("some acknowledged telemetry", |stats| {
            counter(stats, "telemetry_acked") >= 3
        })
        .await;
    running.stop();
    let (stats, phases, reason) = running.end().await;

    assert_eq!(reason, EndReason::Stopped);
    assert_account_closes(&stats);
    assert_eq!(
        with_reasons(&stats, "telemetry_dropped/"),
        0,
        "everything was acknowledged before it left"
    );
    assert_eq!(
        world.emulator.stats().telemetry_received_unique,
        counter(&stats, "telemetry_acked")
    );
    for name in [
        "devices_asked",
        "registrations_begun",
        "devices_registered",
        "devices_connected",
    ] {
        assert_eq!(counter(&stats, name), 1, "{name}");
    }
    assert_eq!(stats.states.into_iter().collect::<Vec<_>>(), [(State::Stopped, 1)]);
    for phase in [
        "register",
        "dps_wait",
        "connect",
        "connect_tls",
        "twin_get",
        "report",
        "publish",
        "publish_sent",
    ] {
        assert!(
            phases.contains_key(&format!("{phase}/thermostats")),
            "{phase} in {phases:?}"
        );
    }

    let journal = world.emulator.journal().since(0);
    let events: Vec<_> = journal
        .iter()
        .filter(|entry| entry.device.as_deref() == Some("thermo-1"))
        .collect();
    let position = |is_it: &dyn Fn(&Event) -> bool| events.iter().position(|entry| is_it(&entry.event));
    let dps = position(&|event| matches!(event, Event::Connected { service: Service::Dps })).unwrap();
    let registered =
        position(&|event| matches!(event, Event::Registered { group: Some(group), .. } if group == "thermostats"));
    let hub = position(&|event| matches!(event, Event::Connected { service: Service::Hub })).unwrap();
    let goodbye = position(&|event| {
        matches!(
            event,
            Event::Disconnected {
                service: Service::Hub,
                reason: iot_emulator::DisconnectReason::Disconnect
            }
        )
    });
    assert!(
        dps < registered.unwrap() && registered.unwrap() < hub && hub < goodbye.unwrap(),
        "{events:#?}"
    );
}

#[tokio::test]
async fn two_shards_run_a_mixed_plan_to_the_end_of_its_stages() {
    let world = World::new().await;
    world.enroll_group(9).await;
    world.enroll_individual("lab-thermostat").await;
    let mut plan = world.plan(9);
    plan.groups.push(world.individual_group("lab-thermostat"));
    plan.stages = vec![
        Stage {
            share: 1.0,
            over_ms: 300,
        },
        Stage {
            share: 1.0,
            over_ms: 1_500,
        },
        Stage {
            share: 0.0,
            over_ms: 300,
        },
    ];
    let shards = [Running::start(plan.clone(), "0/2"), Running::start(plan, "1/2")];

    let (mut acked, mut asked, mut connected) = (0, 0, 0);
    for shard in shards {
        let (stats, _, reason) = shard.end().await;
        assert_eq!(reason, EndReason::StagesOver);
        assert_account_closes(&stats);
        acked += counter(&stats, "telemetry_acked");
        asked += counter(&stats, "devices_asked");
        connected += counter(&stats, "devices_connected");
    }
    assert_eq!((asked, connected), (10, 10));
    let stats = world.emulator.stats();
    assert_eq!((stats.registrations, stats.telemetry_received_unique), (10, acked));
    assert!(
        acked >= 10 * 5,
        "{acked} messages of ten devices in one and a half seconds"
    );
}

#[tokio::test]
async fn a_new_target_is_acknowledged_and_commands_are_answered() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let mut running = Running::start(world.plan(1), "0/1");
    running
        .stats("some telemetry", |stats| counter(stats, "telemetry_acked") >= 3)
        .await;

    let central = &world.central;
    let before = central.properties("thermo-1", None).await.unwrap();
    assert_eq!(
        before["$metadata"]["targetTemperature"]["ackCode"],
        json!(203),
        "the device's own choice: {before}"
    );
    assert!(before["maxTempSinceLastReboot"].is_f64(), "{before}");

    let mark = world.emulator.journal().last();
    central
        .patch_properties("thermo-1", None, &json!({"targetTemperature": 25.5}))
        .await
        .unwrap();
    let desired = world
        .emulator
        .journal()
        .wait_for(mark, |entry| matches!(entry.event, Event::DesiredChanged { .. }));
    let Event::DesiredChanged { version } = soon("the change", desired).await.event else {
        unreachable!()
    };
    let after = soon("the acknowledgement", async {
        loop {
            let reported = world
                .emulator
                .journal()
                .wait_for(mark, |entry| matches!(entry.event, Event::Reported { .. }));
            reported.await;
            let properties = central.properties("thermo-1", None).await.unwrap();
            if properties["$metadata"]["targetTemperature"]["ackVersion"] == json!(version) {
                return properties;
            }
        }
    })
    .await;
    let metadata = &after["$metadata"]["targetTemperature"];
    assert_eq!(
        (&after["targetTemperature"], &metadata["ackCode"]),
        (&json!(25.5), &json!(200)),
        "{after}"
    );

    let command = async |name: &str, request: Value| {
        let answer = central.command("thermo-1", None, name, Some(&request)).await.unwrap();
        (answer.response_code, answer.response.unwrap_or_default())
    };
    let (code, report) = command("getMaxMinReport", json!("2020-01-01T00:00:00Z")).await;
    assert_eq!(code, Some(200));
    assert!(report["maxTemp"].as_f64() >= report["minTemp"].as_f64(), "{report}");
    // With its template, the application refuses such a request itself; without, the device does.
    let rest = Rest::new(&world.emulator);
    assert_eq!(rest.patch("devices/thermo-1", json!({"template": null})).await.0, 200);
    assert_eq!(command("getMaxMinReport", json!({"since": 1})).await.0, Some(400));
    assert_eq!(command("selfDestruct", Value::Null).await.0, Some(404));

    running.stop();
    let (stats, phases, _) = running.end().await;
    assert_eq!(
        (
            counter(&stats, "command_failed/400"),
            counter(&stats, "command_failed/404")
        ),
        (1, 1)
    );
    // Only what ended well is timed.
    assert_eq!(phases.get("command/thermostats"), Some(&1));
}

#[tokio::test]
async fn a_second_run_uses_the_assignment_of_the_first() {
    let world = World::new().await;
    world.enroll_group(3).await;
    let mut plan = world.plan(3);
    plan.stages = vec![Stage {
        share: 1.0,
        over_ms: 300,
    }];
    let (first, ..) = Running::start(plan.clone(), "0/1").end().await;
    assert_eq!(
        (
            counter(&first, "devices_registered"),
            counter(&first, "devices_assignment_reused")
        ),
        (3, 0)
    );

    plan.run_id = "second".into();
    // Cut into other shards, the fleet still finds its assignments.
    for shard in ["0/2", "1/2"] {
        let (second, phases, _) = Running::start(plan.clone(), shard).end().await;
        assert_eq!(
            counter(&second, "devices_assignment_reused"),
            counter(&second, "devices_asked")
        );
        assert_eq!(counter(&second, "devices_connected"), counter(&second, "devices_asked"));
        assert!(!phases.contains_key("register/thermostats"));
    }
    assert_eq!(world.emulator.stats().registrations, 3);
}

#[tokio::test]
async fn a_device_that_the_hub_no_longer_has_asks_dps_again() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let mut plan = world.plan(1);
    plan.stages = vec![Stage {
        share: 1.0,
        over_ms: 200,
    }];
    Running::start(plan, "0/1").end().await;
    world.central.delete_device("thermo-1").await.unwrap();

    let mut running = Running::start(world.plan(1), "0/1");
    let refused = running.device("thermo-1", State::BackingOff).await;
    assert_eq!(refused.reason, Some(Reason::MqttNotAuthorized));
    running.device("thermo-1", State::Registering).await;
    running.device("thermo-1", State::Online).await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(counter(&stats, "connect_failed/mqtt_not_authorized"), 1);
    assert_eq!(world.emulator.stats().registrations, 2);
}

#[tokio::test]
async fn a_device_without_an_enrollment_is_parked_and_counted_as_failed() {
    let world = World::new().await;
    world.make_group(1);
    let mut plan = world.plan(1);
    plan.stages = vec![Stage {
        share: 1.0,
        over_ms: 100,
    }];
    let mut running = Running::start(plan, "0/1");
    let parked = running.device("thermo-1", State::Parked).await;
    let (stats, ..) = running.end().await;
    assert_eq!(counter(&stats, "devices_registered"), 0);
    let reason = parked.reason.unwrap();
    assert_eq!(
        counter(&stats, &format!("devices_failed/{reason}")),
        1,
        "{:?}",
        stats.counters
    );
    assert_eq!(counter(&stats, &format!("register_failed/{reason}")), 1);
}

#[tokio::test]
async fn a_device_that_is_thrown_out_comes_back_and_loses_nothing() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let mut running = Running::start(world.plan(1), "0/1");
    running
        .stats("some telemetry", |stats| counter(stats, "telemetry_acked") >= 3)
        .await;

    // A newcomer with the same identity: the hub drops the connection that was there.
    let identity = GroupFolder::at(world.path().join("certs/thermostats"))
        .load_current("thermo-1")
        .unwrap();
    let trusted = certificates_in(world.emulator.ca_pem().as_bytes(), "the CA").unwrap();
    let tls = Tls::new(TrustRoots::Certificates(trusted)).unwrap();
    let endpoint = Endpoint::new("localhost", world.emulator.mqtt_addr().port(), tls).unwrap();
    let name = HubUserName::new("localhost".parse().unwrap(), "thermo-1".parse().unwrap(), None);
    let options = ConnectOptions {
        user_name: Some(name.to_string()),
        ..ConnectOptions::new("thermo-1")
    };
    let newcomer = Link::connect(&endpoint, &Credentials::X509(identity.certified_key()), &options)
        .await
        .unwrap();

    running.device("thermo-1", State::BackingOff).await;
    let back = running.device("thermo-1", State::Online).await;
    assert!(back.offline_ms.is_some());
    drop(newcomer);
    running
        .stats("more telemetry", |stats| counter(stats, "telemetry_acked") >= 20)
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
    assert_eq!(with_reasons(&stats, "telemetry_dropped/"), 0, "{:?}", stats.counters);
    assert_eq!(with_reasons(&stats, "reconnects/"), 1);
    // What was received is what was acknowledged; a message whose PUBACK was lost came twice and counts once.
    assert_eq!(
        world.emulator.stats().telemetry_received_unique,
        counter(&stats, "telemetry_acked")
    );
}

#[tokio::test]
async fn a_controller_reports_by_component_and_restarts_on_a_queued_command() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let mut plan = world.plan(1);
    plan.groups[0].model = Model::TemperatureController;
    let mut running = Running::start(plan, "0/1");
    running
        .stats("some telemetry", |stats| counter(stats, "telemetry_acked") >= 9)
        .await;

    let central = &world.central;
    for component in [Some("thermostat1"), Some("thermostat2")] {
        let temperature = central.telemetry("thermo-1", component, "temperature").await.unwrap();
        assert!(temperature.value.is_f64(), "{temperature:?}");
    }
    assert!(
        central
            .telemetry("thermo-1", None, "workingSet")
            .await
            .unwrap()
            .value
            .is_number()
    );
    let properties = soon("the first report", async {
        loop {
            let properties = central.properties("thermo-1", None).await.unwrap();
            if properties["serialNumber"].is_string() {
                return properties;
            }
            world
                .emulator
                .journal()
                .wait_for(0, |entry| matches!(entry.event, Event::Reported { .. }))
                .await;
        }
    });
    assert_eq!(properties.await["deviceInformation"]["manufacturer"], "Contoso");

    // Queued as IoT Central queues an offline command: the name in a property, a lone `@` for a request without a value.
    world
        .send(
            "thermo-1",
            &json!({"body": "@", "properties": {"method-name": "reboot"}}),
        )
        .await;
    let restarted = running.device("thermo-1", State::Pending).await;
    assert_eq!(restarted.reason, Some("reboot".into()));
    let back = running.device("thermo-1", State::Online).await;
    assert!(back.offline_ms >= Some(1_000), "starting takes a moment: {back:?}");
    let done = central.properties("thermo-1", None);
    let restarted = soon("the report of the restart", async {
        let mut properties = done.await.unwrap();
        while properties["reboot"]["value"].is_null() {
            tokio::task::yield_now().await;
            properties = central.properties("thermo-1", None).await.unwrap();
        }
        properties
    });
    assert!(
        restarted.await["reboot"]["value"]
            .as_str()
            .unwrap()
            .starts_with("restarted at ")
    );
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
}

#[tokio::test]
async fn control_lines_reach_the_devices_that_they_mean() {
    let world = World::new().await;
    world.enroll_group(3).await;
    let mut running = Running::start(world.plan(3), "0/1");
    running.online(3).await;

    running.control(r#"{"id":1,"do":"reconnect","devices":["thermo-2","of-another-shard"]}"#);
    let done = |id| {
        move |line| {
            matches!(line, fleet_protocol::lines::Line::Done { id: done, devices: 1 } if done == id).then_some(())
        }
    };
    running.line("the answer", done(1)).await;
    running.device("thermo-2", State::Online).await;
    assert_eq!(world.emulator.stats().registrations, 3, "a reconnect does not register");

    running.control(r#"{"id":2,"do":"reregister","devices":["thermo-1"]}"#);
    let mut states = Vec::new();
    let returned = running.line("thermo-1 to be back", |line| match line {
        Line::Device(device) if device.id == "thermo-1" => {
            states.push(device.state);
            (device.state == State::Online).then_some(())
        }
        _ => None,
    });
    returned.await;
    let expected = [State::Pending, State::Connecting, State::Online];
    assert_eq!(states, expected, "it registers before it leaves");
    assert_eq!(world.emulator.stats().registrations, 4);

    // Where that fails, it stays as it is.
    let leaf = world.path().join("certs/thermostats/leaves/0001/thermo-1_key.pem");
    std::fs::rename(&leaf, leaf.with_extension("away")).unwrap();
    running.control(r#"{"id":6,"do":"reregister","devices":["thermo-1"]}"#);
    let stays = running.line("thermo-1 to report what is wrong", |line| match line {
        Line::Device(device) if device.id == "thermo-1" => Some(device),
        _ => None,
    });
    let stays = stays.await;
    assert_eq!((stays.state, stays.reason), (State::Online, Some(Reason::Identity)));
    assert_eq!(world.emulator.stats().registrations, 4);

    running.control(r#"{"id":3,"do":"disconnect","devices":["thermo-3"]}"#);
    running.device("thermo-3", State::Pending).await;
    running.control(r#"{"id":4,"do":"stop","devices":{"group":"nowhere"}}"#);
    let refused = running.line("the refusal", |line| match line {
        fleet_protocol::lines::Line::Refused { id, message } => Some((id, message)),
        _ => None,
    });
    assert_eq!(refused.await, (Some(4), "there is no group `nowhere`".to_owned()));
    running.control(r#"{"id":5,"do":"stop","devices":["thermo-1"]}"#);
    running.device("thermo-1", State::Stopped).await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
}

/// A plan reckons with so many property updates of a device that comes online: until it has measured twice.
#[tokio::test]
async fn devices_that_come_online_update_as_many_properties_as_a_plan_reckons_with() {
    const DEVICES: u32 = 60;
    for (model, messages, reckoned) in [
        (Model::Thermostat, 1, THERMOSTAT_UPDATES),
        (Model::TemperatureController, 3, CONTROLLER_UPDATES),
    ] {
        let world = World::new().await;
        world.enroll_group(DEVICES).await;
        let mut plan = world.plan(DEVICES);
        plan.groups[0].model = model;
        plan.groups[0].telemetry.interval_ms = 1_000;
        let mut running = Running::start(plan, "0/1");
        let measured_twice = u64::from(DEVICES) * messages * 2;
        running
            .stats("two measurements of each device", |stats| {
                counter(stats, "telemetry_acked") >= measured_twice
            })
            .await;
        running.stop();
        running.end().await;
        let journal = world.emulator.journal().since(0);
        let updates = journal
            .iter()
            .filter(|entry| matches!(entry.event, Event::Reported { .. }));
        let each = updates.count() as f64 / f64::from(DEVICES);
        assert!(
            (each - reckoned).abs() < 0.3,
            "{model:?}: {each} updates each, not {reckoned}"
        );
        // All that a shipped model sends is in its template, which its devices have.
        let (_, devices) = Rest::new(&world.emulator).get("devices").await;
        let devices = devices["value"].as_array().unwrap();
        assert!(
            devices.iter().all(|device| device["template"].is_string()),
            "{devices:?}"
        );
        let unmodeled = |entry: &&Entry| matches!(entry.event, Event::Unmodeled { .. });
        let unmodeled: Vec<_> = journal.iter().filter(unmodeled).collect();
        assert!(unmodeled.is_empty(), "{model:?}: {unmodeled:#?}");
    }
}
