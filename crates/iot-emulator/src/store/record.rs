use serde::Serialize;
use serde::de::DeserializeOwned;

/// Something that is stored, as a JSON object. A change of its form needs a new
/// [`VERSION`](super::database::VERSION) of the database.
pub(crate) trait Record: Serialize + DeserializeOwned {
    const TABLE: Table;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Enrollment groups by id.
    Groups,
    /// Devices of the application, with their individual attestations, by folded id.
    Devices,
    /// Device templates by id.
    Templates,
    /// Relationships of devices to their parents by the child's folded id.
    Relationships,
    /// API tokens by id, without their secrets.
    Tokens,
    /// Registration records of DPS by folded registration id.
    Registrations,
    /// What DPS and the application store about a device of the hub, by device id.
    Identities,
    /// What a device of the hub sent about itself, and its session, by device id.
    Sessions,
    Twins,
    /// Waiting cloud-to-device messages by device id and number.
    Messages,
}

impl Table {
    pub(super) const ALL: [Self; 10] = [
        Self::Groups,
        Self::Devices,
        Self::Templates,
        Self::Relationships,
        Self::Tokens,
        Self::Registrations,
        Self::Identities,
        Self::Sessions,
        Self::Twins,
        Self::Messages,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Devices => "devices",
            Self::Templates => "templates",
            Self::Relationships => "relationships",
            Self::Tokens => "tokens",
            Self::Registrations => "registrations",
            Self::Identities => "identities",
            Self::Sessions => "sessions",
            Self::Twins => "twins",
            Self::Messages => "messages",
        }
    }
}
