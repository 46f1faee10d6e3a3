//! N virtual thermostats in one process.

pub mod history;
pub mod lines;
pub mod mailbox;
pub mod metrics;
pub mod outbox;
pub mod pacer;
pub mod plan;
pub mod ramp;
pub mod random;
pub mod recovery;
pub mod reporter;
pub mod room;
pub mod thermostat;
