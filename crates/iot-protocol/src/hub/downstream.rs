use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::id::{DeviceId, RequestId};
use crate::properties::PropertyBag;
use crate::{TopicError, query};

const TWIN_RESPONSE: &str = "$iothub/twin/res/";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/?";
const METHOD: &str = "$iothub/methods/POST/";

/// What a hub publishes to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum FromHub {
    /// A cloud-to-device message.
    CloudToDevice {
        /// The receiver.
        device_id: DeviceId,
        /// System and application properties.
        properties: PropertyBag,
    },
    /// The answer to a twin request: 200 with the document, 204 for a report, an error otherwise.
    TwinResponse {
        /// HTTP-like status.
        status: u16,
        /// Of the request.
        request_id: RequestId,
        /// The new version of the reported properties, after a report.
        version: Option<u64>,
    },
    /// The solution changed desired properties; the body is a patch.
    DesiredChanged {
        /// The new version of the desired properties.
        version: u64,
    },
    /// A direct method is called.
    MethodCall {
        /// Decoded; see [`CommandName`](crate::command::CommandName) for how Plug and Play writes it.
        name: String,
        /// To be echoed in the answer.
        request_id: RequestId,
    },
}

impl fmt::Display for FromHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloudToDevice { device_id, properties } => {
                write!(f, "devices/{device_id}/messages/devicebound/{properties}")
            }
            Self::TwinResponse {
                status,
                request_id,
                version,
            } => {
                write!(f, "{TWIN_RESPONSE}{status}/?$rid={request_id}")?;
                match version {
                    Some(version) => write!(f, "&$version={version}"),
                    None => Ok(()),
                }
            }
            Self::DesiredChanged { version } => write!(f, "{DESIRED}$version={version}"),
            // A `*` between component and command is sent as it is.
            Self::MethodCall { name, request_id } => {
                f.write_str(METHOD)?;
                for (i, part) in name.split('*').enumerate() {
                    write!(f, "{}{}", if i > 0 { "*" } else { "" }, query::encode(part))?;
                }
                write!(f, "/?$rid={request_id}")
            }
        }
    }
}

impl FromStr for FromHub {
    type Err = TopicError;

    fn from_str(topic: &str) -> Result<Self, TopicError> {
        let malformed = |part| TopicError::Malformed {
            topic: topic.into(),
            part,
        };
        if let Some(rest) = topic.strip_prefix(TWIN_RESPONSE) {
            let (status, list) = rest.split_once("/?").ok_or_else(|| malformed("$rid"))?;
            return Ok(Self::TwinResponse {
                status: status.parse().map_err(|_| malformed("status"))?,
                request_id: query::request_id(topic, list)?,
                version: query::number(topic, list, "$version")?,
            });
        }
        if let Some(list) = topic.strip_prefix(DESIRED) {
            let version = query::number(topic, list, "$version")?.ok_or_else(|| malformed("$version"))?;
            return Ok(Self::DesiredChanged { version });
        }
        if let Some(rest) = topic.strip_prefix(METHOD) {
            let (name, list) = rest.split_once("/?").ok_or_else(|| malformed("$rid"))?;
            let name = query::decode(name)
                .filter(|name| !name.is_empty())
                .ok_or_else(|| malformed("method name"))?
                .into_owned();
            return Ok(Self::MethodCall {
                name,
                request_id: query::request_id(topic, list)?,
            });
        }
        let unknown = || TopicError::Unknown(topic.into());
        let (device_id, rest) = topic
            .strip_prefix("devices/")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(unknown)?;
        let bag = rest.strip_prefix("messages/devicebound").ok_or_else(unknown)?;
        let bag = if bag.is_empty() {
            bag
        } else {
            bag.strip_prefix('/').ok_or_else(unknown)?
        };
        Ok(Self::CloudToDevice {
            device_id: device_id.parse().map_err(|_| malformed("device id"))?,
            properties: bag.parse().map_err(|_| malformed("property bag"))?,
        })
    }
}
