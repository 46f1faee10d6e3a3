use thiserror::Error;

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// An empty text where an id is required.
    #[error("{kind} is empty")]
    Empty {
        /// Which kind of id was parsed.
        kind: &'static str,
    },
    /// More characters than the service allows.
    #[error("{kind} `{value}` has {length} characters, at most {limit} are allowed")]
    TooLong {
        /// Which kind of id was parsed.
        kind: &'static str,
        /// The refused text.
        value: String,
        /// Its length in characters.
        length: usize,
        /// The service's limit.
        limit: usize,
    },
    /// A character that the service does not allow.
    #[error("{kind} `{value}` has the character {character:?}; allowed are {allowed}")]
    IllegalCharacter {
        /// Which kind of id was parsed.
        kind: &'static str,
        /// The refused text.
        value: String,
        /// The first refused character.
        character: char,
        /// What would be accepted, in words.
        allowed: &'static str,
    },
    /// The characters are fine, but not in this order.
    #[error("{kind} `{value}` is not of the form {form}")]
    Malformed {
        /// Which kind of id was parsed.
        kind: &'static str,
        /// The refused text.
        value: String,
        /// The accepted form.
        form: &'static str,
    },
}

/// Why a topic is not one of this side of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TopicError {
    /// No such topic.
    #[error("topic `{0}` is unknown")]
    Unknown(String),
    /// The topic is known, but a part of it is missing or is not readable.
    #[error("topic `{topic}` has no readable {part}")]
    Malformed {
        /// The whole topic.
        topic: String,
        /// The part that is missing or wrong.
        part: &'static str,
    },
}

/// Why an MQTT user name is neither one for DPS nor one for a hub.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UserNameError {
    /// The slashes are not where they should be.
    #[error(
        "user name `{0}` is neither `<id scope>/registrations/<registration id>/api-version=…` nor `<hub host>/<device id>/?api-version=…`"
    )]
    Malformed(String),
    /// The services refuse a client that does not send the version of the interface that it uses.
    #[error("user name `{0}` names no api-version")]
    NoApiVersion(String),
    /// One of the ids in the user name is not valid.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// Why a text is not a twin document or a patch of one.
#[derive(Debug, Error)]
pub enum TwinError {
    /// Not JSON at all, or not of a twin's shape.
    #[error("twin is not readable")]
    Json(#[from] serde_json::Error),
}
