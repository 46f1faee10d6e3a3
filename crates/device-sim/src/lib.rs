//! N virtual thermostats in one process.

pub mod lines;
pub mod plan;
