//! Reads the fleet manifest, makes identities, enrolls, runs device-sim processes, shows and reports.
//!
//! # Map
//!
//! | module | is |
//! | --- | --- |
//! | [`cli`], [`exit`] | the command line, and the numbers with which it ends |
//! | [`manifest`] | what a person writes, checked |
//! | [`plan_command`], [`preview`] | `fleet plan`: what a manifest asks for; a simulated day of one device |
//! | [`run`] | `fleet run`: the life of a run, from the manifest to the report; `fleet prepare`: its first part |
//! | [`sim`], [`merge`] | `fleet sim`: shards shared with other processes; `fleet report merge`: one report of all |
//! | [`health`] | `fleet health`: whether an emulator, or a `fleet sim`, is well |
//! | [`enroll`], [`unenroll`] | `fleet enroll` and `fleet unenroll`: what a target trusts, without running anything |
//! | [`roll`] | `fleet roll`: other certificates for devices that run, in the how-to's four cases |
//! | [`cert`] | `fleet cert`: test certificates, made, looked at, renewed |
//! | [`load`], [`roster`] | `--duration`; who is in the fleet, and the plan for device-sim |
//! | [`pre_flight`] | what is checked before anything is started |
//! | [`identities`], [`brought`], [`enrollment`] | certificates made or found; those of somebody's own making; the target told which to trust |
//! | [`edge`], [`edge_config`] | IoT Edge: gateways made ready; the configuration of a real Edge device |
//! | [`target`], [`application`] | the target made ready; who can be asked about the devices |
//! | [`control`] | what a live run can be asked, through a socket in its state folder |
//! | [`child`], [`emulator_child`], [`shard`] | the programs that a run starts |
//! | [`interrupts`], [`ending`] | Ctrl-C: the first asks, the second insists; how long an end may take |
//! | [`keep`] | places for files, tried before anything starts; files and summary, neither lost with the other |
//! | [`advice`] | what a failure likely means, and what helps |
//! | [`stats`], [`story`], [`summary`], [`report`] | figures put together, and all that is told |
//!
//! # Not covered
//!
//! On Windows a run has no control socket, and two runs that share a state folder at the same time are not kept apart. Manifest keys that are planned but not built are refused as such, among them thresholds;
//! exit code 99 is therefore never given.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//!
//! let text = r#"
//!     [fleet]
//!     name = "demo"
//!
//!     [target]
//!     kind = "emulator"
//!
//!     [[group]]
//!     id = "thermostats"
//!     devices = { prefix = "thermo-", count = 100 }
//! "#;
//! let manifest = launcher::manifest::parse("fleet.toml", text, Path::new("."), &[])?;
//! assert_eq!(manifest.load.register_rate.to_string(), "50/s");
//! # Ok::<(), launcher::manifest::ManifestError>(())
//! ```

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "either may be closed or full, and these panic then; use `device_sim::console`"
)]

pub mod advice;
pub mod application;
pub mod brought;
pub mod cert;
pub mod child;
pub mod cli;
pub mod control;
pub mod edge;
pub mod edge_config;
pub mod emulator_child;
pub mod ending;
pub mod enroll;
pub mod enrollment;
pub mod exit;
pub mod health;
pub mod identities;
pub mod interrupts;
pub mod keep;
pub mod load;
pub mod manifest;
pub mod merge;
pub mod pace;
mod paths;
pub mod plan_command;
pub mod pre_flight;
pub mod preview;
pub mod reach;
pub mod report;
pub mod roll;
pub mod roster;
pub mod run;
mod settled;
pub mod shard;
pub mod sim;
pub mod stats;
pub mod story;
pub mod summary;
pub mod target;
pub mod unenroll;
mod words;
