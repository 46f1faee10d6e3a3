//! The emulator over real sockets, TLS and MQTT, asked by clients that share no code with it.

mod common;
mod dps;
