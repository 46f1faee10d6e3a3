use bytes::Bytes;
use fleet_protocol::room::Overrides;
use iot_protocol::command::CommandName;
use iot_protocol::pnp::{Acknowledgement, desired_value};
use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Map, Value, json};
use smallvec::smallvec;

use super::{CommandResponse, Measured, Simulated};
use crate::history::History;
use crate::random::DeviceRng;
use crate::room::{Parameters, Room};
use crate::weather::Weather;

const TARGET: &str = "targetTemperature";
const MAXIMUM: &str = "maxTempSinceLastReboot";
const REPORT: &str = "getMaxMinReport";

/// The allowed targets, in °C. The model itself sets no bounds.
const TARGETS: std::ops::RangeInclusive<f64> = -30.0..=60.0;

/// `dtmi:com:example:Thermostat;1`, as a device by itself or as a component: a thermostat in its room.
#[derive(Debug, Clone)]
pub struct Thermostat {
    room: Room,
    target: f64,
    maximum: Option<f64>,
    history: History,
}

impl Thermostat {
    /// A thermostat whose first target and room come from the random stream.
    #[must_use]
    pub fn new(overrides: &Overrides, weather: Weather, mut random: DeviceRng) -> Self {
        let target = 19.0 + 0.5 * f64::from(random.random_range(0..8_u8));
        let parameters = Parameters::draw(&mut random).with(overrides);
        let room = Room::new(parameters, weather, target, random);
        Self {
            room,
            target,
            maximum: None,
            history: History::default(),
        }
    }

    /// The room, for callers that need more than a thermostat shows.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// The target in force, in °C.
    #[must_use]
    pub fn target(&self) -> f64 {
        self.target
    }

    /// Lets `seconds` pass and measures. Returns the body of the telemetry and what is to be reported.
    pub fn measure(&mut self, seconds: f64, now: Timestamp) -> (Bytes, Map<String, Value>) {
        let temperature = self.room.advance(seconds, self.target);
        self.history.record(now, temperature);
        let mut report = Map::new();
        if self.maximum.is_none_or(|maximum| temperature > maximum) {
            self.maximum = Some(temperature);
            report.insert(MAXIMUM.into(), json!(temperature));
        }
        (telemetry(temperature), report)
    }

    /// Its maximum, once it has measured.
    pub(super) fn properties(&self) -> Map<String, Value> {
        Map::from_iter(self.maximum.map(|maximum| (MAXIMUM.to_owned(), json!(maximum))))
    }

    /// Handles the twin at the beginning of a session. `desired` and `reported` are this thermostat's part of the twin.
    /// `anew` reports also what the twin has already.
    pub(super) fn take_up(
        &mut self,
        desired: &Map<String, Value>,
        reported: &Map<String, Value>,
        version: u64,
        anew: bool,
    ) -> Map<String, Value> {
        let mut report = Map::new();
        if let Some(maximum) = self
            .maximum
            .map(Value::from)
            .filter(|maximum| anew || reported.get(MAXIMUM) != Some(maximum))
        {
            report.insert(MAXIMUM.into(), maximum);
        }
        let acknowledged: Option<Acknowledgement> = reported
            .get(TARGET)
            .and_then(|value| serde_json::from_value(value.clone()).ok());
        match (desired.get(TARGET), acknowledged) {
            (Some(wish), acknowledged) => {
                let acknowledgement = self.apply(wish, version);
                let news =
                    |earlier: Acknowledgement| earlier.version < version || earlier.value != acknowledgement.value;
                if anew || acknowledged.is_none_or(news) {
                    report.insert(TARGET.into(), acknowledgement.to_value());
                }
            }
            // Nothing is desired: the value in force before stays in force.
            (None, Some(earlier)) => {
                self.target = target(&earlier.value).unwrap_or(self.target);
                if anew {
                    report.insert(TARGET.into(), earlier.to_value());
                }
            }
            (None, None) => {
                let default = Acknowledgement {
                    value: json!(self.target),
                    code: Acknowledgement::DEVICE_DEFAULT,
                    version: 0,
                    description: Some("initialized with the default value".into()),
                };
                report.insert(TARGET.into(), default.to_value());
            }
        }
        report
    }

    /// Handles this thermostat's part of a desired patch.
    pub(super) fn desired_changed(&mut self, patch: &Map<String, Value>, version: u64) -> Map<String, Value> {
        let mut report = Map::new();
        match patch.get(TARGET) {
            // A desired target that is removed leaves the target where it is.
            None | Some(Value::Null) => {}
            Some(wish) => {
                report.insert(TARGET.into(), self.apply(wish, version).to_value());
            }
        }
        report
    }

    fn apply(&mut self, wish: &Value, version: u64) -> Acknowledgement {
        let (code, description) = match target(wish) {
            Some(target) => {
                self.target = target;
                (Acknowledgement::APPLIED, "the room follows the new target".to_owned())
            }
            None => (
                Acknowledgement::INVALID,
                format!(
                    "{TARGET} must be a number from {} to {} °C",
                    TARGETS.start(),
                    TARGETS.end()
                ),
            ),
        };
        Acknowledgement {
            value: json!(self.target),
            code,
            version,
            description: Some(description),
        }
    }

    /// Answers a command; `None` when the model does not have it.
    pub(super) fn command(&self, name: &str, payload: &[u8]) -> Option<CommandResponse> {
        (name == REPORT).then(|| self.max_min_report(payload))
    }

    /// The device has restarted.
    pub(super) fn reset(&mut self) {
        self.maximum = None;
        self.history = History::default();
    }

    fn max_min_report(&self, payload: &[u8]) -> CommandResponse {
        let since = match serde_json::from_slice::<Value>(payload) {
            Ok(Value::String(since)) => since.parse::<Timestamp>().ok(),
            _ => None,
        };
        let Some(since) = since else {
            return CommandResponse::error(400, "the request must be an RFC 3339 time in a JSON string");
        };
        let Some(span) = self.history.since(since) else {
            return CommandResponse::error(404, &format!("no reading since {since}"));
        };
        CommandResponse::ok(json!({
            "maxTemp": span.max(),
            "minTemp": span.min(),
            "avgTemp": (span.mean() * 100.0).round() / 100.0,
            "startTime": span.start(),
            "endTime": span.end(),
        }))
    }
}

impl Simulated for Thermostat {
    fn measure(&mut self, seconds: f64, now: Timestamp) -> Measured {
        let (body, report) = Self::measure(self, seconds, now);
        Measured {
            telemetry: smallvec![(0, body)],
            report,
        }
    }

    fn take_up(
        &mut self,
        desired: &Map<String, Value>,
        reported: &Map<String, Value>,
        version: u64,
        anew: bool,
    ) -> Map<String, Value> {
        Self::take_up(self, desired, reported, version, anew)
    }

    fn desired_changed(&mut self, patch: &Map<String, Value>, version: u64) -> Map<String, Value> {
        Self::desired_changed(self, patch, version)
    }

    fn command(&mut self, command: &CommandName, payload: &[u8]) -> Option<CommandResponse> {
        match command.component {
            None => Self::command(self, &command.name, payload),
            Some(_) => None,
        }
    }

    fn properties(&self) -> Map<String, Value> {
        Self::properties(self)
    }

    fn restarted(&mut self) {
        self.reset();
    }
}

/// The body of a message. What the sensor reads has one decimal place, and as two integers that takes a fraction of the
/// instructions.
fn telemetry(temperature: f64) -> Bytes {
    let tenths = (temperature * 10.0).round();
    let sign: &[u8] = if tenths < 0.0 { b"-" } else { b"" };
    let tenths = tenths.abs() as u64;
    let [mut whole, mut tenth] = [itoa::Buffer::new(), itoa::Buffer::new()];
    let digits = [whole.format(tenths / 10), tenth.format(tenths % 10)].map(str::as_bytes);
    let parts: [&[u8]; 6] = [br#"{"temperature":"#, sign, digits[0], b".", digits[1], b"}"];
    parts.concat().into()
}

/// The target that a desired value asks for, if it is one.
fn target(wish: &Value) -> Option<f64> {
    desired_value(wish).as_f64().filter(|target| TARGETS.contains(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_is_written_with_one_decimal_place() {
        for tenths in -1_500..1_500 {
            let temperature = f64::from(tenths) / 10.0;
            assert_eq!(telemetry(temperature), format!(r#"{{"temperature":{temperature:.1}}}"#));
        }
    }
}
