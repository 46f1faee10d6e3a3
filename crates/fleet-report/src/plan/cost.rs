//! What a load costs, by prices that a person fills in: they differ by contract, region and month, so none is in the code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::reading::{number, text};
use settings::{Document, Invalid, Unreadable};

use super::PlanSummary;

/// What is charged, in one currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    /// As it is printed behind an amount: `EUR`.
    pub currency: String,
    /// Of a device in a month.
    pub device_month: f64,
    /// Of a unit of a hub in a month.
    pub unit_month: f64,
    /// Of a billed message beyond those included.
    pub message: f64,
    /// Billed messages that each device includes in a month, pooled over all.
    pub included_messages: f64,
}

/// What a month costs in which the devices stay online as at the busiest moment of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Of all amounts.
    pub currency: String,
    /// All together.
    pub month: f64,
    /// Of the devices.
    pub devices: f64,
    /// Of the units of a hub.
    pub units: f64,
    /// Of messages beyond those included.
    pub messages: f64,
}

const CURRENCY: &str = "a text such as \"EUR\"";
const PRICE: &str = "a price, 0 or more";
const COUNT: &str = "a number of messages, 0 or more";

impl Prices {
    /// Reads a file of prices. What it leaves out is free.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in the text.
    pub fn read(name: &str, toml: &str) -> Result<Self, Invalid> {
        let invalid = |problems| Invalid {
            name: name.into(),
            problems,
        };
        let document = Document::parse("a file of prices", name, toml, &[]).map_err(invalid)?;
        let root = document.root();
        let of = |key, accepted| {
            let read = root.read(key, accepted, |value| match number(value)? {
                price if price.is_finite() && price >= 0.0 => Ok(price),
                price => Err(Unreadable::Value(format!("{price} is not {accepted}"))),
            });
            read.map_or(0.0, |price| price.value)
        };
        let currency = root.read_required("currency", CURRENCY, |value| text(value).map(str::to_owned));
        let prices = Self {
            currency: currency.map(|currency| currency.value).unwrap_or_default(),
            device_month: of("device_month", PRICE),
            unit_month: of("unit_month", PRICE),
            message: of("message", PRICE),
            included_messages: of("included_messages", COUNT),
        };
        root.finish();
        match document.problems.take() {
            none if none.is_empty() => Ok(prices),
            problems => Err(invalid(problems)),
        }
    }

    /// What a plan costs in a month.
    #[must_use]
    pub fn cost(&self, plan: &PlanSummary) -> Cost {
        let included = f64::from(plan.devices) * self.included_messages;
        let beyond = (plan.traffic.billed_per_month as f64 - included).max(0.0);
        let devices = f64::from(plan.devices) * self.device_month;
        let units = f64::from(plan.units) * self.unit_month;
        let messages = beyond * self.message;
        Cost {
            currency: self.currency.clone(),
            month: devices + units + messages,
            devices,
            units,
            messages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_price_is_read_and_what_is_wrong_is_said_at_once() {
        let prices = Prices::read(
            "p.toml",
            "currency = \"EUR\"\ndevice_month = 0.4\nincluded_messages = 5000",
        )
        .unwrap();
        assert_eq!(
            (prices.device_month, prices.message, prices.included_messages),
            (0.4, 0.0, 5_000.0)
        );
        let wrong = "device_month = -1\nmessage = \"cheap\"\nincluded = 5\n";
        let invalid = Prices::read("p.toml", wrong).unwrap_err();
        let lines = invalid.lines();
        for words in [
            "currency",
            "-1 is not a price, 0 or more",
            "message",
            "included_messages",
        ] {
            assert!(lines.contains(words), "{words} in {lines}");
        }
    }
}
