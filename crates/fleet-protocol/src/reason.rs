//! The reasons why a device failed. They follow the slash in counters too: `connect_failed/mqtt_not_authorized`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One list, so that a reason can't be in the enum and not among the words.
macro_rules! reasons {
    ($($name:ident = $word:literal, $about:literal;)+) => {
        /// Why a device failed, in one word.
        ///
        /// Twin requests, reports and commands fail with a status instead, such as `404`. The words come from the errors of
        /// mqtt-link and provisioning, from the life of a device and from the launcher's operator; a test reads them there.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum Reason {
            $(#[doc = concat!("`", $word, "`: ", $about)] $name,)+
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

            /// What it means, in a sentence; nothing is known of a word of another version.
            #[must_use]
            pub const fn about(&self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($about),)+
                    Self::Other(_) => None,
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
    BufferFull = "buffer_full", "The connection holds as many bytes as it may and the hub takes none.";
    CertificateExpired = "certificate_expired", "The device's own certificate has expired.";
    CertificateNotYetValid = "certificate_not_yet_valid", "The device's own certificate is not valid yet: its clock or its dates are wrong.";
    CertificateUnfit = "certificate_unfit", "The device's own certificate can't be a client's, such as one without `clientAuth` where usages are named.";
    Closed = "closed", "The hub closed the connection during a session.";
    CutOnPurpose = "cut_on_purpose", "The device cut its own connection, a fault that its manifest asks for.";
    Dns = "dns", "A host name does not resolve.";
    DpsAssignmentFailed = "dps_assignment_failed", "DPS has the enrollment and could not assign a hub.";
    DpsBadRequest = "dps_bad_request", "DPS refused a registration with 400: something in the request is wrong.";
    DpsConflict = "dps_conflict", "DPS refused a registration with 409 or 412: the device registers from two places at once.";
    DpsDeadline = "dps_deadline", "A registration took longer than it may, from its first request to the assignment.";
    DpsDisabled = "dps_disabled", "DPS answered that the device, or the enrollment that it belongs to, is disabled.";
    DpsError = "dps_error", "DPS refused a registration with a status that has no word of its own.";
    DpsNotApproved = "dps_not_approved", "The device waits for approval in IoT Central, or an operator has blocked it (400209).";
    DpsNotFound = "dps_not_found", "DPS refused with 404: no such enrollment or registration.";
    DpsProtocol = "dps_protocol", "DPS sent an answer that is not one.";
    DpsThrottled = "dps_throttled", "DPS refused with 429: more registrations than the quota allows. The device comes again as late as DPS asked.";
    DpsUnanswered = "dps_unanswered", "DPS did not answer a request in time.";
    DpsUnauthorized = "dps_unauthorized", "DPS refused with 401: no enrollment has the device's certificate, or a CA above it that it sends along.";
    DpsUnavailable = "dps_unavailable", "DPS answered with a status from 500 on: it has a trouble of its own.";
    Ended = "ended", "A message was to go out on a connection that had ended.";
    Endpoint = "endpoint", "The host that DPS assigned, or the proxy on the way to it, can't be used as an address.";
    GatewayRefused = "gateway_refused", "The IoT Edge gateway refused the device: it is not a child of it, or the gateway is not in IoT Central.";
    HubThrottled = "hub_throttled", "The hub refused with 429: more than its tier allows.";
    Identity = "identity", "The device's certificate or key can't be read, or they do not belong together.";
    InvalidFilter = "invalid_filter", "A topic filter is not one that MQTT allows: a fault of this program.";
    InvalidTopic = "invalid_topic", "A topic is not one that MQTT allows: a fault of this program.";
    Io = "io", "The connection broke during a session, in the system's words.";
    MqttBadCredentials = "mqtt_bad_credentials", "CONNACK 4: the hub or DPS can't read the user name, or does not take the credentials.";
    MqttClientId = "mqtt_client_id", "CONNACK 2: the client id is not accepted.";
    MqttClosed = "mqtt_closed", "The connection was closed before CONNACK; Azure does so instead of some refusals.";
    MqttIo = "mqtt_io", "The connection broke before CONNACK, in the system's words.";
    MqttNotAuthorized = "mqtt_not_authorized", "CONNACK 5: the hub or DPS does not accept this device with this certificate.";
    MqttOptions = "mqtt_options", "CONNECT can't be made of the given options: a fault of this program.";
    MqttProtocol = "mqtt_protocol", "What came instead of CONNACK is not MQTT 3.1.1.";
    MqttProtocolVersion = "mqtt_protocol_version", "CONNACK 1: the server does not speak MQTT 3.1.1.";
    MqttServerUnavailable = "mqtt_server_unavailable", "CONNACK 3: the hub or DPS can't serve the device now; too many connections at once look like this.";
    NoDeviceOnline = "no_device_online", "The operator had something for a device, and none of its group was online.";
    NoPacketId = "no_packet_id", "All 65,535 packet ids of a connection are in use.";
    NotAcknowledged = "not_acknowledged", "Messages were still without a PUBACK when their device ended, or the operator's property without an acknowledgement in time.";
    OnlineTooBriefly = "online_too_briefly", "The operator had nothing to do for a device that had come online only just before.";
    OutboxFull = "outbox_full", "A device had 64 messages without a PUBACK, and gave up the oldest for the newest.";
    PeerNotReading = "peer_not_reading", "The hub does not take what is sent: its system acknowledges nothing for too long.";
    PeerSilent = "peer_silent", "Nothing came from the hub's machine for too long, not even TCP acknowledgements.";
    PingTimeout = "ping_timeout", "A PINGREQ was not answered in time.";
    ProcessDied = "process_died", "The process that simulated the device died, and its messages with it.";
    Protocol = "protocol", "The hub sent something during a session that is not MQTT 3.1.1.";
    ProxyAuthentication = "proxy_authentication", "The proxy refused the credentials in HTTPS_PROXY (407).";
    ProxyClosed = "proxy_closed", "The proxy closed the connection before it opened a tunnel.";
    ProxyIo = "proxy_io", "The connection to the proxy broke.";
    ProxyMalformed = "proxy_malformed", "What the proxy answered is not HTTP.";
    ProxyRefused = "proxy_refused", "The proxy does not open a tunnel to the host and port.";
    Rebooted = "rebooted", "A reboot, asked for by an event or an order, took the messages that the device held in memory.";
    Replaced = "replaced", "Another connection with the same device id took the place of this one.";
    Reset = "reset", "The hub's side reset the connection during a session.";
    RestUnexpectedAnswer = "rest_unexpected_answer", "The REST API answered something that its documentation does not have.";
    RestUnreachable = "rest_unreachable", "No answer came from the REST API.";
    RestUntrusted = "rest_untrusted", "The certificate of the REST API is not trusted.";
    StillConnecting = "still_connecting", "The run ended while the device was connecting for the first time.";
    StillRegistering = "still_registering", "The run ended while the device was registering for the first time.";
    SubscribeRefused = "subscribe_refused", "The hub refused a subscription that the device needs.";
    Tcp = "tcp", "No TCP connection, in the system's words.";
    TcpNoLocalPort = "tcp_no_local_port", "This machine has no local port left for one more connection to the same server.";
    TcpRefused = "tcp_refused", "The host refuses connections on this port: no program listens there.";
    TcpReset = "tcp_reset", "The connection was reset while it was opened.";
    TcpUnreachable = "tcp_unreachable", "No route leads to the host or its network.";
    Timeout = "timeout", "The answer to a request of the device or the operator did not come in time.";
    TimeoutDns = "timeout_dns", "DNS did not answer in time.";
    TimeoutMqtt = "timeout_mqtt", "CONNACK did not come in time.";
    TimeoutSubscribe = "timeout_subscribe", "SUBACK did not come in time.";
    TimeoutTcp = "timeout_tcp", "The host did not answer on this port in time; a firewall that drops packets looks like this.";
    TimeoutTls = "timeout_tls", "The TLS handshake did not end in time.";
    TimeoutTwin = "timeout_twin", "The hub did not answer the request for the twin in time.";
    Tls = "tls", "The TLS handshake failed for a reason that has no word of its own.";
    TlsAlert = "tls_alert", "The server ended the handshake with an alert that has no word of its own.";
    TlsAlertAccessDenied = "tls_alert_access_denied", "The server sent the alert access_denied: a valid certificate that it does not let in.";
    TlsAlertBadCertificate = "tls_alert_bad_certificate", "The server sent the alert bad_certificate: it can't read the device's certificate, or its signature is wrong.";
    TlsAlertCertificateExpired = "tls_alert_certificate_expired", "The server sent the alert certificate_expired: the device's certificate, or the server's clock.";
    TlsAlertCertificateRequired = "tls_alert_certificate_required", "The server sent the alert certificate_required: the device presented none.";
    TlsAlertCertificateRevoked = "tls_alert_certificate_revoked", "The server sent the alert certificate_revoked.";
    TlsAlertCertificateUnknown = "tls_alert_certificate_unknown", "The server sent the alert certificate_unknown: it does not accept the device's certificate.";
    TlsAlertDecryptError = "tls_alert_decrypt_error", "The server sent the alert decrypt_error: the key does not belong to the certificate.";
    TlsAlertHandshakeFailure = "tls_alert_handshake_failure", "The server sent the alert handshake_failure: no common cipher or version, or no certificate where one is needed.";
    TlsAlertInternalError = "tls_alert_internal_error", "The server sent the alert internal_error.";
    TlsAlertProtocolVersion = "tls_alert_protocol_version", "The server sent the alert protocol_version: it speaks neither TLS 1.2 nor 1.3.";
    TlsAlertUnknownCa = "tls_alert_unknown_ca", "The server sent the alert unknown_ca: it does not know the CA above the device's certificate.";
    TlsAlertUnrecognisedName = "tls_alert_unrecognised_name", "The server sent the alert unrecognized_name: it does not serve the host that was asked for.";
    TlsAlertUnsupportedCertificate = "tls_alert_unsupported_certificate", "The server sent the alert unsupported_certificate: it does not take this kind of key.";
    TlsClosed = "tls_closed", "The server closed the connection during the handshake.";
    TlsIncompatible = "tls_incompatible", "The server and this program have no TLS version, cipher or signature in common.";
    TlsIo = "tls_io", "The connection broke during the handshake, in the system's words.";
    TlsMisbehaved = "tls_misbehaved", "What answers does not speak TLS, or not as the standard has it.";
    TlsReset = "tls_reset", "The connection was reset during the handshake.";
    TlsServerBadSignature = "tls_server_bad_signature", "A signature in the server's chain is wrong.";
    TlsServerCertificate = "tls_server_certificate", "The server's certificate is refused for a reason that has no word of its own.";
    TlsServerExpired = "tls_server_expired", "A certificate of the server has expired, or the clock of this machine is wrong.";
    TlsServerNotValidYet = "tls_server_not_valid_yet", "A certificate of the server is not valid yet, or the clock of this machine is wrong.";
    TlsServerRevoked = "tls_server_revoked", "The server's certificate is revoked.";
    TlsServerUnknownIssuer = "tls_server_unknown_issuer", "The server's certificate does not come from a CA that is trusted here.";
    TlsServerWrongName = "tls_server_wrong_name", "The server's certificate is for another name.";
    TooLarge = "too_large", "A message is larger than a hub takes.";
    TooManyUnderWay = "too_many_under_way", "The operator had as many requests under way as it may, and left this one out.";
    TooOld = "too_old", "A message waited so long to be sent that the device gave it up.";
    TwinRefused = "twin_refused", "The hub refused the request for the twin.";
    TwinUnreadable = "twin_unreadable", "The twin that the hub sent can't be read.";
    WaitingForConnectRate = "waiting_for_connect_rate", "The run ended before it was the device's turn to connect: `load.connect_rate` is too slow for the stages.";
    WaitingForRegisterRate = "waiting_for_register_rate", "The run ended before it was the device's turn to register: `load.register_rate` is too slow.";
    WindowFull = "window_full", "As many messages as the connection allows are without a PUBACK.";
    WsProtocol = "ws_protocol", "What came over the WebSocket is not the protocol.";
    WsRefused = "ws_refused", "The server refused to upgrade the connection to a WebSocket.";
    WsSubprotocol = "ws_subprotocol", "The server accepted the WebSocket, and not the subprotocol mqtt.";
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
