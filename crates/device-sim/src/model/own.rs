//! A device of a model that a user brings: what it sends is made from the model, and everything that it sends is valid
//! by it.

mod guess;
mod kit;
mod process;
mod settings;
mod shape;
mod usual;

use std::sync::Arc;

use bytes::Bytes;
use iot_protocol::command::CommandName;
use iot_protocol::pnp::{Acknowledgement, desired_value};
use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Map, Value};

use super::simulated::wrapped;
use super::{CommandResponse, Measured, Simulated};
use crate::random::DeviceRng;
pub use kit::{Kit, KitProblem};
use kit::{Reported, Signal};

/// A device of a user's own model.
#[derive(Debug, Clone)]
pub(super) struct OwnDevice {
    kit: Arc<Kit>,
    /// The numbers of all capabilities, in the order of the kit.
    state: Box<[f64]>,
    /// The values of writable properties that were desired; without one, the first value is in force.
    desired: Box<[Option<Box<Value>>]>,
    /// When it measured last.
    now: Timestamp,
    random: DeviceRng,
}

impl OwnDevice {
    pub(super) fn new(kit: &Arc<Kit>, mut random: DeviceRng) -> Self {
        let mut state = vec![0.0; kit.slots].into_boxed_slice();
        for part in &kit.parts {
            for signal in &part.signals {
                let (timing, own) = signal.state_mut(&mut state);
                signal.shape.begin(own, &mut random);
                if let Some([waited, sent]) = timing {
                    // It is due at once, and nothing was sent.
                    (*waited, *sent) = (f64::MAX, f64::NAN);
                }
            }
            for property in &part.properties {
                property.shape.begin(property.state_mut(&mut state), &mut random);
            }
        }
        Self {
            desired: vec![None; kit.writable_count].into_boxed_slice(),
            kit: Arc::clone(kit),
            state,
            now: Timestamp::UNIX_EPOCH,
            random,
        }
    }

    /// What a device has on the heap, itself with its numbers, in bytes.
    pub(super) fn heap(kit: &Kit) -> usize {
        size_of::<Self>() + kit.slots * size_of::<f64>() + kit.writable_count * size_of::<Option<Box<Value>>>()
    }

    /// Lets time pass for something that is sent, and writes it if it is due.
    fn signal(&mut self, signal: &Signal, seconds: f64, now: Timestamp, body: &mut String) {
        let (timing, own) = signal.state_mut(&mut self.state);
        signal.shape.advance(own, seconds, &mut self.random);
        if signal.shape.is_silent(own) {
            return;
        }
        if let (Some([waited, sent]), Some(rule)) = (timing, signal.timing) {
            *waited += seconds;
            let mark = rule.on_change.and_then(|by| Some((signal.shape.mark(own)?, by)));
            let has_changed = mark.is_none_or(|(mark, by)| mark.differs(*sent, by));
            if *waited < rule.interval - 1e-9 || !has_changed {
                return;
            }
            (*waited, *sent) = (0.0, mark.map_or(0.0, |(mark, _)| mark.value()));
        }
        body.push(if body.is_empty() { '{' } else { ',' });
        body.push_str(&signal.key);
        signal.shape.write(own, now, body);
    }

    /// The value in force of a property.
    fn value(&self, property: &Reported, now: Timestamp) -> Value {
        let desired = property.writable.and_then(|index| self.desired[index].as_deref());
        if let Some(desired) = desired {
            return desired.clone();
        }
        let mut text = String::new();
        property.shape.write(property.state(&self.state), now, &mut text);
        serde_json::from_str(&text).expect("shapes write JSON")
    }

    /// What is reported of a writable property at the beginning of a session, if anything is.
    fn taken_up(
        &mut self,
        (property, modelled, index): (&Reported, &dtdl::Property, usize),
        wish: Option<&Value>,
        before: Option<&Value>,
        (version, anew): (u64, bool),
    ) -> Option<Value> {
        let earlier = before.and_then(|value| serde_json::from_value::<Acknowledgement>(value.clone()).ok());
        match (wish, earlier) {
            (Some(wish), earlier) => {
                let now = self.apply((property, modelled, index), wish, version);
                let is_news = |earlier: Acknowledgement| earlier.version < version || earlier.value != now.value;
                (anew || earlier.is_none_or(is_news)).then(|| now.to_value())
            }
            // Nothing is desired: the value in force before stays in force.
            (None, Some(earlier)) => {
                if modelled.schema.accepts(&earlier.value) {
                    self.desired[index] = Some(Box::new(earlier.value.clone()));
                }
                anew.then(|| earlier.to_value())
            }
            (None, None) => {
                let default = Acknowledgement {
                    value: self.value(property, Timestamp::UNIX_EPOCH),
                    code: Acknowledgement::DEVICE_DEFAULT,
                    version: 0,
                    description: Some("initialized with the default value".into()),
                };
                Some(default.to_value())
            }
        }
    }

    fn apply(
        &mut self,
        (property, modelled, index): (&Reported, &dtdl::Property, usize),
        wish: &Value,
        version: u64,
    ) -> Acknowledgement {
        // An object may have a field of the name `value`; only what is not valid as it is can be wrapped.
        let wish = match modelled.schema.accepts(wish) {
            true => wish,
            false => desired_value(wish),
        };
        let mismatch = modelled.schema.mismatches(wish).into_iter().next();
        let (code, description) = match mismatch {
            None => {
                self.desired[index] = Some(Box::new(wish.clone()));
                (Acknowledgement::APPLIED, "applied".to_owned())
            }
            Some(mismatch) => (Acknowledgement::INVALID, format!("{} {mismatch}", modelled.name)),
        };
        Acknowledgement {
            value: self.value(property, Timestamp::UNIX_EPOCH),
            code,
            version,
            description: Some(description),
        }
    }
}

impl Simulated for OwnDevice {
    fn measure(&mut self, seconds: f64, now: Timestamp) -> Measured {
        self.now = now;
        let kit = Arc::clone(&self.kit);
        let mut measured = Measured::default();
        for (part, modelled) in kit.parts.iter().zip(&kit.model.parts) {
            if let Some(index) = part.sender {
                let mut body = String::new();
                for signal in &part.signals {
                    self.signal(signal, seconds, now, &mut body);
                }
                if !body.is_empty() {
                    body.push('}');
                    measured.telemetry.push((index, Bytes::from(body)));
                }
            }
            let mut report = Map::new();
            for (property, modelled) in part.properties.iter().zip(&modelled.properties) {
                if let Some(interval) = property.interval {
                    property
                        .shape
                        .advance(property.state_mut(&mut self.state), seconds, &mut self.random);
                    let waited = &mut self.state[property.slot];
                    *waited += seconds;
                    if *waited >= interval - 1e-9 {
                        *waited = 0.0;
                        report.insert(modelled.name.clone(), self.value(property, now));
                    }
                }
            }
            measured.report.extend(wrapped(modelled.component.as_deref(), report));
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
        let kit = Arc::clone(&self.kit);
        let mut all = Map::new();
        for (part, modelled) in kit.parts.iter().zip(&kit.model.parts) {
            let (desired, reported) = (within(desired, modelled), within(reported, modelled));
            let mut report = Map::new();
            for (property, modelled) in part.properties.iter().zip(&modelled.properties) {
                let before = reported.and_then(|reported| reported.get(&modelled.name));
                let wish = desired
                    .and_then(|desired| desired.get(&modelled.name))
                    .filter(|wish| !wish.is_null());
                let value = match property.writable {
                    Some(index) => self.taken_up((property, modelled, index), wish, before, (version, anew)),
                    None => {
                        Some(self.value(property, Timestamp::UNIX_EPOCH)).filter(|value| anew || before != Some(value))
                    }
                };
                report.extend(value.map(|value| (modelled.name.clone(), value)));
            }
            all.extend(wrapped(modelled.component.as_deref(), report));
        }
        all
    }

    fn desired_changed(&mut self, patch: &Map<String, Value>, version: u64) -> Map<String, Value> {
        let kit = Arc::clone(&self.kit);
        let mut all = Map::new();
        for (part, modelled) in kit.parts.iter().zip(&kit.model.parts) {
            let Some(patch) = within(patch, modelled) else { continue };
            let mut report = Map::new();
            for (property, modelled) in part.properties.iter().zip(&modelled.properties) {
                if let (Some(index), Some(wish)) = (property.writable, patch.get(&modelled.name))
                    && !wish.is_null()
                {
                    let answer = self.apply((property, modelled, index), wish, version);
                    report.insert(modelled.name.clone(), answer.to_value());
                }
            }
            all.extend(wrapped(modelled.component.as_deref(), report));
        }
        all
    }

    fn command(&mut self, command: &CommandName, payload: &[u8]) -> Option<CommandResponse> {
        let kit = Arc::clone(&self.kit);
        let component = command.component.as_deref();
        let mut parts = kit.parts.iter().zip(&kit.model.parts);
        let (part, modelled) = parts.find(|(_, modelled)| modelled.component.as_deref() == component)?;
        let mut commands = part.commands.iter().zip(&modelled.commands);
        let (answered, modelled) = commands.find(|(_, modelled)| modelled.name == command.name)?;
        if let Some(request) = &modelled.request {
            let value = match payload {
                [] => Value::Null,
                payload => match serde_json::from_slice(payload) {
                    Ok(value) => value,
                    Err(_) => return Some(CommandResponse::error(400, "the request must be JSON")),
                },
            };
            if let Some(mismatch) = request.mismatches(&value).into_iter().next() {
                return Some(CommandResponse::error(400, &format!("{} {mismatch}", request.name)));
            }
        }
        if self.random.random_range(0.0..1.0) < answered.fail_share {
            return Some(CommandResponse::error(500, "the device failed, as it was asked to"));
        }
        if answered.status >= 400 {
            let message = "the device refuses it, as it was asked to";
            return Some(CommandResponse::error(answered.status, message));
        }
        let body = answered.response.as_ref().map(|shape| {
            let (mut state, mut text) = (vec![0.0; shape.slots()], String::new());
            shape.begin(&mut state, &mut self.random);
            shape.advance(&mut state, 1.0, &mut self.random);
            shape.write(&state, self.now, &mut text);
            serde_json::from_str(&text).expect("shapes write JSON")
        });
        Some(CommandResponse {
            status: answered.status,
            body,
            reboot: None,
            delay: answered.delay,
        })
    }

    /// The read-only properties.
    fn properties(&self) -> Map<String, Value> {
        let mut all = Map::new();
        for (part, modelled) in self.kit.parts.iter().zip(&self.kit.model.parts) {
            let properties = part.properties.iter().zip(&modelled.properties);
            let report = properties
                .filter(|(property, _)| property.writable.is_none())
                .map(|(property, modelled)| (modelled.name.clone(), self.value(property, Timestamp::UNIX_EPOCH)));
            all.extend(wrapped(modelled.component.as_deref(), report.collect()));
        }
        all
    }
}

impl Signal {
    /// The numbers of when it was sent, where there are some, and those of its shape.
    fn state_mut<'a>(&self, state: &'a mut [f64]) -> (Option<&'a mut [f64; 2]>, &'a mut [f64]) {
        let own = &mut state[self.slot..];
        match self.timing {
            None => (None, &mut own[..self.shape.slots()]),
            Some(_) => {
                let (timing, rest) = own.split_at_mut(2);
                let timing = timing.try_into().expect("they are two");
                (Some(timing), &mut rest[..self.shape.slots()])
            }
        }
    }
}

impl Reported {
    fn first(&self) -> usize {
        self.slot + usize::from(self.interval.is_some())
    }

    fn state<'a>(&self, state: &'a [f64]) -> &'a [f64] {
        &state[self.first()..][..self.shape.slots()]
    }

    fn state_mut<'a>(&self, state: &'a mut [f64]) -> &'a mut [f64] {
        &mut state[self.first()..][..self.shape.slots()]
    }
}

/// A part's members of a section of the twin.
fn within<'a>(section: &'a Map<String, Value>, part: &dtdl::Part) -> Option<&'a Map<String, Value>> {
    match &part.component {
        None => Some(section),
        Some(component) => section.get(component)?.as_object(),
    }
}
