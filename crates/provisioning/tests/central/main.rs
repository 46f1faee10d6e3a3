//! IoT Central's REST API as it goes over the wire, and enrolling on top of it, against a scripted service.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod client;
mod enroll;
mod script;
mod whole;
