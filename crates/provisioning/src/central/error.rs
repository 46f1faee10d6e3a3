//! What can go wrong between us and an application.

use std::error::Error;
use std::time::Duration;

use iot_protocol::shown;

/// Why a request to IoT Central failed.
#[derive(Debug, thiserror::Error)]
pub enum CentralError {
    /// The application's address can't be used.
    #[error("`{}` is no IoT Central application: {reason}", shown::text(url))]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token holds characters that can't stand in a header, such as a line break.
    #[error("the API token holds characters that can't stand in an HTTP header")]
    BadToken,
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up: {reason}")]
    Setup {
        /// Its error.
        reason: String,
    },
    /// The service has refused.
    #[error("{subject}: {status} {}: {}{}", shown::text(code), shown::text(message), request_id.as_ref().map(|id| format!(" (request {})", shown::text(id))).unwrap_or_default())]
    Refused {
        /// What the request was about, such as `enrollment group thermostats`.
        subject: String,
        /// The HTTP status.
        status: u16,
        /// IoT Central's error code, such as `NotFound`.
        code: String,
        /// Its words.
        message: String,
        /// The id under which the service's own people find the request.
        request_id: Option<String>,
        /// How long the service asked us to wait.
        retry_after: Option<Duration>,
    },
    /// No answer came.
    #[error("{subject}: no answer from {host}: {reason}")]
    Unreachable {
        /// What the request was about.
        subject: String,
        /// Where it went.
        host: String,
        /// What happened.
        reason: String,
        /// Whether the request can't have reached the service.
        unsent: bool,
    },
    /// The server's certificate is not one that we trust.
    #[error("{subject}: no trust in {host}: {}", shown::text(reason))]
    Untrusted {
        /// What the request was about.
        subject: String,
        /// Where it went.
        host: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// An answer came that is not what the API describes.
    #[error("{subject}: unexpected answer: {}", shown::text(reason))]
    UnexpectedAnswer {
        /// What the request was about.
        subject: String,
        /// What is unexpected.
        reason: String,
    },
}

impl CentralError {
    /// The HTTP status, if the service answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the service has no such thing.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::Unreachable { .. } => true,
            _ => false,
        }
    }

    /// Whether the request was certainly not carried out, so that even a command may be sent again.
    pub(super) fn was_not_executed(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status == 429,
            Self::Unreachable { unsent, .. } => *unsent,
            _ => false,
        }
    }

    /// How long the service asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// An error and its causes in one line; reqwest alone has little more than "error sending request".
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The refusal of a server's certificate, where that is what ended a connection.
pub(super) fn untrusted(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // What an I/O error wraps is not among its sources.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = wrapped
            .and_then(|inner| inner.downcast_ref())
            .or(error.downcast_ref::<rustls::Error>());
        match (tls, wrapped) {
            (Some(reason @ rustls::Error::InvalidCertificate(_)), _) => return Some(reason.to_string()),
            (_, Some(inner)) => cause = Some(inner),
            (_, None) => cause = error.source(),
        }
    }
    None
}
