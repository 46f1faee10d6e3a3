//! Profiles: how the devices of a group differ in what they send and in when they are online.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Telemetry;

/// What some of a group's devices do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name within the group.
    pub name: String,
    /// Its part of the group's devices, in proportion to the weights of the other profiles.
    pub weight: f64,
    /// How often they send.
    pub telemetry: Telemetry,
    /// How many measurements are taken and sent together each time.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub burst: u32,
    /// They send only what has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_change: Option<OnChange>,
    /// How often in a minute they report properties that have not changed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub properties_per_minute: f64,
    /// What their messages hold besides the measurement.
    #[serde(default, skip_serializing_if = "Payload::is_empty")]
    pub payload: Payload,
    /// What is said of their messages, for routing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub message: MessageProperties,
    /// When in a day they are online; always, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Day>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
fn is_one(count: &u32) -> bool {
    *count == 1
}

fn is_zero(number: &f64) -> bool {
    *number <= 0.0
}

fn is_default(message: &MessageProperties) -> bool {
    *message == MessageProperties::default()
}

/// Sending only what has changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnChange {
    /// How far a value has to be from the last one that was sent.
    pub by: f64,
    /// After so long without a message, one is sent all the same.
    pub heartbeat_ms: u64,
}

/// What a message holds besides the measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// Fields of the JSON object, the same in each message.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// The size to which the body is filled up, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u32>,
}

impl Payload {
    /// The largest body: a message is at most 256 KB, and the rest is for its properties.
    /// <https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling#other-limits>
    pub const MOST_BYTES: u32 = 255 * 1024;

    /// Whether a message is the measurement and nothing else.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.bytes.is_none()
    }
}

/// The properties of a message, besides its id and component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageProperties {
    /// `$.ct`
    pub content_type: String,
    /// `$.ce`
    pub content_encoding: String,
    /// The application's, which routes can ask for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

impl Default for MessageProperties {
    /// With these, a hub reads the body.
    fn default() -> Self {
        Self {
            content_type: "application/json".to_owned(),
            content_encoding: "utf-8".to_owned(),
            properties: BTreeMap::new(),
        }
    }
}

/// When in a day devices are online. The first day begins with the stages, at midnight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Day {
    /// How the times of all devices lie in a day.
    pub shape: Shape,
    /// The share of the day that each device is online, above 0 and up to 1.
    pub online: f64,
    /// How long a day takes.
    pub length_ms: u64,
}

/// How the times at which devices are online lie in a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Evenly: at each moment about as many devices are online.
    #[default]
    Flat,
    /// Around noon: devices arrive in the morning and leave in the afternoon.
    Office,
}

/// How many of `count` devices are in the first profile, in the first two, and so on; the last number is `count`. Each
/// profile has its share of the devices to within one device.
#[must_use]
pub fn ends(profiles: &[Profile], count: u32) -> Vec<u32> {
    let total: f64 = profiles.iter().map(|profile| profile.weight).sum();
    let mut sum = 0.0;
    let mut ends: Vec<u32> = profiles
        .iter()
        .map(|profile| {
            sum += profile.weight;
            // A share of at most 1 of a number stays in its range, and a cast saturates.
            (sum / total * f64::from(count)).round().min(f64::from(count)) as u32
        })
        .collect();
    if let Some(last) = ends.last_mut() {
        *last = count;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(weights: &[f64]) -> Vec<Profile> {
        let profile = |weight: &f64| Profile {
            name: "p".to_owned(),
            weight: *weight,
            telemetry: Telemetry {
                interval_ms: 5_000,
                jitter: 0.1,
            },
            burst: 1,
            on_change: None,
            properties_per_minute: 0.0,
            payload: Payload::default(),
            message: MessageProperties::default(),
            day: None,
        };
        weights.iter().map(profile).collect()
    }

    #[test]
    fn each_profile_has_its_share_to_within_one_device() {
        for weights in [
            &[1.0][..],
            &[1.0, 1.0, 1.0],
            &[70.0, 20.0, 10.0],
            &[0.001, 1000.0],
            &[0.1; 10],
        ] {
            let total: f64 = weights.iter().sum();
            for count in [0, 1, 2, 3, 7, 10, 99, 1000, 1_000_000] {
                let ends = ends(&profiles(weights), count);
                assert_eq!(ends.last(), Some(&count));
                let mut begin = 0;
                for (end, weight) in ends.iter().zip(weights) {
                    let exact = weight / total * f64::from(count);
                    assert!(
                        (f64::from(end - begin) - exact).abs() <= 1.0,
                        "{weights:?} of {count}: {ends:?}"
                    );
                    begin = *end;
                }
            }
        }
        assert_eq!(ends(&[], 5), [0; 0]);
    }

    #[test]
    fn a_profile_is_written_without_what_is_usual() {
        let [profile] = &profiles(&[2.0])[..] else {
            panic!("one was made")
        };
        let text = serde_json::to_string(profile).unwrap();
        assert_eq!(
            text,
            r#"{"name":"p","weight":2.0,"telemetry":{"interval_ms":5000,"jitter":0.1}}"#
        );
        assert_eq!(&serde_json::from_str::<Profile>(&text).unwrap(), profile);
    }
}
