//! N virtual devices in one process: thermostats, and devices of any model in DTDL.
//!
//! To the service, each is a real Azure IoT device: it loads its own leaf certificate and key, registers with DPS,
//! connects to the hub that it was assigned, and speaks IoT Plug and Play. A plan describes what to simulate and lines
//! report what happens, both in the words of [`fleet_protocol`]. This crate has nothing to do with manifests, with
//! enrolling, or with what is behind the service.
//!
//! # Map
//!
//! | module | purpose |
//! | --- | --- |
//! | [`fleet`] | a process's devices, moved by stages and control lines |
//! | `device` | one device's task: register, connect, session, what to do after a failure |
//! | [`model`] | what a device measures, reports, accepts and answers. Pure |
//! | `room`, [`weather`], `history` | the surroundings that it measures, and its record of readings. Pure |
//! | [`outbox`], `reporter` | what waits to be acknowledged. Pure |
//! | [`load`], [`sending`], [`spread`] | what a device sends by its profile, and which profile it has. Pure |
//! | `outcome` | whether a device failed the run, and why. Pure |
//! | `recovery`, `ticks`, [`ramp`], `rate_limiter`, `churn`, `absence`, [`day`] | when things happen. Pure; the time is handed in |
//! | [`random`] | seed + device id decide every random choice |
//! | [`metrics`], `mailbox` | the figures that devices report, and the orders that they get |
//! | [`shard`], [`lease`] | which part of the fleet a process has, and the right to have it |
//! | [`start_at`] | stages that begin at one instant on several machines. Pure; the time is handed in |
//! | [`plan_file`] | the plan, read from its file |
//! | [`limits`], [`proxies`] | what this machine allows, and the proxy in its environment |
//! | [`transport`] | the plan's transports, as mqtt-link has them |
//! | `single` | one device by environment or flags, as the how-to runs the samples |
//! | `retry` | Enter and SIGUSR1, with which devices that wait try again |
//! | [`cli`], [`command_line`] | the command line, and how it is read without repeating a key |
//! | [`advice`] | what the reason of a failure likely means |
//! | [`clock`] | dates of certificates beside this machine's clock |
//! | [`console`], [`logs`], [`hint`] | output whose reader may be missing, and what to do about an error |
//!
//! # Example
//!
//! ```
//! use device_sim::model::Blueprint;
//! use device_sim::random::{Purpose, stream};
//! use device_sim::weather::Weather;
//! use fleet_protocol::{plan, room::Overrides};
//!
//! // The same seed and id give the same telemetry, always.
//! let random = stream(7, "thermo-0001", Purpose::Physics);
//! let thermostats = Blueprint::shipped(plan::Model::Thermostat, &Overrides::default());
//! let mut device = thermostats.device(Weather::new(7), random);
//! let measured = device.measure(5.0, "2026-11-23T15:00:00Z".parse()?);
//! assert_eq!(measured.telemetry[0].1, r#"{"temperature":22.8}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "either may be closed or full, and these panic then; use `console`"
)]

mod absence;
pub mod advice;
mod churn;
pub mod cli;
pub mod clock;
pub mod command_line;
pub mod console;
mod context;
mod control;
pub mod day;
mod device;
pub mod fleet;
pub mod hint;
mod history;
mod lag;
pub mod lease;
pub mod limits;
pub mod load;
pub mod logs;
mod mailbox;
pub mod metrics;
pub mod model;
pub mod outbox;
mod outcome;
mod output;
pub mod patience;
pub mod plan_file;
pub mod proxies;
pub mod ramp;
pub mod random;
mod rate_limiter;
mod recovery;
mod reporter;
mod retry;
mod room;
pub mod sending;
pub mod shard;
mod signal;
mod single;
pub mod source_addresses;
pub mod spread;
pub mod start_at;
mod ticks;
pub mod transport;
mod usage;
mod variables;
pub mod weather;

pub use signal::{hangup_is_ignored, shutdown_signal};
pub(crate) use variables::without_empty_variables;
