//! Faults as rules: at which moment, to which devices and how often something goes wrong, and what.
//!
//! Everything here is pure: the time is passed in, and chance comes from the seed, the rule's id, the device's id and how
//! often the rule was about that device. So the same devices that do the same meet the same faults.

use std::collections::HashMap;

use serde_json::{Map, Value};
use settings::Invalid;
use tokio::time::Instant;

mod draw;
mod glob;
mod read;
mod rule;
mod slow;
#[cfg(test)]
mod tests;

pub(crate) use draw::draw;
pub use rule::{Rule, Span, Verdict, written};
pub(crate) use slow::slow_line;

use crate::phase::Phase;

/// Devices that a rule counts apart; more than that share a count. It is what an IoT Central application may have, and it
/// keeps clients that make up names from filling the memory.
const MOST_TALLIES: usize = 200_000;

/// Rules to start with, read from a file or a preset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultRules(Vec<Rule>);

impl FaultRules {
    /// The names of the sets of rules that are built in; each is a file in `presets`, and in `configs/faults` for people.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        read::PRESETS.iter().map(|(name, _)| *name)
    }

    /// The rules of a preset, or those of a file.
    ///
    /// # Errors
    ///
    /// The file can't be read, or something in it is wrong; then all of it.
    pub fn load(preset_or_file: &str) -> Result<Self, Invalid> {
        read::load(preset_or_file).map(Self)
    }

    /// The rules in the text of such a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in the text.
    pub fn parse(toml: &str) -> Result<Self, Invalid> {
        read::from_toml("faults", toml).map(Self)
    }

    /// The rules themselves.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// The same in JSON.
    pub(crate) fn from_json(table: &Map<String, Value>) -> Result<Self, Invalid> {
        read::from_json("faults", table).map(Self)
    }
}

/// The rules of a running emulator.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    live: Vec<Live>,
    /// How many rules were given a name.
    named: u64,
}

/// A rule and what has come of it.
#[derive(Debug)]
struct Live {
    rule: Rule,
    since: Instant,
    hits: u64,
    devices: HashMap<String, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    /// How often the rule was about the device.
    asked: u64,
    hits: u64,
}

/// What a rule decides about one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    pub(crate) rule: String,
    pub(crate) verdict: Verdict,
    /// From 0 to below 1, for verdicts that leave something to chance.
    pub(crate) drawn: f64,
}

/// There is a rule of this name already.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is a rule `{0}` already")]
pub(crate) struct Taken(pub(crate) String);

impl Faults {
    pub(crate) fn new(seed: u64, rules: FaultRules, now: Instant) -> Self {
        let mut faults = Self {
            seed,
            live: Vec::new(),
            named: 0,
        };
        faults.extend(rules, now);
        faults
    }

    pub(crate) fn are_on(&self) -> bool {
        self.live.iter().any(|live| live.rule.enabled)
    }

    /// Adds rules, all or none of them; gives their ids. A rule that was given no id gets one that is free.
    pub(crate) fn add(&mut self, rules: FaultRules, now: Instant) -> Result<Vec<String>, Taken> {
        let taken = rules.0.iter().find(|rule| self.has(&rule.id));
        match taken {
            Some(rule) => Err(Taken(rule.id.clone())),
            None => Ok(self.extend(rules, now)),
        }
    }

    fn has(&self, id: &str) -> bool {
        self.live.iter().any(|live| live.rule.id == id)
    }

    fn extend(&mut self, rules: FaultRules, now: Instant) -> Vec<String> {
        let first = self.live.len();
        self.live.extend(rules.0.into_iter().map(|rule| Live::new(rule, now)));
        for i in first..self.live.len() {
            while self.live[i].rule.id.is_empty() {
                self.named += 1;
                let id = format!("rule-{}", self.named);
                if !self.has(&id) {
                    self.live[i].rule.id = id;
                }
            }
        }
        self.live[first..].iter().map(|live| live.rule.id.clone()).collect()
    }

    /// Removes a rule, or all; returns whether there was one.
    pub(crate) fn remove(&mut self, id: Option<&str>) -> bool {
        let before = self.live.len();
        self.live.retain(|live| id.is_some_and(|id| live.rule.id != id));
        self.live.len() < before
    }

    /// Switches a rule on or off; returns whether there is one.
    pub(crate) fn switch(&mut self, id: &str, on: bool) -> bool {
        let found = self.live.iter_mut().find(|live| live.rule.id == id);
        found.map(|live| live.rule.enabled = on).is_some()
    }

    /// The rules, each with the count of its hits.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Rule, u64)> {
        self.live.iter().map(|live| (&live.rule, live.hits))
    }

    /// A rule as REST shows it, with the count of its hits.
    pub(crate) fn show(&self, id: &str) -> Option<Value> {
        self.live.iter().find(|live| live.rule.id == id).map(Live::show)
    }

    /// All rules as REST shows them.
    pub(crate) fn show_all(&self) -> Vec<Value> {
        self.live.iter().map(Live::show).collect()
    }

    /// What happens now to a device at a phase: rules that only delay add up, the first other one decides.
    pub(crate) fn ask(&mut self, phase: Phase, device: Option<&str>, now: Instant) -> Vec<Hit> {
        let mut hits = Vec::new();
        for live in &mut self.live {
            if let Some(hit) = live.ask(phase, device, now, self.seed) {
                let goes_on = hit.verdict.goes_on();
                hits.push(hit);
                if !goes_on {
                    break;
                }
            }
        }
        hits
    }
}

impl Live {
    fn new(rule: Rule, since: Instant) -> Self {
        Self {
            rule,
            since,
            hits: 0,
            devices: HashMap::new(),
        }
    }

    fn ask(&mut self, phase: Phase, device: Option<&str>, now: Instant, seed: u64) -> Option<Hit> {
        let age = now.saturating_duration_since(self.since);
        if !self.rule.is_about(phase, device, age, seed) || self.rule.count.is_some_and(|count| self.hits >= count) {
            return None;
        }
        // Clients that have not identified themselves count as one device.
        let device = device.unwrap_or_default();
        let counted = if self.devices.len() < MOST_TALLIES || self.devices.contains_key(device) {
            device
        } else {
            ""
        };
        let tally = match self.devices.get_mut(counted) {
            Some(tally) => tally,
            None => self.devices.entry(counted.into()).or_default(),
        };
        if self.rule.count_per_device.is_some_and(|count| tally.hits >= count) {
            return None;
        }
        let number = tally.asked;
        tally.asked += 1;
        if !self.rule.applies_to(device, number, seed) {
            return None;
        }
        tally.hits += 1;
        self.hits += 1;
        Some(Hit {
            rule: self.rule.id.clone(),
            verdict: self.rule.verdict.clone(),
            drawn: draw(seed, &self.rule.id, &format!("{device} by"), number),
        })
    }

    fn show(&self) -> Value {
        let mut shown = self.rule.json();
        shown.insert("hits".into(), self.hits.into());
        shown.into()
    }
}
