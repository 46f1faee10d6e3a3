//! The model `dtmi:com:example:Thermostat;1`: what the device measures, reports, accepts and answers. No I/O, no clock.

use bytes::Bytes;
use iot_protocol::command::CommandName;
use iot_protocol::pnp::{Acknowledgement, desired_value};
use iot_protocol::twin::{Section, TwinDocument};
use jiff::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use crate::history::History;
use crate::room::Room;

const TARGET: &str = "targetTemperature";
const MAXIMUM: &str = "maxTempSinceLastReboot";
const REPORT: &str = "getMaxMinReport";

/// What a target may be, in °C. The model itself sets no bounds.
const TARGETS: std::ops::RangeInclusive<f64> = -30.0..=60.0;

/// One thermostat in its room.
#[derive(Debug, Clone)]
pub struct Thermostat {
    room: Room,
    target: f64,
    maximum: Option<f64>,
    history: History,
    /// The highest desired `$version` that has been looked at; earlier patches are old news.
    desired_version: u64,
}

/// What came of a desired patch.
#[derive(Debug, Clone, PartialEq)]
pub enum Desired {
    /// To be reported; may be empty.
    Report(Map<String, Value>),
    /// A patch in between was missed, so the whole twin has to be fetched.
    Missed,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP-like.
    pub status: u16,
    /// JSON.
    pub body: Value,
}

impl Answer {
    fn error(status: u16, message: &str) -> Self {
        Self {
            status,
            body: json!({ "error": message }),
        }
    }
}

impl Thermostat {
    /// A thermostat whose first target and room come from the random stream.
    #[must_use]
    pub fn new(mut random: ChaCha8Rng) -> Self {
        let target = 19.0 + 0.5 * f64::from(random.random_range(0..8_u8));
        let room = Room::new(random, target);
        Self {
            room,
            target,
            maximum: None,
            history: History::default(),
            desired_version: 0,
        }
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
        (format!(r#"{{"temperature":{temperature:.1}}}"#).into(), report)
    }

    /// Takes up the twin at the beginning of a session: applies a wish that came while the device was away, and says
    /// what the device chose where nobody wished for anything. Returns what is to be reported.
    pub fn take_up(&mut self, twin: &TwinDocument) -> Map<String, Value> {
        self.desired_version = twin.desired.version;
        let mut report = Map::new();
        if let Some(maximum) = self.maximum {
            report.insert(MAXIMUM.into(), json!(maximum));
        }
        let acknowledged: Option<Acknowledgement> = twin
            .reported
            .properties
            .get(TARGET)
            .and_then(|value| serde_json::from_value(value.clone()).ok());
        match (twin.desired.properties.get(TARGET), acknowledged) {
            (Some(wish), acknowledged) => {
                let answer = self.apply(wish, twin.desired.version);
                if acknowledged.is_none_or(|earlier| earlier.version < answer.version || earlier.value != answer.value)
                {
                    report.insert(TARGET.into(), answer.to_value());
                }
            }
            // Nobody wishes for anything: what was in force before stays in force.
            (None, Some(earlier)) => {
                self.target = target(&earlier.value).unwrap_or(self.target);
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

    /// Handles a change of desired properties.
    pub fn desired_changed(&mut self, patch: &Section) -> Desired {
        if patch.version <= self.desired_version {
            return Desired::Report(Map::new());
        }
        if patch.version > self.desired_version + 1 {
            return Desired::Missed;
        }
        self.desired_version = patch.version;
        let mut report = Map::new();
        match patch.properties.get(TARGET) {
            // A wish that is withdrawn leaves the target where it is.
            None | Some(Value::Null) => {}
            Some(wish) => {
                report.insert(TARGET.into(), self.apply(wish, patch.version).to_value());
            }
        }
        Desired::Report(report)
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

    /// Answers a command.
    #[must_use]
    pub fn command(&self, command: &CommandName, payload: &[u8]) -> Answer {
        match (command.component.as_deref(), command.name.as_str()) {
            (None, REPORT) => self.max_min_report(payload),
            _ => Answer::error(404, &format!("command {command} is not in the model")),
        }
    }

    fn max_min_report(&self, payload: &[u8]) -> Answer {
        let since = match serde_json::from_slice::<Value>(payload) {
            Ok(Value::String(since)) => since.parse::<Timestamp>().ok(),
            _ => None,
        };
        let Some(since) = since else {
            return Answer::error(400, "the request must be an RFC 3339 time in a JSON string");
        };
        let Some(span) = self.history.since(since) else {
            return Answer::error(404, &format!("no reading since {since}"));
        };
        Answer {
            status: 200,
            body: json!({
                "maxTemp": span.max,
                "minTemp": span.min,
                "avgTemp": (span.mean() * 100.0).round() / 100.0,
                "startTime": span.start,
                "endTime": span.end,
            }),
        }
    }
}

/// The target that a desired value asks for, if it is one.
fn target(wish: &Value) -> Option<f64> {
    desired_value(wish).as_f64().filter(|target| TARGETS.contains(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn thermostat() -> Thermostat {
        Thermostat::new(stream(7, "thermo-0001", Purpose::Physics))
    }

    fn twin(document: &Value) -> TwinDocument {
        serde_json::from_value(document.clone()).unwrap()
    }

    fn patch(document: &Value) -> Section {
        serde_json::from_value(document.clone()).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn the_same_seed_and_id_send_the_same_bodies() {
        let bodies = || {
            let mut thermostat = thermostat();
            (0..5).map(|i| thermostat.measure(5.0, at(i)).0).collect::<Vec<_>>()
        };
        assert_eq!(bodies(), bodies());
        // A literal, so that a change of everybody's telemetry does not pass unnoticed.
        assert_eq!(bodies()[0], r#"{"temperature":22.4}"#);
    }

    #[test]
    fn without_a_wish_the_default_is_reported_with_203_and_version_0() {
        let mut thermostat = thermostat();
        let report = thermostat.take_up(&twin(&json!({"desired": {"$version": 1}, "reported": {"$version": 1}})));
        assert_eq!(
            report[TARGET],
            json!({"value": thermostat.target, "ac": 203, "av": 0, "ad": "initialized with the default value"})
        );
    }

    #[test]
    fn a_wish_made_while_the_device_was_away_is_applied_and_acknowledged_once() {
        let mut thermostat = thermostat();
        let mut document = json!({
            "desired": {"targetTemperature": 25.5, "$version": 4},
            "reported": {"targetTemperature": {"value": 20, "ac": 200, "av": 3}, "$version": 9},
        });
        let report = thermostat.take_up(&twin(&document));
        assert_eq!(thermostat.target, 25.5);
        assert_eq!(
            (&report[TARGET]["value"], &report[TARGET]["ac"], &report[TARGET]["av"]),
            (&json!(25.5), &json!(200), &json!(4))
        );
        document["reported"][TARGET] = report[TARGET].clone();
        assert_eq!(thermostat.take_up(&twin(&document)), Map::new(), "nothing new to say");
    }

    #[test]
    fn what_was_reported_before_a_restart_stays_in_force() {
        let mut thermostat = thermostat();
        let document = json!({"desired": {"$version": 1}, "reported": {"targetTemperature": {"value": 17.5, "ac": 203, "av": 0}, "$version": 2}});
        assert_eq!(thermostat.take_up(&twin(&document)), Map::new());
        assert_eq!(thermostat.target, 17.5);
    }

    #[test]
    fn several_wishes_in_a_row_are_each_acknowledged_and_old_ones_ignored() {
        let mut thermostat = thermostat();
        thermostat.take_up(&twin(&json!({"desired": {"$version": 1}, "reported": {"$version": 1}})));
        for (version, wish) in [(2, 18.0), (3, 23.5)] {
            let Desired::Report(report) =
                thermostat.desired_changed(&patch(&json!({"targetTemperature": wish, "$version": version})))
            else {
                panic!("version {version} is the next one");
            };
            assert_eq!(
                (&report[TARGET]["value"], &report[TARGET]["av"]),
                (&json!(wish), &json!(version))
            );
        }
        assert_eq!(
            thermostat.desired_changed(&patch(&json!({"targetTemperature": 1.0, "$version": 2}))),
            Desired::Report(Map::new())
        );
        assert_eq!(thermostat.target, 23.5);
        assert_eq!(
            thermostat.desired_changed(&patch(&json!({"targetTemperature": 1.0, "$version": 9}))),
            Desired::Missed
        );
    }

    #[test]
    fn an_impossible_wish_is_refused_with_the_value_that_stays_in_force() {
        let mut thermostat = thermostat();
        thermostat.take_up(&twin(&json!({"desired": {"$version": 1}, "reported": {"$version": 1}})));
        let before = thermostat.target;
        for (version, wish) in (2..).zip([json!("hot"), json!(1e9), json!([]), json!({"value": "x"})]) {
            let Desired::Report(report) =
                thermostat.desired_changed(&patch(&json!({"targetTemperature": wish, "$version": version})))
            else {
                panic!("version {version} is the next one");
            };
            assert_eq!(
                (&report[TARGET]["value"], &report[TARGET]["ac"]),
                (&json!(before), &json!(400)),
                "{wish}"
            );
        }
    }

    #[test]
    fn a_new_maximum_is_reported_and_only_then() {
        let mut thermostat = thermostat();
        let mut maximum = f64::NEG_INFINITY;
        for i in 0..500 {
            let (body, report) = thermostat.measure(5.0, at(i));
            let value: Value = serde_json::from_slice(&body).unwrap();
            let temperature = value["temperature"].as_f64().unwrap();
            assert_eq!(report.contains_key(MAXIMUM), temperature > maximum);
            maximum = maximum.max(temperature);
        }
    }

    #[test]
    fn the_report_honours_since_and_refuses_what_it_can_not_read() {
        let mut thermostat = thermostat();
        for i in 0..10 {
            thermostat.measure(5.0, at(i));
        }
        let report = |payload: &str| thermostat.command(&CommandName::parse(REPORT), payload.as_bytes());
        let good = report(&format!("\"{}\"", at(5)));
        assert_eq!(good.status, 200);
        assert_eq!(
            (&good.body["startTime"], &good.body["endTime"]),
            (&json!(at(5)), &json!(at(9)))
        );
        assert_eq!(report("\"2026-11-23T10:00:00+02:00\"").status, 200, "an offset is fine");
        assert_eq!(report(&format!("\"{}\"", at(60))).status, 404);
        for bad in ["", "null", "17", "\"yesterday\"", "{\"since\":1}", "\"2026-11-23\""] {
            assert_eq!(report(bad).status, 400, "{bad}");
        }
        assert_eq!(
            thermostat.command(&CommandName::parse("selfDestruct"), b"{}").status,
            404
        );
        assert_eq!(
            thermostat
                .command(&CommandName::parse("thermostat1*getMaxMinReport"), b"{}")
                .status,
            404
        );
    }
}
