use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::id::RequestId;
use crate::{TopicError, query};

/// The one subscription that DPS grants.
pub const RESPONSE_FILTER: &str = "$dps/registrations/res/#";

const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/?";
const POLL: &str = "$dps/registrations/GET/iotdps-get-operationstatus/?";
const RESPONSE: &str = "$dps/registrations/res/";

/// What a device may publish to DPS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum RequestTopic {
    /// Register the device; the body is a [`RegistrationRequest`](super::RegistrationRequest) or empty.
    Register {
        /// Echoed in the answer.
        request_id: RequestId,
    },
    /// Ask for the state of a registration; the body is ignored.
    Poll {
        /// Echoed in the answer.
        request_id: RequestId,
        /// From the answer to the registration.
        operation_id: String,
    },
}

impl RequestTopic {
    /// The request id, whatever the request is.
    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        match self {
            Self::Register { request_id } | Self::Poll { request_id, .. } => request_id,
        }
    }
}

impl fmt::Display for RequestTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register { request_id } => write!(f, "{REGISTER}$rid={request_id}"),
            Self::Poll {
                request_id,
                operation_id,
            } => {
                write!(f, "{POLL}$rid={request_id}&operationId={}", query::encode(operation_id))
            }
        }
    }
}

impl FromStr for RequestTopic {
    type Err = TopicError;

    fn from_str(topic: &str) -> Result<Self, TopicError> {
        if let Some(list) = topic.strip_prefix(REGISTER) {
            return Ok(Self::Register {
                request_id: query::request_id(topic, list)?,
            });
        }
        let list = topic
            .strip_prefix(POLL)
            .ok_or_else(|| TopicError::Unknown(topic.into()))?;
        let operation_id = query::value(list, "operationId")
            .and_then(query::decode)
            .filter(|id| !id.is_empty())
            .map(Cow::into_owned);
        Ok(Self::Poll {
            request_id: query::request_id(topic, list)?,
            operation_id: operation_id.ok_or_else(|| TopicError::Malformed {
                topic: topic.into(),
                part: "operationId",
            })?,
        })
    }
}

/// Where DPS answers. A status below 300 comes with a [`Registration`](super::Registration), any other with a
/// [`ServiceError`](super::ServiceError).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResponseTopic {
    /// HTTP-like status.
    pub status: u16,
    /// Of the request that this answers.
    pub request_id: RequestId,
    /// Seconds to wait before the next request, on 202, 429 and 5xx.
    pub retry_after: Option<u64>,
}

impl fmt::Display for ResponseTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `$rid` comes first: the Python SDK splits the topic at `$`, and the C# SDK looks for `/?$rid=`.
        write!(f, "{RESPONSE}{}/?$rid={}", self.status, self.request_id)?;
        match self.retry_after {
            Some(seconds) => write!(f, "&retry-after={seconds}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ResponseTopic {
    type Err = TopicError;

    fn from_str(topic: &str) -> Result<Self, TopicError> {
        let malformed = |part| TopicError::Malformed {
            topic: topic.into(),
            part,
        };
        let rest = topic
            .strip_prefix(RESPONSE)
            .ok_or_else(|| TopicError::Unknown(topic.into()))?;
        let (status, list) = rest.split_once("/?").ok_or_else(|| malformed("parameters"))?;
        Ok(Self {
            status: status.parse().map_err(|_| malformed("status"))?,
            request_id: query::request_id(topic, list)?,
            retry_after: query::number(topic, list, "retry-after")?,
        })
    }
}
