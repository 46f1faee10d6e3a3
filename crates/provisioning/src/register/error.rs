//! Why a device was not registered.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use iot_protocol::id::RegistrationId;
use iot_protocol::shown;
use mqtt_link::{ConnectError, LinkError, PublishError, SubscribeError};

/// A device was not registered: which, why, and what DPS had asked of it until then.
#[derive(Debug)]
pub struct RegistrationError {
    registration_id: RegistrationId,
    // On the heap: it is rare, and every result of a registration would have to have room for it.
    failure: Box<RegistrationFailure>,
    waited: Duration,
    throttled: u32,
}

impl RegistrationError {
    pub(super) fn new(
        registration_id: &RegistrationId,
        failure: RegistrationFailure,
        waited: Duration,
        throttled: u32,
    ) -> Self {
        Self {
            registration_id: registration_id.clone(),
            failure: Box::new(failure),
            waited,
            throttled,
        }
    }

    /// What happened.
    pub fn failure(&self) -> &RegistrationFailure {
        &self.failure
    }

    /// How long DPS had made the device wait.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How often DPS had throttled.
    pub fn throttled(&self) -> u32 {
        self.throttled
    }

    /// Whether the same registration may succeed later without a person acting.
    pub fn is_retryable(&self) -> bool {
        self.failure.is_retryable()
    }

    /// How long DPS asked to wait before the next request, if it gave up with such an answer.
    pub fn retry_after(&self) -> Option<Duration> {
        self.failure.retry_after()
    }

    /// A stable snake_case word for counting.
    pub fn reason(&self) -> &'static str {
        self.failure.reason()
    }
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "registration of `{}` {}", self.registration_id, self.failure)
    }
}

impl Error for RegistrationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.source()
    }
}

/// What kept a device from being registered. Its text goes on where "registration of …" leaves off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationFailure {
    /// There was no connection to DPS. A device whose certificate is not enrolled is mostly refused here already, with
    /// CONNACK 5, which is [`ConnectRefusal::NotAuthorized`](mqtt_link::ConnectRefusal::NotAuthorized).
    #[error("could not connect to dps")]
    Connect(#[from] ConnectError),
    /// DPS did not grant the subscription.
    #[error("could not subscribe to the answers of dps")]
    Subscribe(#[from] SubscribeError),
    /// A request could not be sent.
    #[error("could not send a request to dps")]
    Publish(#[from] PublishError),
    /// The connection ended in the middle.
    #[error("lost its connection to dps")]
    Link(#[from] LinkError),
    /// DPS does not accept the device's certificate or key, e.g. 401002.
    #[error(
        "was refused: {code} {} (tracking id {})",
        shown::text(message),
        shown::text(tracking_id)
    )]
    Unauthorized {
        /// The service's code.
        code: u32,
        /// The service's words.
        message: String,
        /// For Microsoft's support.
        tracking_id: String,
    },
    /// The enrollment is disabled.
    #[error("was refused: its enrollment is disabled")]
    Disabled,
    /// The device is known, but was not assigned to a hub. IoT Central answers 400209 when a device waits for approval
    /// or was blocked by an operator
    /// (<https://learn.microsoft.com/azure/iot-central/core/troubleshooting#device-provisioning-issues>).
    #[error("failed in the assignment: {code} {}", shown::text(message))]
    AssignmentFailed {
        /// The service's code.
        code: u32,
        /// The service's words.
        message: String,
    },
    /// DPS has too much to do, and asks for more patience than there is.
    #[error("was throttled and given up: {code} {}", shown::text(message))]
    Throttled {
        /// The service's code.
        code: u32,
        /// The service's words.
        message: String,
        /// How long DPS asked to wait.
        retry_after: Option<Duration>,
    },
    /// DPS answered with another error.
    #[error(
        "met an error of dps: {code} {} (tracking id {})",
        shown::text(message),
        shown::text(tracking_id)
    )]
    Service {
        /// The status of the answer's topic.
        status: u16,
        /// The service's code.
        code: u32,
        /// The service's words.
        message: String,
        /// For Microsoft's support.
        tracking_id: String,
        /// How long DPS asked to wait.
        retry_after: Option<Duration>,
    },
    /// A request was not answered.
    #[error("was not answered within {waited:?}")]
    Unanswered {
        /// How long the answer was waited for.
        waited: Duration,
    },
    /// The whole registration took, or would have taken, too long.
    #[error("did not end within {limit:?}")]
    DeadlineExceeded {
        /// The time there was.
        limit: Duration,
    },
    /// DPS answered with something that can't be understood.
    #[error("got an answer that can't be understood: {}", shown::text(problem))]
    Protocol {
        /// What is wrong with it.
        problem: String,
    },
}

impl RegistrationFailure {
    /// Whether the same registration may succeed later without a person acting.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_retryable(),
            Self::Subscribe(SubscribeError::Refused { .. })
            | Self::Unauthorized { .. }
            | Self::Disabled
            | Self::AssignmentFailed { .. }
            | Self::Protocol { .. } => false,
            // 409 and 412: the same device is being registered from elsewhere at the moment.
            Self::Service { status, .. } => matches!(status, 409 | 412) || *status >= 500,
            Self::Subscribe(_)
            | Self::Publish(_)
            | Self::Link(_)
            | Self::Throttled { .. }
            | Self::Unanswered { .. }
            | Self::DeadlineExceeded { .. } => true,
        }
    }

    /// How long DPS asked to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } | Self::Service { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// A stable snake_case word for counting.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.reason(),
            Self::Subscribe(error) => error.reason(),
            Self::Publish(error) => error.reason(),
            Self::Link(error) => error.reason(),
            Self::Unauthorized { .. } => "dps_unauthorized",
            Self::Disabled => "dps_disabled",
            // The one that a person has to act upon in the application, and the one people look for.
            Self::AssignmentFailed { code: 400_209, .. } => "dps_not_approved",
            Self::AssignmentFailed { .. } => "dps_assignment_failed",
            Self::Throttled { .. } => "dps_throttled",
            Self::Service { status, .. } => match status {
                400 => "dps_bad_request",
                404 => "dps_not_found",
                409 | 412 => "dps_conflict",
                500.. => "dps_unavailable",
                _ => "dps_error",
            },
            Self::Unanswered { .. } => "dps_unanswered",
            Self::DeadlineExceeded { .. } => "dps_deadline",
            Self::Protocol { .. } => "dps_protocol",
        }
    }
}
