//! One run: which contender, how many devices, how much traffic; and the plan that says so.
//!
//! Every contender reads the same plan and tells the same lines as device-sim, as far as they go.

use std::path::Path;
use std::time::Duration;

use fleet_protocol::plan::{Plan, Stage};
use serde_json::json;

use crate::world::World;

/// Between the last registration and the first connection to the hub, so that figures (which come every second) tell the
/// CPU of the one from that of the other.
pub(crate) const PAUSE: Duration = Duration::from_secs(2);
/// Registrations and connections begun per second. Fewer than two cores can do: a handshake's memory is to be given
/// back before the next one needs it, as in a fleet that keeps to its quotas, and not to stay as a peak.
pub(crate) const PER_SECOND: u32 = 400;
/// The same where a program runs under callgrind.
const PER_SECOND_COUNTED: u32 = 20;
/// The traffic of a quiet fleet.
pub(crate) const PACED: Duration = Duration::from_secs(5);
/// The briskest traffic that a plan can ask for.
pub(crate) const BRISKEST: Duration = Duration::from_millis(1);
/// The name of the enrollment group, and what every device id begins with.
pub(crate) const GROUP: &str = "bench";

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    DeviceSim,
    Floor,
    RumqttcTuned,
    RumqttcDefaults,
}

impl Contender {
    /// Device-sim comes first: it registers all devices, which rumqttc's contenders rely on.
    pub(crate) const ALL: [Self; 4] = [Self::DeviceSim, Self::Floor, Self::RumqttcTuned, Self::RumqttcDefaults];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DeviceSim => "device-sim",
            Self::Floor => "floor",
            Self::RumqttcTuned => "rumqttc, tuned",
            Self::RumqttcDefaults => "rumqttc, defaults",
        }
    }

    /// The subcommand: of `fleet` for device-sim, of this program for the others.
    pub(crate) fn subcommand(self) -> &'static str {
        match self {
            Self::DeviceSim => "device-sim",
            Self::Floor => "floor",
            Self::RumqttcTuned => "rumqttc-tuned",
            Self::RumqttcDefaults => "rumqttc-defaults",
        }
    }

    /// Whether it sends without a clock.
    pub(crate) fn fills_its_window(self) -> bool {
        self != Self::DeviceSim
    }

    /// Whether its devices go to DPS before they go to the hub.
    pub(crate) fn registers(self) -> bool {
        matches!(self, Self::DeviceSim | Self::Floor)
    }
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) contender: Contender,
    pub(crate) devices: u32,
    pub(crate) traffic: Traffic,
}

/// What devices send once they are online.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// A message per device in this time.
    Every(Duration),
    /// Always as many on their way as the window lets. Device-sim's devices measure by the clock and can't be told so.
    WindowFull,
    /// As [`Traffic::Every`] second, for a program under callgrind, which needs more time to bring devices online.
    Counted,
}

impl Traffic {
    fn interval(self) -> Duration {
        match self {
            Self::Every(interval) => interval,
            Self::WindowFull => BRISKEST,
            Self::Counted => Duration::from_secs(1),
        }
    }

    /// Registrations and connections begun per second.
    fn per_second(self) -> u32 {
        match self {
            Self::Every(_) | Self::WindowFull => PER_SECOND,
            Self::Counted => PER_SECOND_COUNTED,
        }
    }
}

impl Case {
    /// How long coming online takes when nothing is in the way.
    pub(crate) fn ramp(&self) -> Duration {
        Duration::from_secs(1) * self.devices / self.traffic.per_second()
    }

    /// The plan of the run, in the format that device-sim publishes; `state` is an empty folder.
    pub(crate) fn plan(&self, world: &World, run_id: &str, state: &Path) -> anyhow::Result<Plan> {
        let (interval, per_second) = (self.traffic.interval().as_millis(), self.traffic.per_second());
        let stage = |share: f64, over: Duration| Stage {
            share,
            over_ms: over.as_millis().try_into().unwrap_or(u64::MAX),
        };
        let plan = json!({
            "version": fleet_protocol::plan::PLAN_VERSION,
            "run_id": run_id,
            "seed": 7,
            "start": jiff::Timestamp::now(),
            // Its assignments would save device-sim the way to DPS, so every run gets a new one.
            "state": state,
            "target": {
                "id_scope": world.ready.id_scope,
                "dps_endpoint": world.ready.hostname,
                "port": world.ready.mqtt.port(),
                "ca": world.ready.ca,
            },
            "groups": [{
                "name": GROUP,
                "devices": { "range": { "prefix": format!("{GROUP}-"), "count": self.devices, "first": 0, "width": 5 } },
                "model": "thermostat",
                // A room that nothing happens to: a new maximum is a reported property, and a message more than the
                // others send. The room is computed all the same.
                "room": {
                    "time_constant_h": 800_000.0,
                    "heating_k_per_h": 0.0,
                    "cooling_k_per_h": 0.0,
                    "openings_per_day": 0.0,
                    "noise_k": 0.0,
                },
                "telemetry": { "interval_ms": interval, "jitter": 0.0 },
                "credentials": { "group": world.group_folder },
            }],
            "rates": { "register_per_s": per_second, "connect_per_s": per_second },
            "stages": [
                stage(0.0, PAUSE),
                stage(1.0, self.ramp()),
                stage(1.0, Duration::from_secs(3_600)),
            ],
        });
        Ok(serde_json::from_value(plan)?)
    }
}
