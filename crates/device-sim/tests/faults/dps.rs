//! A DPS that has too much to do, or trouble of its own.

use std::time::Duration;

use fleet_protocol::lines::{Line, State};

use crate::common::{Running, counter};
use crate::service::{Answer, Event, Rules, Service};

/// What DPS named, and what a device waits when DPS names nothing.
const NAMED: Duration = Duration::from_secs(1);
const UNNAMED: Duration = Duration::from_secs(5);

/// Each device meets one fault, once: on the request to register (1 to 3) or on the question how it is getting on (4 to 6).
/// The last one is asked to come back at once, for ever: DPS takes five polls in ten seconds
/// (<https://learn.microsoft.com/azure/iot-dps/about-iot-dps#quotas-and-limits>), so in the five seconds and more that this
/// test takes, a sixth would be one too many.
#[tokio::test]
async fn a_dps_that_throttles_or_fails_is_given_the_time_it_needs() {
    let rules = Rules {
        dps: Box::new(|device, registers, times| match (device, registers, times) {
            ("thermo-1", true, 1) | ("thermo-4", false, 1) => Answer::Error(429, Some(NAMED.as_secs())),
            ("thermo-2", true, 1) | ("thermo-5", false, 1) => Answer::Error(429, None),
            ("thermo-3", true, 1) | ("thermo-6", false, 1) => Answer::Error(500, None),
            ("thermo-4" | "thermo-5" | "thermo-6", true, _) => Answer::Assigning(1),
            ("thermo-7", ..) => Answer::Assigning(0),
            _ => Answer::Assigned("localhost"),
        }),
        ..Rules::default()
    };
    let service = Service::start(7, rules).await;
    let mut running = Running::start(service.plan(), "0/1");
    let mut registered = 0;
    running
        .line("six devices to be registered", |line| match line {
            Line::Device(device) if device.state == State::Pending && device.hub.is_some() => {
                registered += 1;
                (registered == 6).then_some(())
            }
            _ => None,
        })
        .await;
    running.stop();
    let (stats, ..) = running.end().await;

    let asked = |id: &str, registers: bool| {
        let expected = Event::Asked {
            device: id.to_owned(),
            registers,
        };
        service.times(|event| *event == expected)
    };
    for (id, faulty, wait) in [
        ("thermo-1", true, NAMED),
        ("thermo-2", true, UNNAMED),
        ("thermo-3", true, UNNAMED),
        ("thermo-4", false, NAMED),
        ("thermo-5", false, UNNAMED),
        ("thermo-6", false, UNNAMED),
    ] {
        let [refused, again] = asked(id, faulty)[..] else {
            panic!("{id} asked {:?}", asked(id, faulty))
        };
        assert!(again - refused >= wait, "{id} asked again after {:?}", again - refused);
        if !faulty {
            let [registered] = asked(id, true)[..] else {
                panic!("{id} registered more than once for one fault of a poll")
            };
            assert!(
                refused - registered >= NAMED,
                "{id} polled after {:?}",
                refused - registered
            );
        }
    }
    assert_eq!(asked("thermo-7", false).len(), 5);
    assert_eq!(counter(&stats, "dps_throttled"), 4, "{:?}", stats.counters);
    assert_eq!(counter(&stats, "devices_registered"), 6, "{:?}", stats.counters);
}
