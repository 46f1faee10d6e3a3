//! What devices survive, on real sockets: after each fault all of them are online again, or parked with the right reason,
//! and every message is accounted for.
//!
//! A [`relay::Relay`] is the bad network between devices and the emulator; a [`service::Service`] is a DPS or a hub that
//! does what the emulator rightly would not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod relay;
mod service;

mod acknowledgements;
mod certificates;
mod crowds;
mod dps;
mod moved;
mod newcomers;
mod orders;
mod refusals;
mod silence;
mod unfinished;
