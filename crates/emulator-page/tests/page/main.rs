//! The page as a browser asks for it, and the `iot-emulator` program, which serves it.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a broken expectation is reported"
)]

mod application;
mod certificates;
mod crash;
mod devices;
mod groups;
mod messages;
mod overview;
mod pressure;
mod process;
mod program;
mod secrets;
mod views;
mod visitor;
