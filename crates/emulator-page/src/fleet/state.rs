//! What a dot shows of a device.

use iot_emulator::view::Device;

use crate::device_view::Status;
use crate::refused::Refusals;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Online,
    Offline,
    /// Known, and never seen by DPS.
    Registered,
    Waiting,
    Refused,
    Blocked,
}

impl State {
    pub(super) const ALL: [Self; 6] = [
        Self::Online,
        Self::Offline,
        Self::Registered,
        Self::Waiting,
        Self::Refused,
        Self::Blocked,
    ];

    pub(super) fn of(device: &Device<'_>, refusals: &Refusals) -> Self {
        match Status::of(device) {
            Status::Blocked => Self::Blocked,
            Status::Waiting => Self::Waiting,
            _ if device.is_online() => Self::Online,
            _ if refusals.of(device).is_some() => Self::Refused,
            Status::Registered => Self::Registered,
            Status::Provisioned => Self::Offline,
        }
    }

    /// As it is sent, and the class that it is drawn with.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Online => 'o',
            Self::Offline => 'f',
            Self::Registered => 'n',
            Self::Waiting => 'w',
            Self::Refused => 'r',
            Self::Blocked => 'b',
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Registered => "registered",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Blocked => "blocked",
        }
    }
}
