//! Stages that begin at an instant, in virtual time: shards that begin at different times follow them together.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use device_sim::fleet::{Fleet, Input, Settings};
use device_sim::start_at::StartAt;
use fleet_protocol::lines::{Action, Control, EndReason, Line};
use fleet_protocol::plan::Plan;
use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// When the stages begin.
const START: &str = "2026-11-27T06:00:00Z";
/// As long as the stages of the plan.
const LENGTH: Duration = Duration::from_secs(40);

/// A shard that has no devices, at `offset` seconds from the start. The device's part is tested with a real emulator.
fn shard(index: u32, offset: i64) -> (Fleet, mpsc::UnboundedSender<Input>, mpsc::UnboundedReceiver<Input>) {
    let text = include_str!("../../fleet-protocol/tests/data/plan.json");
    let mut plan: Plan = serde_json::from_str(text).unwrap();
    (plan.state, plan.target.ca) = (None, None);
    let start: StartAt = START.parse().unwrap();
    let now = start.0 + SignedDuration::from_secs(offset);
    let settings = Settings {
        schedule: Some(start.schedule(LENGTH, now, Instant::now()).unwrap()),
        ..Settings::default()
    };
    let (lines, _) = mpsc::unbounded_channel::<Line>();
    let (inputs, input) = mpsc::unbounded_channel();
    let fleet = Fleet::new(plan, format!("{index}/1000").parse().unwrap(), settings, lines).unwrap();
    (fleet, inputs, input)
}

fn is_about(duration: Duration, seconds: u64) -> bool {
    duration.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(100)
}

#[tokio::test(start_paused = true)]
async fn shards_that_begin_at_different_times_end_their_stages_at_one() {
    let begun = Instant::now();
    let (early, _inputs, input) = shard(998, -20);
    let early = tokio::spawn(async move { (early.run(input).await, Instant::now()) });
    // Ten seconds after the start: the place of one that was lost.
    sleep(Duration::from_secs(30)).await;
    let (late, _other_inputs, input) = shard(999, 10);
    let late = tokio::spawn(async move { (late.run(input).await, Instant::now()) });
    for ended in [early.await.unwrap(), late.await.unwrap()] {
        assert_eq!(ended.0, EndReason::StagesOver);
        assert!(is_about(ended.1 - begun, 60), "{:?}", ended.1 - begun);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_waits_for_its_start_can_be_stopped_and_has_no_stages_to_pause() {
    let begun = Instant::now();
    let (fleet, inputs, input) = shard(999, -3_600);
    let running = tokio::spawn(fleet.run(input));
    let pause: Control = serde_json::from_str(r#"{"id":1,"do":"pause_ramp"}"#).unwrap();
    assert_eq!(pause.action, Action::PauseRamp);
    inputs.send(Input::Control(pause)).unwrap();
    sleep(Duration::from_secs(10)).await;
    inputs.send(Input::Stop).unwrap();
    assert_eq!(running.await.unwrap(), EndReason::Stopped);
    assert!(is_about(begun.elapsed(), 10), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pause_shifts_the_end_also_of_stages_that_were_joined() {
    let begun = Instant::now();
    let (fleet, inputs, input) = shard(999, 15);
    let running = tokio::spawn(fleet.run(input));
    for (after, order) in [(5, "pause_ramp"), (100, "resume_ramp")] {
        sleep(Duration::from_secs(after)).await;
        let control = serde_json::from_value(serde_json::json!({"id": 1, "do": order})).unwrap();
        inputs.send(Input::Control(control)).unwrap();
    }
    assert_eq!(running.await.unwrap(), EndReason::StagesOver);
    // 25 s of stages were left, and 100 s of pause.
    assert!(is_about(begun.elapsed(), 125), "{:?}", begun.elapsed());
}
