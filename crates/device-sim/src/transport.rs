//! How a plan's word for a transport is spoken.

use fleet_protocol::plan;
use mqtt_link::Transport;

/// The transport that a plan asks for.
#[must_use]
pub fn of(transport: plan::Transport) -> Transport {
    match transport {
        plan::Transport::Mqtt => Transport::Tcp,
        plan::Transport::WebSocket => Transport::WebSocket,
    }
}
