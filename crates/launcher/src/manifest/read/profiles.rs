//! The profiles of a group.

use std::collections::{BTreeMap, HashMap};

use device_sim::outbox::CAPACITY;
use fleet_protocol::plan::Shape;
use serde_json::Map;
use settings::{Span, Table};

use super::models::Sends;
use crate::manifest::forms::{Amount, Fraction, Interval, Name, Typed, Value};
use crate::manifest::models::ON_CHANGE_OF_CAPABILITIES;
use crate::manifest::profile::{Burst, Change, Message, Payload, Profile};
use crate::manifest::profile_forms::{BodySize, BurstSize, DayLength, Field, OnlineShare, PropertyValue, Weight};

/// As many as a person can keep apart, and few enough for any number of devices.
const MOST: usize = 100;
/// Application properties of a message, together; a topic has room for more, but a message is billed for them.
const MOST_PROPERTIES: usize = 64;
/// What fills a body up.
const PADDING: &str = "padding";

/// The profiles in a group's table; `None` where something in them is wrong.
pub(super) fn profiles(group: &Table<'_>, interval: Span, sends: &Sends) -> Option<Vec<Profile>> {
    let tables = group.tables("profile");
    if tables.len() > MOST {
        group.problem(
            format!("`{}.profile`: there are {} profiles", group.path(), tables.len()),
            &format!("accepted: at most {MOST}"),
        );
        return None;
    }
    let mut names = HashMap::new();
    let profiles: Vec<_> = tables
        .into_iter()
        .map(|table| {
            let name = table.required::<Name>("name");
            let path = table.path().to_owned();
            if let Some((name, other)) = name
                .as_ref()
                .and_then(|name| Some((name, names.insert(name.value.0.clone(), path)?)))
            {
                table.problem(
                    format!("`{}`: `{}` is already the name of `{other}`", name.key, name.value.0),
                    "accepted: a name that no other profile of the group has",
                );
            }
            profile(table, name.map(|name| name.value.0), interval, sends)
        })
        .collect();
    profiles.into_iter().collect()
}

fn profile(table: Table<'_>, name: Option<String>, interval: Span, sends: &Sends) -> Option<Profile> {
    let weight = table.optional::<Weight>("weight");
    let burst = burst(&table, sends.messages);
    let own = match table.has("burst") {
        true => {
            table.out_of_place(&["interval"], "does not go with `burst`, which has `every`");
            table.out_of_place(
                &["on_change"],
                "does not go with `burst`, whose messages go out together",
            );
            None
        }
        false => table.optional::<Interval>("interval"),
    };
    let jitter = table.optional::<Fraction>("jitter");
    let on_change = on_change(&table, sends.not_one_number.as_deref());
    let reports = table.optional::<Amount>("properties_per_minute");
    let (payload, message) = (payload(&table, &sends.names), message(&table));
    let (online, shape) = (
        table.optional::<OnlineShare>("online"),
        table.optional::<Shape>("shape"),
    );
    let is_office = shape.as_ref().is_some_and(|shape| shape.value == Shape::Office);
    let has_day = table.has("online") || is_office;
    let day = match has_day {
        true => table.optional::<DayLength>("day"),
        false => {
            table.out_of_place(
                &["day", "shape"],
                "goes with `online`, the share of the day that a device is online",
            );
            None
        }
    };
    let profile = Profile {
        name: name.clone().unwrap_or_default(),
        weight: weight.map_or(1.0, |weight| weight.value.0),
        interval: own.map(|own| own.value.0),
        jitter: jitter.map(|jitter| jitter.value.0),
        burst,
        on_change,
        properties_per_minute: reports.map(|reports| reports.value.0),
        payload,
        message,
        online: online.map(|online| online.value.0),
        shape: shape.map(|shape| shape.value).filter(|_| has_day),
        day: day.map(|day| day.value.0),
    };
    check_reports(&table, &profile, interval);
    table.finish();
    name.map(|_| profile)
}

/// Properties are reported with measurements, and at most once with each.
fn check_reports(table: &Table<'_>, profile: &Profile, group: Span) {
    let interval = profile.interval_in(group);
    let most = 60.0 / interval.0.as_secs_f64().max(1e-3);
    let Some(reports) = profile.properties_per_minute.filter(|reports| *reports > most + 1e-9) else {
        return;
    };
    if let Some(item) = table.entry("properties_per_minute") {
        item.problem(
            format!(
                "`{}`: {reports} is more often than the device measures, which is every {interval}",
                item.path()
            ),
            vec![format!("accepted: a number from 0 to {}", (most * 1e3).floor() / 1e3)],
        );
    }
}

fn burst(table: &Table<'_>, components: usize) -> Option<Burst> {
    let table = table.table_of_form("burst", "a table, such as { messages = 20, every = \"10m\" }")?;
    let messages = table.required::<BurstSize>("messages");
    let every = table.required::<Interval>("every");
    let components = components.max(1);
    let most = CAPACITY / components;
    if let Some(messages) = messages.as_ref().filter(|messages| messages.value.0 as usize > most)
        && let Some(item) = table.entry("messages")
    {
        item.problem(
            format!(
                "`{}`: the device sends {components} messages with each measurement, and keeps {CAPACITY} at most",
                messages.key
            ),
            vec![format!("accepted: a whole number from 1 to {most}")],
        );
    }
    table.finish();
    Some(Burst {
        messages: messages?.value.0,
        every: every?.value.0,
    })
}

/// `not_one_number` is why there is nothing to compare.
fn on_change(table: &Table<'_>, not_one_number: Option<&str>) -> Option<Change> {
    if table.has("burst") {
        return None;
    }
    if let (Some(item), Some(why)) = (table.entry("on_change"), not_one_number) {
        item.problem(
            format!("`{}`: compares one number of each message, but {why}", item.path()),
            vec![ON_CHANGE_OF_CAPABILITIES.to_owned()],
        );
    }
    let table = table.table_of_form("on_change", "a table, such as { by = 0.5, heartbeat = \"10m\" }")?;
    let by = table.required::<Amount>("by");
    let heartbeat = table.required::<Interval>("heartbeat");
    table.finish();
    Some(Change {
        by: by?.value.0,
        heartbeat: heartbeat?.value.0,
    })
}

fn payload(table: &Table<'_>, taken: &[String]) -> Option<Payload> {
    let form = "a table, such as { bytes = 4096 } or { fields = { site = \"a\" } }";
    let table = table.table_of_form("payload", form)?;
    let bytes = table.optional::<BodySize>("bytes").map(|bytes| bytes.value.0);
    let mut fields = Map::new();
    if let Some(inner) = table.table("fields") {
        for (key, _, item) in inner.entries() {
            if key == PADDING || taken.iter().any(|taken| taken == key) {
                let message = format!("`{}` is a field that the device itself writes", item.path());
                item.problem(
                    message,
                    vec![format!("accepted: any name but {}, {PADDING}", taken.join(", "))],
                );
            } else if let Some(field) = item.read(Field::FORM, Field::read) {
                fields.insert(key.to_owned(), field.value.0);
            }
        }
        let size = serde_json::Value::from(fields.clone()).to_string().len();
        if size > fleet_protocol::plan::Payload::MOST_BYTES as usize - 64 {
            inner.problem(
                format!("`{}`: the fields have {size} bytes", inner.path()),
                &format!(
                    "accepted: at most {} bytes",
                    fleet_protocol::plan::Payload::MOST_BYTES - 64
                ),
            );
        }
    }
    table.finish();
    Some(Payload { bytes, fields })
}

fn message(table: &Table<'_>) -> Option<Message> {
    let form = "a table, such as { properties = { site = \"a\" } }";
    let table = table.table_of_form("message", form)?;
    let said = |key| table.optional::<PropertyValue>(key).map(|at| at.value.0);
    let (content_type, content_encoding) = (said("content_type"), said("content_encoding"));
    let mut properties = BTreeMap::new();
    if let Some(inner) = table.table("properties") {
        for (key, _, item) in inner.entries() {
            let is_name = !key.is_empty() && key.len() <= 128 && key.chars().all(|c| c.is_ascii_graphic());
            if !is_name || key.starts_with("$.") {
                let message = format!("`{}` can't be the name of an application property", item.path());
                let help = "accepted: 1 to 128 letters, digits and signs of ASCII, not beginning with `$.`";
                item.problem(message, vec![help.to_owned()]);
            } else if let Some(value) = item.read(PropertyValue::FORM, PropertyValue::read) {
                properties.insert(key.to_owned(), value.value.0);
            }
        }
        let size: usize = properties.iter().map(|(key, value)| key.len() + value.len()).sum();
        if properties.len() > MOST_PROPERTIES || size > 4096 {
            inner.problem(
                format!(
                    "`{}`: there are {} properties of {size} bytes",
                    inner.path(),
                    properties.len()
                ),
                &format!("accepted: at most {MOST_PROPERTIES} of 4096 bytes together"),
            );
        }
    }
    table.finish();
    Some(Message {
        content_type,
        content_encoding,
        properties,
    })
}
