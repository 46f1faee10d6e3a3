//! The page as a browser asks for it, and the `iot-emulator` program, which serves it.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a broken expectation is reported"
)]

#[expect(
    dead_code,
    reason = "it is shared with the emulator's own tests, which use the rest of it"
)]
#[path = "../../../iot-emulator/tests/emulator/common/mod.rs"]
mod common;

mod crash;
mod pressure;
mod process;
mod program;
mod secrets;
mod views;
