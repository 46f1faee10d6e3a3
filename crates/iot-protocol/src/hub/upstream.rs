use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::Telemetry;
use crate::TopicError;
use crate::id::{DeviceId, RequestId};
use crate::properties::PropertyBag;
use crate::query::request_id;

const TWIN_GET: &str = "$iothub/twin/GET/?";
const TWIN_REPORT: &str = "$iothub/twin/PATCH/properties/reported/?";
const METHOD_RESPONSE: &str = "$iothub/methods/res/";

/// What a device may publish to its hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum ToHub {
    /// A device-to-cloud message.
    Telemetry {
        /// The sender.
        device_id: DeviceId,
        /// The module, where one sends.
        module_id: Option<DeviceId>,
        /// System and application properties.
        properties: PropertyBag,
    },
    /// Fetch the twin.
    TwinGet {
        /// Echoed in the answer.
        request_id: RequestId,
    },
    /// Patch the reported properties.
    TwinReport {
        /// Echoed in the answer.
        request_id: RequestId,
    },
    /// Answer a direct method.
    MethodResponse {
        /// HTTP-like, of the device's choosing.
        status: u16,
        /// Of the call.
        request_id: RequestId,
    },
}

impl fmt::Display for ToHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Telemetry {
                device_id,
                module_id: None,
                properties,
            } => {
                write!(f, "devices/{device_id}/messages/events/{properties}")
            }
            Self::Telemetry {
                device_id,
                module_id: Some(module_id),
                properties,
            } => {
                write!(
                    f,
                    "devices/{device_id}/modules/{module_id}/messages/events/{properties}"
                )
            }
            Self::TwinGet { request_id } => write!(f, "{TWIN_GET}$rid={request_id}"),
            Self::TwinReport { request_id } => write!(f, "{TWIN_REPORT}$rid={request_id}"),
            Self::MethodResponse { status, request_id } => write!(f, "{METHOD_RESPONSE}{status}/?$rid={request_id}"),
        }
    }
}

impl FromStr for ToHub {
    type Err = TopicError;

    fn from_str(topic: &str) -> Result<Self, TopicError> {
        if let Some(list) = topic.strip_prefix(TWIN_GET) {
            return Ok(Self::TwinGet {
                request_id: request_id(topic, list)?,
            });
        }
        if let Some(list) = topic.strip_prefix(TWIN_REPORT) {
            return Ok(Self::TwinReport {
                request_id: request_id(topic, list)?,
            });
        }
        if let Some(rest) = topic.strip_prefix(METHOD_RESPONSE) {
            let malformed = |part| TopicError::Malformed {
                topic: topic.into(),
                part,
            };
            let (status, list) = rest.split_once("/?").ok_or_else(|| malformed("$rid"))?;
            let status = status.parse().map_err(|_| malformed("status"))?;
            return Ok(Self::MethodResponse {
                status,
                request_id: request_id(topic, list)?,
            });
        }
        let telemetry = Telemetry::read(topic)?.ok_or_else(|| TopicError::Unknown(topic.into()))?;
        let malformed = |part| TopicError::Malformed {
            topic: topic.into(),
            part,
        };
        Ok(Self::Telemetry {
            device_id: telemetry.device_id.parse().map_err(|_| malformed("device id"))?,
            module_id: telemetry
                .module_id
                .map(str::parse)
                .transpose()
                .map_err(|_| malformed("module id"))?,
            properties: telemetry.properties.into(),
        })
    }
}
