//! The reasons why a device failed. They follow the slash in counters too: `connect_failed/mqtt_not_authorized`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One list, so that a reason can't be in the enum and not among the words.
macro_rules! reasons {
    ($($name:ident = $word:literal,)+) => {
        /// Why a device failed, in one word.
        ///
        /// Twin requests, reports and commands fail with a status instead, such as `404`. The words come from the errors of
        /// mqtt-link and provisioning, from the life of a device and from the launcher's operator; a test reads them there.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum Reason {
            $(#[doc = concat!("`", $word, "`")] $name,)+
            /// A word of another version, or one that is never counted, such as `reboot`.
            Other(Box<str>),
        }

        /// Every word that a counter can have behind its slash, in order.
        pub const REASONS: &[&str] = &[$($word,)+];

        impl Reason {
            /// Its word.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for Reason {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$name,)+
                    _ => Self::Other(word.into()),
                }
            }
        }
    };
}

reasons! {
    BufferFull = "buffer_full",
    CertificateExpired = "certificate_expired",
    CertificateNotYetValid = "certificate_not_yet_valid",
    CertificateUnfit = "certificate_unfit",
    Closed = "closed",
    CutOnPurpose = "cut_on_purpose",
    Dns = "dns",
    DpsAssignmentFailed = "dps_assignment_failed",
    DpsBadRequest = "dps_bad_request",
    DpsConflict = "dps_conflict",
    DpsDeadline = "dps_deadline",
    DpsDisabled = "dps_disabled",
    DpsError = "dps_error",
    DpsNotApproved = "dps_not_approved",
    DpsNotFound = "dps_not_found",
    DpsProtocol = "dps_protocol",
    DpsThrottled = "dps_throttled",
    DpsUnanswered = "dps_unanswered",
    DpsUnauthorized = "dps_unauthorized",
    DpsUnavailable = "dps_unavailable",
    Ended = "ended",
    Endpoint = "endpoint",
    GatewayRefused = "gateway_refused",
    HubThrottled = "hub_throttled",
    Identity = "identity",
    InvalidFilter = "invalid_filter",
    InvalidTopic = "invalid_topic",
    Io = "io",
    MqttBadCredentials = "mqtt_bad_credentials",
    MqttClientId = "mqtt_client_id",
    MqttClosed = "mqtt_closed",
    MqttIo = "mqtt_io",
    MqttNotAuthorized = "mqtt_not_authorized",
    MqttOptions = "mqtt_options",
    MqttProtocol = "mqtt_protocol",
    MqttProtocolVersion = "mqtt_protocol_version",
    MqttServerUnavailable = "mqtt_server_unavailable",
    NoDeviceOnline = "no_device_online",
    NoPacketId = "no_packet_id",
    NotAcknowledged = "not_acknowledged",
    OnlineTooBriefly = "online_too_briefly",
    OutboxFull = "outbox_full",
    PeerNotReading = "peer_not_reading",
    PeerSilent = "peer_silent",
    PingTimeout = "ping_timeout",
    ProcessDied = "process_died",
    Protocol = "protocol",
    ProxyAuthentication = "proxy_authentication",
    ProxyClosed = "proxy_closed",
    ProxyIo = "proxy_io",
    ProxyMalformed = "proxy_malformed",
    ProxyRefused = "proxy_refused",
    Rebooted = "rebooted",
    Replaced = "replaced",
    Reset = "reset",
    RestUnexpectedAnswer = "rest_unexpected_answer",
    RestUnreachable = "rest_unreachable",
    RestUntrusted = "rest_untrusted",
    StillConnecting = "still_connecting",
    StillRegistering = "still_registering",
    SubscribeRefused = "subscribe_refused",
    Tcp = "tcp",
    TcpNoLocalPort = "tcp_no_local_port",
    TcpRefused = "tcp_refused",
    TcpReset = "tcp_reset",
    TcpUnreachable = "tcp_unreachable",
    Timeout = "timeout",
    TimeoutDns = "timeout_dns",
    TimeoutMqtt = "timeout_mqtt",
    TimeoutSubscribe = "timeout_subscribe",
    TimeoutTcp = "timeout_tcp",
    TimeoutTls = "timeout_tls",
    TimeoutTwin = "timeout_twin",
    Tls = "tls",
    TlsAlert = "tls_alert",
    TlsAlertAccessDenied = "tls_alert_access_denied",
    TlsAlertBadCertificate = "tls_alert_bad_certificate",
    TlsAlertCertificateExpired = "tls_alert_certificate_expired",
    TlsAlertCertificateRequired = "tls_alert_certificate_required",
    TlsAlertCertificateRevoked = "tls_alert_certificate_revoked",
    TlsAlertCertificateUnknown = "tls_alert_certificate_unknown",
    TlsAlertDecryptError = "tls_alert_decrypt_error",
    TlsAlertHandshakeFailure = "tls_alert_handshake_failure",
    TlsAlertInternalError = "tls_alert_internal_error",
    TlsAlertProtocolVersion = "tls_alert_protocol_version",
    TlsAlertUnknownCa = "tls_alert_unknown_ca",
    TlsAlertUnrecognisedName = "tls_alert_unrecognised_name",
    TlsAlertUnsupportedCertificate = "tls_alert_unsupported_certificate",
    TlsClosed = "tls_closed",
    TlsIncompatible = "tls_incompatible",
    TlsIo = "tls_io",
    TlsMisbehaved = "tls_misbehaved",
    TlsReset = "tls_reset",
    TlsServerBadSignature = "tls_server_bad_signature",
    TlsServerCertificate = "tls_server_certificate",
    TlsServerExpired = "tls_server_expired",
    TlsServerNotValidYet = "tls_server_not_valid_yet",
    TlsServerRevoked = "tls_server_revoked",
    TlsServerUnknownIssuer = "tls_server_unknown_issuer",
    TlsServerWrongName = "tls_server_wrong_name",
    TooLarge = "too_large",
    TooManyUnderWay = "too_many_under_way",
    TooOld = "too_old",
    TwinRefused = "twin_refused",
    TwinUnreadable = "twin_unreadable",
    WaitingForConnectRate = "waiting_for_connect_rate",
    WaitingForRegisterRate = "waiting_for_register_rate",
    WindowFull = "window_full",
    WsProtocol = "ws_protocol",
    WsRefused = "ws_refused",
    WsSubprotocol = "ws_subprotocol",
}

impl From<String> for Reason {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.as_str().to_owned()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The statuses with which a hub or a device refuses something.
pub const STATUSES: std::ops::RangeInclusive<u16> = 400..=599;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_same_word_in_a_line_and_in_a_counter() {
        for word in REASONS {
            let reason = Reason::from(*word);
            assert!(!matches!(reason, Reason::Other(_)), "{word}");
            assert_eq!(serde_json::to_value(&reason).unwrap(), **word);
        }
    }

    #[test]
    fn a_word_of_another_version_is_kept() {
        let reason: Reason = serde_json::from_str("\"dps_moved\"").unwrap();
        assert_eq!(reason, Reason::Other("dps_moved".into()));
        assert_eq!(serde_json::to_string(&reason).unwrap(), "\"dps_moved\"");
    }
}
