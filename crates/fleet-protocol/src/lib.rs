//! What the programs of a fleet write to each other: one plan in, lines of JSON out, control lines in.
//!
//! As `iot-protocol` is what a device sends to Azure, this is what a launcher, device-sim processes and a collector write to
//! each other. Pure: no files, no sockets, no clock.

pub mod collect;
mod control;
pub mod histogram;
pub mod lines;
pub mod plan;
pub mod reason;
pub mod room;
