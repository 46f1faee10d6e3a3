//! N virtual thermostats in one process.
