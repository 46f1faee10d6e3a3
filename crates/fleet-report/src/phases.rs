//! What the phases time, in words.

use fleet_protocol::lines::Phase;

/// Whether a phase is a part of another one.
pub(crate) fn is_part(phase: Phase) -> bool {
    match phase {
        Phase::DpsWait | Phase::ConnectDns | Phase::ConnectTcp | Phase::ConnectTls | Phase::ConnectMqtt => true,
        Phase::Register
        | Phase::Connect
        | Phase::TwinGet
        | Phase::TimeToOnline
        | Phase::Publish
        | Phase::PublishSent
        | Phase::Report
        | Phase::Command
        | Phase::CommandRoundtrip
        | Phase::PropertyRoundtrip => false,
    }
}

/// What a phase times.
pub(crate) fn meaning(phase: Phase) -> &'static str {
    match phase {
        Phase::Register => "the conversation with DPS, up to the assignment",
        Phase::DpsWait => "the part of it in which DPS had the device wait",
        Phase::Connect => "name look-up to CONNACK",
        Phase::ConnectDns => "name look-up",
        Phase::ConnectTcp => "TCP handshake",
        Phase::ConnectTls => "TLS handshake",
        Phase::ConnectMqtt => "CONNECT to CONNACK",
        Phase::TwinGet => "the request for the twin to its answer",
        Phase::TimeToOnline => "first wanted online to first online",
        Phase::Publish => "a message due to its acknowledgement",
        Phase::PublishSent => "the first writing of a message to its acknowledgement",
        Phase::Report => "reported properties written to their answer",
        Phase::Command => "a command's arrival to its answer",
        Phase::CommandRoundtrip => "an operator's command due to its response",
        Phase::PropertyRoundtrip => "an operator's desired property due to its acknowledgement",
    }
}
