use serde::Serialize;

/// A moment at which the emulator is about to act, and may be kept from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A TCP connection has come; the TLS handshake has not begun.
    Accept,
    /// The TLS handshake is done; the client has not sent CONNECT. The device is the certificate's common name.
    Tls,
    /// A good CONNECT to DPS.
    DpsConnect,
    /// A device asks DPS for a registration.
    Register,
    /// A device asks DPS how its registration goes.
    Poll,
    /// A good CONNECT to a hub.
    HubConnect,
    /// A device subscribes at its hub.
    Subscribe,
    /// A device sends telemetry.
    Telemetry,
    /// A device asks for its twin.
    TwinGet,
    /// A device reports properties.
    TwinReport,
    /// A device answers a direct method.
    MethodResponse,
    /// A cloud-to-device message is about to be sent to a device.
    C2d,
    /// A request to IoT Central's REST API.
    Rest,
    /// A request to IoT Central's REST API that gives a command to a device; comes after `rest`.
    Command,
}

impl Phase {
    pub(crate) const ALL: [Self; 14] = [
        Self::Accept,
        Self::Tls,
        Self::DpsConnect,
        Self::Register,
        Self::Poll,
        Self::HubConnect,
        Self::Subscribe,
        Self::Telemetry,
        Self::TwinGet,
        Self::TwinReport,
        Self::MethodResponse,
        Self::C2d,
        Self::Rest,
        Self::Command,
    ];

    /// As rules and the journal name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Tls => "tls",
            Self::DpsConnect => "dps-connect",
            Self::Register => "register",
            Self::Poll => "poll",
            Self::HubConnect => "hub-connect",
            Self::Subscribe => "subscribe",
            Self::Telemetry => "telemetry",
            Self::TwinGet => "twin-get",
            Self::TwinReport => "twin-report",
            Self::MethodResponse => "method-response",
            Self::C2d => "c2d",
            Self::Rest => "rest",
            Self::Command => "command",
        }
    }
}
