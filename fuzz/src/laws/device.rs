//! What a device is told by its hub and by whoever controls its process: it goes on measuring, and what it reports and
//! answers is what a hub takes.
//!
//! Each line of an input is one thing that it is told, by its first byte: `t` a twin, `d` a desired patch, `c` a command
//! (a name, a space, a payload), `l` a control line.

use device_sim::model::{Blueprint, Desired};
use device_sim::random::{Purpose, stream};
use device_sim::weather::Weather;
use fleet_protocol::lines::Control;
use fleet_protocol::plan;
use fleet_protocol::room::Overrides;
use iot_protocol::command::CommandName;
use iot_protocol::twin::{Section, TwinDocument};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    for kind in [plan::Model::Thermostat, plan::Model::TemperatureController] {
        let random = stream(7, "t-1", Purpose::Physics);
        let mut model = Blueprint::shipped(kind, &Overrides::default()).device(Weather::new(7), random);
        let now = Timestamp::UNIX_EPOCH;
        for line in data.split(|byte| *byte == b'\n') {
            let Some((what, body)) = line.split_first() else {
                continue;
            };
            match what {
                b't' => {
                    if let Ok(twin) = TwinDocument::parse(body) {
                        reported(&model.take_up(&twin));
                    }
                }
                b'd' => {
                    if let Ok(Desired::Report(report)) = Section::parse(body).map(|patch| model.desired_changed(&patch))
                    {
                        reported(&report);
                    }
                }
                b'c' => {
                    let text = String::from_utf8_lossy(body);
                    let (name, payload) = text.split_once(' ').unwrap_or((&text, ""));
                    let answer = model.command(&CommandName::parse(name), payload.as_bytes());
                    assert!((200..600).contains(&answer.status));
                }
                b'l' => {
                    if let Ok(control) = serde_json::from_slice::<Control>(body) {
                        assert!(!format!("{control:?}").is_empty());
                    }
                }
                _ => {}
            }
            let measured = model.measure(5.0, now);
            for (_, body) in measured.telemetry {
                let values: Map<String, Value> = serde_json::from_slice(&body).expect("telemetry is an object");
                assert!(values.values().all(Value::is_number), "{values:?}");
            }
            reported(&measured.report);
        }
    }
}

fn reported(report: &Map<String, Value>) {
    for (name, value) in report {
        assert!(!name.is_empty() && !name.contains(['.', '$', ' ']), "{name:?}");
        assert!(!value.is_null(), "a device deletes nothing that it has");
    }
}
