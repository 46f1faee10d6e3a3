//! Reads the fleet manifest, makes identities, enrolls, runs device-sim processes, shows and reports.
//!
//! # Map
//!
//! Four wings, each using only those before it, and the verbs of the command line on top. What a run measured and how it is
//! judged stands in [`fleet_report`].
//!
//! | module | is |
//! | --- | --- |
//! | [`manifest`] | what a person writes, checked |
//! | `control` | what a live run can be asked, through a socket in its state folder |
//! | `process` | the programs that a run starts, and their lines |
//! | `prepare` | certificates, enrollments, the target and the plan, before the first device starts |
//! | [`plan`] | `fleet plan`: what a manifest asks for; a simulated day of one device |
//! | [`run`] | `fleet run`: the life of a run, from the manifest to the report; `fleet prepare`: its first part; `fleet register`: its registrations alone; `fleet collect`: the same with shards on other machines |
//! | `collect` | what a collector and the sims that report to it have in common |
//! | `sim`, [`merge`] | `fleet sim`: shards shared with other processes; `fleet report merge`: one report of all |
//! | `export`, `leaves` | `fleet export`: a fleet for an engine of many machines; `fleet leaves`: what its containers do first |
//! | `metrics` | the figures of a live run, as Prometheus reads them |
//! | `enroll` | `fleet enroll` and `fleet unenroll`: what a target trusts, without running anything |
//! | `roll` | `fleet roll`: new certificates for devices that run, in the how-to's four cases |
//! | `cert` | `fleet cert`: test certificates, made, inspected, renewed |
//! | `demo` | `fleet demo`: group enrollment as a story, step by step, on the emulator |
//! | `init` | `fleet init`: a first manifest, from flags and questions |
//! | `doctor` | `fleet doctor`: what would keep a run from working, each with its remedy |
//! | `explain` | `fleet explain`: what the words and numbers mean that are printed |
//! | `complete` | what a shell offers of the manifest on the line |
//! | `health` | `fleet health`: whether an emulator, or a `fleet sim`, is well |
//! | [`terminal`] | a live run in the terminal |
//! | [`cli`], `exit`, `advice` | the command line, the exit codes, and what a failure likely means |
//! | `interrupts`, [`ending`] | Ctrl-C: the first asks, the second insists; how long an end may take |
//! | `shell` | words of a command line, quoted |
//! | `progress`, `countdown`, [`keep`] | the lines that a person reads while a command works, and how long the rest takes; places for files, tried before anything starts |
//!
//! # Not covered
//!
//! On Windows a run has no control socket, and two runs that share a state folder at the same time are not kept apart. Events that are planned but not built
//! are refused as such.
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

mod advice;
mod cert;
pub mod cli;
mod collect;
mod complete;
mod control;
mod countdown;
mod ctl;
mod demo;
mod doctor;
pub mod ending;
mod enroll;
mod exit;
mod explain;
mod export;
mod format;
mod health;
mod http;
mod init;
mod interrupts;
pub mod keep;
mod leaves;
pub mod manifest;
pub mod merge;
mod metrics;
mod paths;
pub mod plan;
mod prepare;
mod process;
mod progress;
mod report;
mod roll;
pub mod run;
mod shell;
mod sim;
mod standing;
pub mod terminal;
mod timer;
mod web;
