//! Everything that a connection of a device passes, from its port to its session with DPS or a hub.
//!
//! | module | holds |
//! | --- | --- |
//! | `bind`, `listener` | the ports: accept, make TLS, and a task for each connection |
//! | `websocket` | MQTT over WebSocket |
//! | `packets` | MQTT packets over a byte stream |
//! | `greeting` | the first packet, which decides which service is wanted |
//! | `peer`, `refusal` | what is at the other end, and how it is refused |
//! | `gate` | what quotas and faults do to a connection |
//! | `dps`, `hub` | the sessions |

mod bind;
mod dps;
mod gate;
mod greeting;
mod hub;
mod listener;
mod packets;
mod peer;
mod refusal;
mod websocket;

pub(crate) use bind::listen;
pub(crate) use listener::{Carrier, Port, accept};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {greeting::serve, peer::Peer};

/// Room for a body of 256 KiB and its headers.
const MAX_PACKET: usize = 320 * 1024;
