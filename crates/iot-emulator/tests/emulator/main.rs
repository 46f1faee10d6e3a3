//! The emulator over real sockets, TLS and MQTT, asked by clients that share no code with it.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a broken expectation is reported"
)]

mod approval;
mod central;
mod chains;
mod dps;
mod dps_https;
mod gate;
mod gateway;
mod hub;
mod hubs;
mod intruders;
mod messages;
mod pressure;
mod refusals;
mod rest;
mod restart;
mod robust;
mod rules;
mod unmodeled;
mod websocket;
