//! Why a TLS handshake failed, as words that can be counted.

use std::io;

use rustls::{AlertDescription, CertificateError};
use rustls_pki_types::CertificateDer;

/// Why a TLS handshake failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The certificate was not accepted, by us (`InvalidCertificate`) or by the server (`AlertReceived`), or the two
    /// sides could not agree.
    #[error(transparent)]
    Tls(rustls::Error),
    /// We did not accept the server's certificate for its dates, or for those of a CA above it.
    #[error("{error}")]
    Dates {
        /// Which date did not fit.
        error: rustls::Error,
        /// The server's own certificate.
        leaf: CertificateDer<'static>,
    },
    /// The socket failed or was closed in the middle of the handshake.
    #[error(transparent)]
    Io(io::Error),
}

impl TlsFailure {
    /// Whether it is neither our certificate nor the server's that was refused.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Tls(rustls::Error::InvalidCertificate(_)) | Self::Dates { .. } => false,
            Self::Tls(error) => !refuses_our_certificate(error),
            Self::Io(_) => true,
        }
    }

    /// Whether the server refused our certificate.
    pub fn refuses_our_certificate(&self) -> bool {
        matches!(self, Self::Tls(error) if refuses_our_certificate(error))
    }

    /// Whether a certificate was refused for its dates. A clock that is wrong looks the same.
    pub fn out_of_date(&self) -> Option<OutOfDate> {
        let (Self::Tls(error) | Self::Dates { error, .. }) = self else {
            return None;
        };
        match error {
            rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => {
                Some(OutOfDate::ServerExpired {
                    now: time.as_secs(),
                    not_after: not_after.as_secs(),
                })
            }
            rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { time, not_before }) => {
                Some(OutOfDate::ServerNotYetValid {
                    now: time.as_secs(),
                    not_before: not_before.as_secs(),
                })
            }
            rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => Some(OutOfDate::Ours),
            _ => None,
        }
    }

    /// The same with the certificate that the server presented, where the error is about that.
    pub(crate) fn with_leaf(self, leaf: Option<CertificateDer<'static>>) -> Self {
        match (self.out_of_date(), self, leaf) {
            (
                Some(OutOfDate::ServerExpired { .. } | OutOfDate::ServerNotYetValid { .. }),
                Self::Tls(error),
                Some(leaf),
            ) => Self::Dates { error, leaf },
            (_, failure, _) => failure,
        }
    }

    /// A stable snake_case word for counting.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Tls(error) | Self::Dates { error, .. } => reason(error),
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => "tls_closed",
            Self::Io(error) if error.kind() == io::ErrorKind::ConnectionReset => "tls_reset",
            Self::Io(_) => "tls_io",
        }
    }
}

/// A certificate that was refused for its dates, which are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfDate {
    /// The server's is over.
    ServerExpired {
        /// The time of this machine's clock.
        now: u64,
        /// The last second it was valid.
        not_after: u64,
    },
    /// The server's has not begun.
    ServerNotYetValid {
        /// The time of this machine's clock.
        now: u64,
        /// The first second it will be valid.
        not_before: u64,
    },
    /// Ours has expired, according to the server.
    Ours,
}

impl From<io::Error> for TlsFailure {
    /// rustls' own error travels inside an [`io::Error`]; it is taken out again.
    fn from(error: io::Error) -> Self {
        match error.downcast::<rustls::Error>() {
            Ok(error) => Self::Tls(error),
            Err(error) => Self::Io(error),
        }
    }
}

/// Whether a server sent an alert that refuses our certificate.
pub(super) fn refuses_our_certificate(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::AlertReceived(
            AlertDescription::NoCertificate
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateRequired
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
        )
    )
}

/// `tls_server_…` means that we refused the server's certificate, `tls_alert_…` that the server refused us.
pub(super) fn reason(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "tls_server_expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "tls_server_not_valid_yet",
            CertificateError::UnknownIssuer => "tls_server_unknown_issuer",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "tls_server_wrong_name"
            }
            CertificateError::Revoked => "tls_server_revoked",
            CertificateError::BadSignature => "tls_server_bad_signature",
            _ => "tls_server_certificate",
        },
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateExpired => "tls_alert_certificate_expired",
            AlertDescription::CertificateRevoked => "tls_alert_certificate_revoked",
            AlertDescription::CertificateUnknown => "tls_alert_certificate_unknown",
            AlertDescription::CertificateRequired => "tls_alert_certificate_required",
            AlertDescription::BadCertificate => "tls_alert_bad_certificate",
            AlertDescription::UnsupportedCertificate => "tls_alert_unsupported_certificate",
            AlertDescription::UnknownCA => "tls_alert_unknown_ca",
            AlertDescription::AccessDenied => "tls_alert_access_denied",
            AlertDescription::DecryptError => "tls_alert_decrypt_error",
            AlertDescription::HandshakeFailure => "tls_alert_handshake_failure",
            AlertDescription::ProtocolVersion => "tls_alert_protocol_version",
            AlertDescription::UnrecognisedName => "tls_alert_unrecognised_name",
            AlertDescription::InternalError => "tls_alert_internal_error",
            _ => "tls_alert",
        },
        rustls::Error::PeerIncompatible(_) => "tls_incompatible",
        rustls::Error::PeerMisbehaved(_)
        | rustls::Error::InvalidMessage(_)
        | rustls::Error::InappropriateMessage { .. }
        | rustls::Error::InappropriateHandshakeMessage { .. } => "tls_misbehaved",
        _ => "tls",
    }
}
