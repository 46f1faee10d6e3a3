//! What the reason of a failure likely means, and what helps: one decision for each, so that a new reason can't go without.

use fleet_protocol::reason::Reason;
use provisioning::explain::{self, Advice, Candidates};

/// Advice on a failure; `None` where the message of the failure has all that there is to report.
#[must_use]
pub const fn on(reason: &Reason) -> Option<Advice> {
    match reason {
        Reason::DpsUnauthorized | Reason::MqttNotAuthorized => explain::of_dps(401_002),
        Reason::DpsNotApproved => explain::of_dps(400_209),
        Reason::DpsDisabled => Some(Advice {
            cause: "its enrollment group or its own enrollment is disabled",
            remedy: "enable it where it was disabled; the device registers by itself then",
        }),
        Reason::DpsNotFound => explain::of_dps(404_000),
        Reason::DpsConflict => explain::of_dps(409_000),
        Reason::CertificateExpired => Some(Advice {
            cause: "its certificate has expired",
            remedy: "`fleet cert status` shows what expires when; `fleet cert renew` issues a new one, with a new key",
        }),
        // One name per line, as rustfmt has it, would be a hundred lines.
        #[rustfmt::skip]
        Reason::BufferFull | Reason::CertificateNotYetValid | Reason::CertificateUnfit | Reason::Closed
        | Reason::CutOnPurpose | Reason::Dns
        | Reason::DpsAssignmentFailed | Reason::DpsBadRequest | Reason::DpsDeadline | Reason::DpsError
        | Reason::DpsProtocol | Reason::DpsThrottled | Reason::DpsUnanswered | Reason::DpsUnavailable | Reason::Ended
        | Reason::Endpoint | Reason::GatewayRefused | Reason::HubThrottled | Reason::Identity | Reason::InvalidFilter
        | Reason::InvalidTopic | Reason::Io | Reason::MqttBadCredentials | Reason::MqttClientId | Reason::MqttClosed
        | Reason::MqttIo | Reason::MqttOptions | Reason::MqttProtocol | Reason::MqttProtocolVersion
        | Reason::MqttServerUnavailable | Reason::NoDeviceOnline | Reason::NoPacketId | Reason::NotAcknowledged
        | Reason::OnlineTooBriefly | Reason::OutboxFull
        | Reason::PeerNotReading | Reason::PeerSilent | Reason::PingTimeout | Reason::ProcessDied | Reason::Protocol
        | Reason::ProxyAuthentication | Reason::ProxyClosed | Reason::ProxyIo | Reason::ProxyMalformed
        | Reason::ProxyRefused | Reason::Rebooted | Reason::Replaced | Reason::Reset | Reason::RestUnexpectedAnswer
        | Reason::RestUnreachable | Reason::RestUntrusted | Reason::StillConnecting
        | Reason::StillRegistering | Reason::SubscribeRefused | Reason::Tcp | Reason::TcpNoLocalPort
        | Reason::TcpRefused | Reason::TcpReset | Reason::TcpUnreachable | Reason::Timeout | Reason::TimeoutDns
        | Reason::TimeoutMqtt | Reason::TimeoutSubscribe | Reason::TimeoutTcp | Reason::TimeoutTls | Reason::TimeoutTwin
        | Reason::Tls | Reason::TlsAlert | Reason::TlsAlertAccessDenied | Reason::TlsAlertBadCertificate
        | Reason::TlsAlertCertificateExpired | Reason::TlsAlertCertificateRequired | Reason::TlsAlertCertificateRevoked
        | Reason::TlsAlertCertificateUnknown | Reason::TlsAlertDecryptError | Reason::TlsAlertHandshakeFailure
        | Reason::TlsAlertInternalError | Reason::TlsAlertProtocolVersion | Reason::TlsAlertUnknownCa
        | Reason::TlsAlertUnrecognisedName | Reason::TlsAlertUnsupportedCertificate | Reason::TlsClosed
        | Reason::TlsIncompatible | Reason::TlsIo | Reason::TlsMisbehaved | Reason::TlsReset
        | Reason::TlsServerBadSignature | Reason::TlsServerCertificate | Reason::TlsServerExpired
        | Reason::TlsServerNotValidYet | Reason::TlsServerRevoked | Reason::TlsServerUnknownIssuer
        | Reason::TlsServerWrongName | Reason::TooLarge | Reason::TooManyUnderWay | Reason::TooOld
        | Reason::TwinRefused | Reason::TwinUnreadable
        | Reason::WaitingForConnectRate | Reason::WaitingForRegisterRate | Reason::WindowFull | Reason::WsProtocol
        | Reason::WsRefused | Reason::WsSubprotocol | Reason::Other(_) => None,
    }
}

/// What helps against a failure, by the word of its reason.
#[must_use]
pub fn remedy(reason: &str) -> Option<String> {
    on(&reason.into()).map(|advice| advice.remedy.to_owned())
}

/// The candidates for a refusal as lines: what the device's own certificates show, then what only the application can show.
#[must_use]
pub fn candidates(candidates: &Candidates) -> Vec<String> {
    let Candidates { found, check } = candidates;
    let found = found.iter().map(|found| format!("likely cause: {found}"));
    let mut lines: Vec<_> = found.collect();
    if check.is_empty() {
        return lines;
    }
    let begin = if lines.is_empty() {
        "check"
    } else {
        "if it is something else, check"
    };
    lines.push(format!(
        "{begin} in this order, as the service gives one answer for all of these:"
    ));
    let numbered = check.iter().enumerate();
    lines.extend(numbered.map(|(index, check)| format!("  {}. {check}", index + 1)));
    lines
}

/// Whether a failure may be explained by what the device sends and what is enrolled.
#[must_use]
pub const fn is_about_certificates(reason: &Reason) -> bool {
    matches!(reason, Reason::DpsUnauthorized | Reason::MqttNotAuthorized)
}
