//! What can happen. A client may have written parts of it, so every text has a limit.

use serde::Serialize;

use crate::phase::Phase;
use crate::refusal_reason::RefusalReason;
use crate::store::NotStored;

/// How many characters are kept of a text, part of which a client may have written: longer than any device id and most of
/// our own reasons.
pub(super) const LONGEST: usize = 200;
/// The same for the reason of a refusal, which may name certificates, their thumbprints and a group.
const LONGEST_REASON: usize = 400;

/// Which of the two services on the MQTT port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Device Provisioning Service.
    Dps,
    /// IoT Hub.
    Hub,
}

impl From<NotStored> for DisconnectReason {
    fn from(_: NotStored) -> Self {
        Self::NotStored
    }
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "where a field has no comment, its name is what it holds")]
pub enum Event {
    /// A connection ended before the client had identified itself.
    Dropped { reason: String },
    /// A client named no server in its TLS handshake (SNI).
    NoServerName,
    /// A CONNECT was refused.
    Refused {
        /// By which service, where the user name names one.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<Service>,
        /// The return code of CONNACK.
        code: u8,
        /// The reason in a word.
        why: RefusalReason,
        reason: String,
    },
    /// A device comes through a gateway.
    ThroughGateway {
        /// The Edge device that the gateway stands for.
        gateway: String,
    },
    /// A client is connected.
    Connected { service: Service },
    /// A connection ended.
    Disconnected {
        service: Service,
        #[serde(flatten)]
        reason: DisconnectReason,
    },
    /// DPS assigned a device.
    Registered {
        /// The enrollment group, or none for an individual enrollment.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        device_id: String,
        hub: String,
    },
    /// A device was taken out of its hub; its next registration gives it to another.
    Reassigned {
        /// The other hub.
        hub: String,
    },
    /// DPS did not assign a device.
    RegistrationRefused {
        /// The reason in a word.
        why: RefusalReason,
        reason: String,
    },
    /// The will of a device that went without a word.
    Will,
    /// A device reported properties.
    Reported {
        /// The new version of its reported properties.
        version: u64,
    },
    /// The solution changed desired properties.
    DesiredChanged {
        /// The new version of the desired properties.
        version: u64,
    },
    /// A device sent what its template does not have, or has in another form: what IoT Central shows as unmodeled. Reported
    /// once for each name.
    Unmodeled {
        /// `telemetry`, `property` or `response`.
        of: &'static str,
        /// `unmodeled` or `mismatch`.
        why: &'static str,
        /// Its name, behind that of its component if it has one.
        name: String,
        /// What was expected.
        detail: String,
    },
    /// A direct method was answered, or not.
    MethodInvoked {
        name: String,
        /// The device's status; none if it did not answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// Something was more than the quota allows.
    Throttled {
        /// Which limit, as the quota names it.
        limit: &'static str,
        /// `delayed`, `refused` or `closed`.
        outcome: &'static str,
    },
    /// A rule kept the emulator from what it was about to do.
    Fault {
        rule: String,
        phase: Phase,
        verdict: &'static str,
    },
    /// A certificate was uploaded for a device whose id is not its common name: DPS will refuse the device that shows it.
    CertificateOfAnotherName {
        /// Whether as `primary` or as `secondary`.
        slot: &'static str,
        common_name: Option<String>,
    },
    /// A cloud-to-device message was put into the queue.
    MessageQueued,
    /// An operator dropped all cloud-to-device messages of a device.
    MessagesPurged { purged: usize },
    /// A cloud-to-device message is done with.
    MessageCompleted,
    /// A cloud-to-device message waited too long. The hub calls this "dead lettered".
    MessageExpired {
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", content = "detail", rename_all = "snake_case")]
pub enum DisconnectReason {
    /// The client sent DISCONNECT.
    Disconnect,
    /// The client vanished.
    ConnectionLost,
    /// Nothing came for 1.5 times the keepalive.
    KeepAliveExpired,
    /// Another connection of the same device came.
    Replaced,
    /// The client did what it must not.
    Violation(String),
    /// The device was disabled.
    Disabled,
    /// The device was deleted.
    Deleted,
    /// The device was given to another hub, or starts anew in its own.
    Moved,
    /// The device is no longer a child of the gateway that it came through.
    NoChild,
    /// The hub takes the device's certificate for expired.
    Expired,
    /// The device sent more than the quota allows, for too long.
    Throttled,
    /// A rule ended it; here is the rule's id.
    Fault(String),
    /// The client did not read what was sent to it.
    TooSlow,
    /// The emulator stops.
    ShuttingDown,
    /// The emulator can't store what the client did, so it must not acknowledge it.
    NotStored,
}

impl Event {
    /// Cuts every text that a client may have written.
    pub(super) fn cut(&mut self) {
        let texts: [Option<&mut String>; 2] = match self {
            Self::Refused { reason, .. } | Self::RegistrationRefused { reason, .. } => {
                return cut(reason, LONGEST_REASON);
            }
            Self::Dropped { reason } => [Some(reason), None],
            Self::ThroughGateway { gateway } => [Some(gateway), None],
            Self::Disconnected { reason, .. } => match reason {
                DisconnectReason::Violation(detail) | DisconnectReason::Fault(detail) => [Some(detail), None],
                _ => [None, None],
            },
            Self::Registered { device_id, hub, .. } => [Some(device_id), Some(hub)],
            Self::Reassigned { hub } => [Some(hub), None],
            Self::Unmodeled { name, detail, .. } => [Some(name), Some(detail)],
            Self::MethodInvoked { name, .. } => [Some(name), None],
            Self::Fault { rule, .. } => [Some(rule), None],
            Self::MessageExpired { message_id } => [message_id.as_mut(), None],
            Self::CertificateOfAnotherName { common_name, .. } => [common_name.as_mut(), None],
            Self::NoServerName
            | Self::Connected { .. }
            | Self::Will
            | Self::Reported { .. }
            | Self::DesiredChanged { .. }
            | Self::Throttled { .. }
            | Self::MessageQueued
            | Self::MessagesPurged { .. }
            | Self::MessageCompleted => [None, None],
        };
        texts.into_iter().flatten().for_each(|text| cut(text, LONGEST));
    }
}

/// Keeps the beginning of a text that is too long.
pub(super) fn cut(text: &mut String, longest: usize) {
    if let Some((end, _)) = text.char_indices().nth(longest) {
        text.truncate(end);
        text.push('…');
        text.shrink_to_fit();
    }
}
