//! Choices for which no public source was found. They stand here and nowhere else, so that each can be set right in one
//! place; the README lists them. No test claims that Azure behaves so.

use std::time::Duration;

use axum::http::StatusCode;
use iot_protocol::dps::Substatus;
use rumqttc::mqttbytes::v4::ConnectReturnCode;

/// A client whose certificate has expired, is not valid yet, or is unknown. Observed for unknown ones, assumed for the
/// others: the handshake succeeds and CONNACK refuses.
pub(crate) const BAD_CERTIFICATE: ConnectReturnCode = ConnectReturnCode::NotAuthorized;
/// A client's certificate without any extended key usage. Microsoft's quickstarts and embedded SDKs call `clientAuth`
/// mandatory (GitHub Azure/azure-sdk-for-c, pull request 2006), RFC 5280 takes a missing extension for no restriction, and
/// devices with such certificates are known to work.
pub(crate) const NO_EXTENDED_KEY_USAGE_IS_A_CLIENT: bool = true;
/// Whether RSA over SHA-1 counts as the signature of a certificate. NIST SP 800-131A disallows it, OpenSSL 3.0 still takes it by
/// default; no source states what DPS does. `cert inspect` warns.
pub(crate) const RSA_SHA1_IS_A_SIGNATURE: bool = true;
/// DPS: whether an individual enrollment for a registration id keeps a leaf of an enrolled group away from that id. The
/// order of operations states that the entry for the device applies where there is one; how another leaf is treated, no
/// source says in words: <https://learn.microsoft.com/azure/iot-dps/concepts-x509-attestation#dps-order-of-operations-with-certificates>.
pub(crate) const INDIVIDUAL_COMES_FIRST: bool = true;
/// A user name that names another id scope or another hub than the device's own.
pub(crate) const WRONG_TENANT: ConnectReturnCode = ConnectReturnCode::NotAuthorized;
/// A user name that can't be read, or a version of the DPS interface that does not exist.
pub(crate) const BAD_USER_NAME: ConnectReturnCode = ConnectReturnCode::BadUserNamePassword;

/// A gateway: DPS is asked for through it, or the hub for a device that is no child of the gateway's own.
pub(crate) const NOT_DOWNSTREAM: ConnectReturnCode = ConnectReturnCode::NotAuthorized;

/// DPS: how long a connection may be idle if its keepalive is off or longer.
pub(crate) const DPS_IDLE: Duration = Duration::from_secs(300);
/// DPS: `registrationId` of the body differs from the user name's.
pub(crate) const DPS_ID_MISMATCH: u32 = 400_004;
/// DPS: the body of a registration is not JSON.
pub(crate) const DPS_BAD_BODY: u32 = 400_000;
/// DPS over HTTPS: a path or an api-version that is not understood.
pub(crate) const DPS_BAD_REQUEST: u32 = 400_000;
/// DPS over HTTPS: another id scope. Over MQTT it is [`WRONG_TENANT`].
pub(crate) const DPS_WRONG_ID_SCOPE: u32 = 401_000;
/// DPS over HTTPS: the record of a device that has never registered.
pub(crate) const DPS_UNKNOWN_REGISTRATION: u32 = 404_202;
/// DPS: polled for an operation that does not exist.
pub(crate) const DPS_UNKNOWN_OPERATION: u32 = 404_201;
/// DPS: what it calls a registration that resets a device which keeps its hub.
pub(crate) const RESET_IN_PLACE: Substatus = Substatus::DeviceDataReset;
/// DPS: more polls than five in ten seconds.
pub(crate) const DPS_THROTTLED: u32 = 429_001;

/// CONNECT while too many devices connect.
pub(crate) const THROTTLED_CONNECT: ConnectReturnCode = ConnectReturnCode::ServiceUnavailable;
/// Hub: how long telemetry above the quota is held back before the connection is closed instead.
pub(crate) const SHAPED_AT_MOST: Duration = Duration::from_secs(10);
/// The detail code of an error of which only the status is known.
pub(crate) fn error_code_of(status: u16) -> u32 {
    match status {
        429 => DPS_THROTTLED,
        status => u32::from(status) * 1000,
    }
}

/// Hub: a twin patch that is not JSON or breaks a limit of twins.
pub(crate) const TWIN_BAD_PATCH: u32 = 400_004;
/// Hub: which property marks that a device asked for its message to be retained, and with which value.
pub(crate) const RETAIN_PROPERTY: (&str, &str) = ("mqtt-retain", "true");

/// Hub: a method of a device that is offline or takes no methods. That is the documented class; the rest of the body is not.
pub(crate) const METHOD_NOT_ONLINE: u32 = 404_103;
/// Hub: a method that a device did not answer in time.
pub(crate) const METHOD_UNANSWERED: u32 = 504_101;

/// IoT Central: command to a device that is offline, takes no commands, or does not answer in time.
pub(crate) const COMMAND_UNANSWERED: (StatusCode, &str) = (StatusCode::NOT_FOUND, "DeviceNotOnline");
/// IoT Central: a desired property, or a command's request, whose value is of another schema than the template has, and a
/// write of a property that is read-only. The status is documented for any body that can't be validated, but not that
/// these are: <https://learn.microsoft.com/rest/api/iotcentral/common-error-codes>.
pub(crate) const MISFIT: (StatusCode, &str) = (StatusCode::UNPROCESSABLE_ENTITY, "InvalidBody");
/// IoT Central: a certificate that another enrollment uses already.
pub(crate) const CERTIFICATE_IN_USE: (StatusCode, &str) = (StatusCode::CONFLICT, "Conflict");
/// IoT Central: a verification certificate that proves nothing.
pub(crate) const NOT_VERIFIED: (StatusCode, &str) = (StatusCode::UNPROCESSABLE_ENTITY, "InvalidCertificate");
/// IoT Central: a device that is to have two parents.
pub(crate) const SECOND_PARENT: (StatusCode, &str) = (StatusCode::CONFLICT, "Conflict");
/// IoT Central: an API token that is asked for under an id that is taken.
pub(crate) const TOKEN_EXISTS: (StatusCode, &str) = (StatusCode::CONFLICT, "Conflict");
/// A cloud-to-device queue that is full (the hub's own class is 403004).
pub(crate) const QUEUE_FULL: (StatusCode, &str) = (StatusCode::FORBIDDEN, "DeviceMaximumQueueDepthExceeded");
