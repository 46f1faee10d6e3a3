//! What a device, or an operator of it, attempts and may fail at: an attempt that ends well is timed, one that fails is
//! counted with its reason.
//!
//! Parts of a connection fail as a whole, and a message is given up or not; neither is an attempt of its own.

use fleet_protocol::lines::{Phase, counter};

use crate::metric::Metric;

/// Something that is attempted.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// What times it.
    pub phase: Phase,
    /// The counter of those that failed, which ends in `/`.
    pub failed: &'static str,
    /// The failures as a share of all attempts.
    pub(crate) ratio: Metric,
}

const fn attempt(phase: Phase, failed: &'static str, ratio: Metric) -> Attempt {
    Attempt { phase, failed, ratio }
}

/// All of them, in the order of a device's life.
pub const ATTEMPTS: [Attempt; 7] = [
    attempt(Phase::Register, counter::REGISTER_FAILED, Metric::RegisterFailed),
    attempt(Phase::Connect, counter::CONNECT_FAILED, Metric::ConnectFailed),
    attempt(Phase::TwinGet, counter::TWIN_GET_FAILED, Metric::TwinGetFailed),
    attempt(Phase::Report, counter::REPORT_FAILED, Metric::ReportFailed),
    attempt(Phase::Command, counter::COMMAND_FAILED, Metric::CommandFailed),
    attempt(
        Phase::CommandRoundtrip,
        counter::COMMAND_ROUNDTRIP_FAILED,
        Metric::CommandRoundtripFailed,
    ),
    attempt(
        Phase::PropertyRoundtrip,
        counter::PROPERTY_ROUNDTRIP_FAILED,
        Metric::PropertyRoundtripFailed,
    ),
];

impl Attempt {
    /// The attempt that a phase times.
    pub(crate) fn of(phase: Phase) -> Option<Self> {
        ATTEMPTS.into_iter().find(|attempt| attempt.phase == phase)
    }
}
