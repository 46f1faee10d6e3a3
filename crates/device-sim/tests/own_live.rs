//! A device of a model that is not shipped, against the emulator: components, a property that is written, and a command
//! that takes its time.

mod common;

use common::{Running, World, assert_account_closes, counter, soon};
use fleet_protocol::plan::{Model, OwnModel};
use iot_emulator::Event;
use serde_json::json;

#[tokio::test]
async fn a_gateway_of_a_users_own_model_lives_like_a_thermostat() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let mut documents = dtdl::Documents::new();
    let text = include_str!("../../../configs/own-models/gateway.json");
    documents.add("gateway.json", &serde_json::from_str(text).unwrap());
    let parsed = documents.read(None).unwrap();
    let template = dtdl::template(&parsed.document);
    let id = parsed.model.id.clone();
    world.central.put_device_template(id.as_str(), &template).await.unwrap();

    let mut plan = world.plan(1);
    plan.models = vec![OwnModel {
        id,
        document: parsed.document,
    }];
    plan.groups[0].model = Model::Own(0);
    plan.groups[0].behaviours = serde_json::from_value(json!({"radio.scan": {"delay_ms": 700}})).unwrap();
    let mut running = Running::start(plan, "0/1");
    running
        .stats("some telemetry", |stats| counter(stats, "telemetry_acked") >= 6)
        .await;

    let central = &world.central;
    let uptime = central.telemetry("thermo-1", None, "uptime").await.unwrap();
    assert!(uptime.value.is_u64(), "{uptime:?}");
    let location = central.telemetry("thermo-1", Some("radio"), "location").await.unwrap();
    assert_eq!(location.value["type"], "Point");

    let patch = json!({"channel": 11});
    central
        .patch_properties("thermo-1", Some("radio"), &patch)
        .await
        .unwrap();
    let taken_up = soon("the acknowledgement", async {
        loop {
            let properties = central.properties("thermo-1", Some("radio")).await.unwrap();
            if properties["channel"] == 11 {
                return;
            }
            world
                .emulator
                .journal()
                .wait_for(0, |entry| matches!(entry.event, Event::Reported { .. }))
                .await;
            tokio::task::yield_now().await;
        }
    });
    taken_up.await;

    let asked = tokio::time::Instant::now();
    let answer = central.command("thermo-1", Some("radio"), "scan", None).await.unwrap();
    assert!(asked.elapsed().as_millis() >= 700, "{answer:?}");
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
}
