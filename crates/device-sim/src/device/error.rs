//! What went wrong for a device: the kind, which decides what it does, a word to count, and a sentence to read.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use iot_protocol::id::DeviceId;
use jiff::Timestamp;
use mqtt_link::{ConnectError, ConnectRefusal, LinkError};
use provisioning::certificate::CertificateError;
use provisioning::identities::IdentityError;
use provisioning::register::RegistrationError;

use crate::clock;
use crate::recovery::Failure;

#[derive(Debug)]
pub(super) struct DeviceError {
    pub(super) failure: Failure,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl DeviceError {
    pub(super) fn identity(error: &IdentityError) -> Self {
        let reason = match error {
            IdentityError::Certificate(CertificateError::Expired { .. }) => "certificate_expired",
            IdentityError::Certificate(CertificateError::NotYetValid { .. }) => "certificate_not_yet_valid",
            IdentityError::Certificate(CertificateError::Unfit { .. }) => "certificate_unfit",
            _ => "identity",
        };
        Self {
            failure: Failure::OperatorMustAct,
            reason,
            message: sentence(error),
        }
    }

    pub(super) fn registration(error: &RegistrationError) -> Self {
        let failure = if error.is_retryable() {
            Failure::DpsUnavailable {
                retry_after: error.retry_after(),
            }
        } else {
            Failure::OperatorMustAct
        };
        Self {
            failure,
            reason: error.reason(),
            message: sentence(error),
        }
    }

    pub(super) fn connection(error: &ConnectError) -> Self {
        Self {
            failure: classify(error),
            reason: error.reason(),
            message: sentence(error),
        }
    }

    /// The same behind a gateway. There is no DPS to ask, so a device that is refused there needs a person.
    pub(super) fn at_gateway(error: &ConnectError, gateway: &DeviceId) -> Self {
        let error = Self::connection(error);
        if error.failure != Failure::HubRefused {
            return error;
        }
        Self {
            failure: Failure::OperatorMustAct,
            reason: "gateway_refused",
            message: format!(
                "the gateway {gateway} refuses it ({}): it has to be a child of {gateway}, with a certificate that \
                 is registered with its hub",
                error.message
            ),
        }
    }

    /// A session that had lasted for some time has broken.
    pub(super) fn link(error: &LinkError, lasted: Duration) -> Self {
        let failure = match error {
            error if error.refuses_our_certificate() => Failure::HubRefused,
            LinkError::Closed => Failure::SessionClosed { lasted },
            // Closing a socket with unread telemetry in it resets the connection: the busier the device, the more
            // likely.
            LinkError::Io(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                Failure::SessionClosed { lasted }
            }
            _ => Failure::HubUnreachable,
        };
        Self {
            failure,
            reason: error.reason(),
            message: sentence(error),
        }
    }

    pub(super) fn hub(reason: &'static str, message: String) -> Self {
        Self {
            failure: Failure::HubUnreachable,
            reason,
            message,
        }
    }

    pub(super) fn throttled(message: String) -> Self {
        Self {
            failure: Failure::HubThrottled,
            reason: "hub_throttled",
            message,
        }
    }

    /// Nothing that waiting or asking DPS would fix.
    pub(super) fn operator(reason: &'static str, error: &(dyn Error + 'static)) -> Self {
        Self {
            failure: Failure::OperatorMustAct,
            reason,
            message: sentence(error),
        }
    }
}

fn classify(error: &ConnectError) -> Failure {
    match error {
        ConnectError::Refused {
            refusal: ConnectRefusal::BadCredentials | ConnectRefusal::NotAuthorized,
            ..
        } => Failure::HubRefused,
        ConnectError::Tls { source, .. } if source.refuses_our_certificate() => Failure::HubRefused,
        _ if error.is_retryable() => Failure::HubUnreachable,
        // A certificate that is not trusted, a proxy that requires another password, an unsupported version.
        _ => Failure::OperatorMustAct,
    }
}

/// An error with all its causes.
fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence.push_str(": ");
        let dates = error
            .downcast_ref()
            .and_then(|failure| clock::words(failure, Timestamp::now()));
        if let Some(dates) = dates {
            return sentence + &dates;
        }
        sentence.push_str(&error.to_string());
        cause = error.source();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::UnixTime;

    use super::*;

    #[test]
    fn dates_that_do_not_fit_are_shown_beside_the_clock() {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(1_795_802_400));
        let not_after = UnixTime::since_unix_epoch(Duration::from_secs(1_000_000_000));
        let expired = rustls::CertificateError::ExpiredContext { time, not_after };
        let error = ConnectError::Tls {
            server_name: "dps.example".into(),
            source: mqtt_link::TlsFailure::Tls(rustls::Error::InvalidCertificate(expired)),
        };
        assert_eq!(
            DeviceError::connection(&error).message,
            "tls handshake with `dps.example` failed: the server's certificate expired on 2001-09-09T01:46:40Z; this \
             machine's clock says 2026-11-27T18:00:00Z"
        );
    }
}
