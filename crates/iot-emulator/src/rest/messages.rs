//! Cloud-to-device messages, as the hub's service side takes them.
//!
//! Source: [Cloud-to-device messages](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iot_protocol::properties::{CONTENT_ENCODING, CONTENT_TYPE, CORRELATION_ID, MESSAGE_ID, PropertyBag, TO};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Rest;
use super::body::parse;
use super::error::ApiError;
use super::extract::{Body, Path};
use super::operator::find;
use crate::clock;
use crate::documented;
use crate::hub::{CloudMessage, DEFAULT_TTL};
use crate::journal::Event;
use crate::random::random_hex;
use crate::unconfirmed::QUEUE_FULL;

/// Room for the fixed part of the topic, whose length MQTT writes in 16 bits.
const MAX_PROPERTIES: usize = 60 * 1024;
/// Longest time that a message may be made to wait, in seconds.
const MAX_TTL: u64 = 2 * 24 * 60 * 60;
/// System properties that a message has besides those of [`iot_protocol::properties`].
const USER_ID: &str = "$.uid";
const EXPIRY: &str = "$.exp";
const ACK: &str = "iothub-ack";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MessageBody {
    body: Value,
    #[serde(default)]
    properties: BTreeMap<String, Option<String>>,
    message_id: Option<String>,
    correlation_id: Option<String>,
    user_id: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    ack: Option<Ack>,
    /// Seconds from now.
    ttl: Option<u64>,
    expiry: Option<Timestamp>,
}

/// Which feedback the sender wants. It is passed on to the device; nothing here reads feedback, and the
/// journal records the outcome of a message.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Ack {
    None,
    Positive,
    Negative,
    Full,
}

impl Ack {
    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Full => "full",
        }
    }
}

/// Queues a cloud-to-device message. A text goes as it is, any other body as JSON.
pub(super) async fn send(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let message: MessageBody = parse(&body)?;
    let device = find(&rest, &id)?;
    let now = clock::now();
    let expires = expires(&message, now)?;
    let (message_id, properties) = properties(&message, device.id.as_str());
    let body = match message.body {
        Value::String(text) => text,
        json => json.to_string(),
    };
    let bag = properties.to_string().len();
    if body.len() + bag > *documented::MESSAGE_DOWN || bag > MAX_PROPERTIES {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "MessageTooLarge",
            "a message has at most 64 KB",
        ));
    }
    let message = CloudMessage {
        properties,
        body: body.into(),
        expires,
    };
    device.expire(now, &rest.services.store, &rest.services.journal);
    device
        .send(message, &rest.services.store)
        .map_err(|full| ApiError::new(QUEUE_FULL.0, QUEUE_FULL.1, full.to_string()))?;
    rest.services
        .journal
        .record(Some(device.id.as_str()), Event::MessageQueued);
    Ok((StatusCode::ACCEPTED, Json(json!({ "messageId": message_id }))))
}

fn expires(message: &MessageBody, now: Timestamp) -> Result<Timestamp, ApiError> {
    let after = |ttl| now.checked_add(ttl).unwrap_or(Timestamp::MAX);
    match (message.ttl, message.expiry) {
        (None, None) => Ok(after(DEFAULT_TTL)),
        (None, Some(expiry)) => Ok(expiry),
        (Some(ttl @ 1..=MAX_TTL), None) => Ok(after(Duration::from_secs(ttl))),
        (Some(_), None) => Err(ApiError::invalid(format!("ttl is from 1 to {MAX_TTL} seconds"))),
        (Some(_), Some(_)) => Err(ApiError::invalid("a message has a ttl or an expiry, not both")),
    }
}

/// The message's id, and all its properties.
fn properties(message: &MessageBody, device: &str) -> (String, PropertyBag) {
    let given = message.properties.get(MESSAGE_ID).cloned().flatten();
    let message_id = message.message_id.clone().or(given).unwrap_or_else(random_hex::<16>);
    let mut properties = PropertyBag::new()
        .with(MESSAGE_ID, &message_id)
        .with(TO, &format!("/devices/{device}/messages/devicebound"));
    let expiry = message.expiry.map(clock::ticks);
    for (key, value) in [
        (CORRELATION_ID, message.correlation_id.as_deref()),
        (USER_ID, message.user_id.as_deref()),
        (CONTENT_TYPE, message.content_type.as_deref()),
        (CONTENT_ENCODING, message.content_encoding.as_deref()),
        (EXPIRY, expiry.as_deref()),
        (ACK, message.ack.map(Ack::word)),
    ] {
        if let Some(value) = value {
            properties.push(key, Some(value));
        }
    }
    for (key, value) in &message.properties {
        if key != MESSAGE_ID {
            properties.push(key, value.as_deref());
        }
    }
    (message_id, properties)
}
