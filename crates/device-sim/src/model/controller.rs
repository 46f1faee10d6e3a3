use std::time::Duration;

use bytes::Bytes;
use fleet_protocol::room::Overrides;
use iot_protocol::command::CommandName;
use iot_protocol::pnp::reported_patch;
use jiff::Timestamp;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use super::simulated::wrapped;
use super::{CommandResponse, Measured, Simulated, Thermostat};
use crate::random::DeviceRng;
use crate::weather::Weather;

const SERIAL_NUMBER: &str = "serialNumber";
const DEVICE_INFORMATION: &str = "deviceInformation";
const REBOOT: &str = "reboot";
const THERMOSTATS: [&str; 2] = ["thermostat1", "thermostat2"];

pub(super) const COMPONENTS: &[Option<&str>] = &[None, Some(THERMOSTATS[0]), Some(THERMOSTATS[1])];

/// The longest delay of a reboot that is accepted, in seconds: a day.
const LONGEST_DELAY: u64 = 24 * 60 * 60;

/// `dtmi:com:example:TemperatureController;2`: two thermostats, device information, a serial number and a reboot.
#[derive(Debug, Clone)]
pub struct TemperatureController {
    thermostats: [Thermostat; 2],
    serial_number: String,
    /// Memory in use, in kibibit.
    working_set: f64,
    random: DeviceRng,
}

impl TemperatureController {
    /// A controller whose rooms and serial number come from the random stream.
    #[must_use]
    pub fn new(overrides: &Overrides, weather: Weather, mut random: DeviceRng) -> Self {
        let mut room = || Thermostat::new(overrides, weather, DeviceRng::from_rng(&mut random));
        let thermostats = [room(), room()];
        let serial_number = format!("TC{:010}", random.next_u32());
        Self {
            thermostats,
            serial_number,
            working_set: random.random_range(4_000.0..16_000.0_f64).round(),
            random,
        }
    }

    pub(super) fn thermostats(&self) -> impl Iterator<Item = (Option<&'static str>, &Thermostat)> {
        THERMOSTATS.into_iter().map(Some).zip(&self.thermostats)
    }
}

impl Simulated for TemperatureController {
    fn measure(&mut self, seconds: f64, now: Timestamp) -> Measured {
        let mut measured = Measured::default();
        self.working_set = (self.working_set * self.random.random_range(0.99..1.01))
            .clamp(2_000.0, 32_000.0)
            .round();
        measured
            .telemetry
            .push((0, Bytes::from(format!(r#"{{"workingSet":{}}}"#, self.working_set))));
        for (index, (name, thermostat)) in (1..).zip(THERMOSTATS.iter().zip(&mut self.thermostats)) {
            let (body, report) = thermostat.measure(seconds, now);
            measured.telemetry.push((index, body));
            measured.report.extend(wrapped(Some(name), report));
        }
        measured
    }

    fn take_up(
        &mut self,
        desired: &Map<String, Value>,
        reported: &Map<String, Value>,
        version: u64,
        anew: bool,
    ) -> Map<String, Value> {
        let mut report = Map::new();
        let nothing = Map::new();
        let part = |section: &Map<String, Value>, name: &str| {
            section.get(name).and_then(Value::as_object).unwrap_or(&nothing).clone()
        };
        for (name, thermostat) in THERMOSTATS.iter().zip(&mut self.thermostats) {
            let patch = thermostat.take_up(&part(desired, name), &part(reported, name), version, anew);
            report.extend(wrapped(Some(name), patch));
        }
        let serial_number = Value::from(self.serial_number.as_str());
        if anew || reported.get(SERIAL_NUMBER) != Some(&serial_number) {
            report.insert(SERIAL_NUMBER.into(), serial_number);
        }
        let information = reported_patch(Some(DEVICE_INFORMATION), device_information());
        if anew || reported.get(DEVICE_INFORMATION) != information.get(DEVICE_INFORMATION) {
            report.extend(information);
        }
        report
    }

    fn desired_changed(&mut self, patch: &Map<String, Value>, version: u64) -> Map<String, Value> {
        let mut report = Map::new();
        for (name, thermostat) in THERMOSTATS.iter().zip(&mut self.thermostats) {
            if let Some(part) = patch.get(*name).and_then(Value::as_object) {
                report.extend(wrapped(Some(name), thermostat.desired_changed(part, version)));
            }
        }
        report
    }

    fn command(&mut self, command: &CommandName, payload: &[u8]) -> Option<CommandResponse> {
        match command.component.as_deref() {
            None if command.name == REBOOT => Some(reboot(payload)),
            None => None,
            Some(component) => {
                let index = THERMOSTATS.iter().position(|name| *name == component)?;
                self.thermostats[index].command(&command.name, payload)
            }
        }
    }

    fn properties(&self) -> Map<String, Value> {
        let parts = THERMOSTATS.iter().zip(&self.thermostats);
        parts
            .flat_map(|(name, thermostat)| wrapped(Some(name), thermostat.properties()))
            .collect()
    }

    fn restarted(&mut self) {
        for thermostat in &mut self.thermostats {
            thermostat.reset();
        }
    }

    fn reboot_completed(&self, now: Timestamp) -> Map<String, Value> {
        // A long-running command is completed by a property of the command's name
        // (https://learn.microsoft.com/azure/iot-central/core/concepts-telemetry-properties-commands#long-running-commands).
        Map::from_iter([(REBOOT.to_owned(), json!({ "value": format!("restarted at {now:.0}") }))])
    }
}

/// Accepts a reboot: 202, since it takes longer than an answer may.
fn reboot(payload: &[u8]) -> CommandResponse {
    let delay = match serde_json::from_slice::<Value>(payload) {
        Ok(Value::Null) => Some(0),
        Ok(value) => value.as_u64().filter(|delay| *delay <= LONGEST_DELAY),
        Err(_) if payload.is_empty() => Some(0),
        Err(_) => None,
    };
    match delay {
        Some(delay) => CommandResponse {
            status: 202,
            body: None,
            reboot: Some(Duration::from_secs(delay)),
            delay: None,
        },
        None => CommandResponse::error(
            400,
            &format!("the request must be a delay in seconds, from 0 to {LONGEST_DELAY}"),
        ),
    }
}

/// The properties of `dtmi:azure:DeviceManagement:DeviceInformation;1`; storage and memory are in kilobytes.
fn device_information() -> Map<String, Value> {
    let information = json!({
        "manufacturer": "Contoso",
        "model": "Simulated temperature controller",
        "swVersion": env!("CARGO_PKG_VERSION"),
        "osName": "none",
        "processorArchitecture": "simulated",
        "processorManufacturer": "Contoso",
        "totalStorage": 65_536.0,
        "totalMemory": 1_024.0,
    });
    match information {
        Value::Object(information) => information,
        _ => unreachable!("the literal is an object"),
    }
}
