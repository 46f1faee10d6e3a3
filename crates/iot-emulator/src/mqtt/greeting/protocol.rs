//! Which protocol a client speaks, by the first bytes of its CONNECT. Pure.

use std::fmt;

/// The type of a CONNECT, in the upper half of a packet's first byte.
const CONNECT: u8 = 0x10;
/// No protocol has a longer name.
const LONGEST_NAME: usize = 6;

/// What the bytes so far decide.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Nothing yet.
    Unknown,
    /// MQTT 3.1.1, or no CONNECT at all: the packet itself will decide.
    Ours,
    Other(OtherProtocol),
}

/// A protocol that is not spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherProtocol {
    Mqtt31,
    Mqtt5,
    /// By its level.
    Mqtt(u8),
}

impl fmt::Display for OtherProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mqtt31 => f.write_str("MQTT 3.1"),
            Self::Mqtt5 => f.write_str("MQTT 5"),
            Self::Mqtt(level) => write!(f, "MQTT of protocol level {level}"),
        }
    }
}

/// Reads the protocol's name and level ([MQTT 3.1.1](https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html),
/// 3.1.2), which stand in the same place in all versions.
pub(super) fn protocol(bytes: &[u8]) -> Spoken {
    let Some((first, rest)) = bytes.split_first() else {
        return Spoken::Unknown;
    };
    if first & 0xF0 != CONNECT {
        return Spoken::Ours;
    }
    // The remaining length: up to four bytes, of which all but the last have the highest bit set.
    let Some(last) = rest.iter().take(4).position(|byte| byte & 0x80 == 0) else {
        return if rest.len() < 4 { Spoken::Unknown } else { Spoken::Ours };
    };
    // Four bytes of it announce more than any CONNECT has, so nothing that follows is waited for.
    if last > 2 {
        return Spoken::Ours;
    }
    match rest.get(last + 1..) {
        Some([high, low, name @ ..]) => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            match (name.get(..length), name.get(length)) {
                _ if length > LONGEST_NAME => Spoken::Ours,
                (Some(b"MQTT"), Some(4)) => Spoken::Ours,
                (Some(b"MQTT"), Some(5)) => Spoken::Other(OtherProtocol::Mqtt5),
                (Some(b"MQIsdp"), Some(3)) => Spoken::Other(OtherProtocol::Mqtt31),
                (Some(b"MQTT" | b"MQIsdp"), Some(level)) => Spoken::Other(OtherProtocol::Mqtt(*level)),
                (Some(_), Some(_)) => Spoken::Ours,
                _ => Spoken::Unknown,
            }
        }
        _ => Spoken::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn connect(name: &str, level: u8) -> Vec<u8> {
        let mut bytes = vec![0x10, 0x80, 0x01, 0, u8::try_from(name.len()).unwrap()];
        bytes.extend(name.as_bytes());
        bytes.extend([level, 2, 0, 60]);
        bytes
    }

    #[test]
    fn the_level_decides_the_version() {
        for (name, level, expected) in [
            ("MQTT", 4, Spoken::Ours),
            ("MQTT", 5, Spoken::Other(OtherProtocol::Mqtt5)),
            ("MQIsdp", 3, Spoken::Other(OtherProtocol::Mqtt31)),
            ("MQTT", 9, Spoken::Other(OtherProtocol::Mqtt(9))),
            ("HTTP", 1, Spoken::Ours),
        ] {
            let bytes = connect(name, level);
            assert_eq!(protocol(&bytes), expected);
            for end in 0..bytes.len() - 3 {
                assert_eq!(protocol(&bytes[..end]), Spoken::Unknown, "{name} {level}: {end} bytes");
            }
        }
        assert_eq!(protocol(b"GET / HTTP/1.1"), Spoken::Ours);
    }

    proptest! {
        /// Bytes that decide nothing are few, so no client keeps a connection waiting with more of them.
        #[test]
        fn a_dozen_and_a_half_bytes_always_decide(bytes in prop::collection::vec(any::<u8>(), 14..40)) {
            prop_assert_ne!(protocol(&bytes), Spoken::Unknown);
        }
    }
}
