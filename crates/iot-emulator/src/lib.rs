//! DPS, IoT Hub and the IoT Central REST API on this machine, as strict as Azure.
//!
//! Devices that speak to Azure over MQTT with X.509 certificates speak to this in the same way: they register at the
//! Device Provisioning Service (DPS), connect to the hub that it assigns, and use telemetry, twins, direct methods and
//! cloud-to-device messages; and they are refused for the same reasons. It is **not for production**: it serves one
//! tenant on one machine. What it keeps outlives it with a state folder only ([`Config::state`]). What it does not
//! do, and where Azure differs, is a list in the README.
//!
//! # Layout
//!
//! | module | holds |
//! | --- | --- |
//! | [`Emulator`], [`Config`] | starts all of it, on free ports unless configured otherwise |
//! | `mqtt` | everything that a connection of a device passes: ports, WebSocket, packets, CONNECT, sessions |
//! | `tls`, `authority`, `state` | what clients trust, and the folder where it is kept |
//! | [`Gateway`] | the devices behind an IoT Edge device |
//! | `attestation`, `certificate` | which device a client is, by its certificates |
//! | `presented`, `refused_devices`, [`RefusalReason`] | the certificates that devices came in with, and why others did not |
//! | `dps` | registration |
//! | `hub` | identities, twins, telemetry, methods, cloud-to-device messages |
//! | `central`, `rest` | the IoT Central application, and its REST interface |
//! | [`extension`], [`view`] | what else is served beside REST, and what that may read: the page, in `emulator-page` |
//! | `store` | what outlives the process, in a database of the state folder |
//! | `gate` | the one place that is asked before anything is done: quotas and faults |
//! | `quota`, `faults` | [`Quota`] and [`FaultRules`]: what is too much, and what goes wrong on request |
//! | [`Stats`], [`Journal`] | what happened |
//! | `documented` | limits that are kept whatever the quota is |
//! | `unconfirmed` | choices for which no public source was found |
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use iot_emulator::{Config, Emulator};
//!
//! let emulator = Emulator::start(Config::default()).await?;
//! assert!(emulator.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
//! println!("devices of {} connect to {}", emulator.id_scope(), emulator.mqtt_addr());
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "either may be closed or full, and these panic then; what happens goes into the journal and to `tracing`"
)]

pub mod extension;
pub mod view;

mod attestation;
mod authority;
mod central;
mod certificate;
mod clock;
mod config;
mod documented;
mod dps;
mod edge_ca;
mod emulator;
mod error;
mod faults;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod gateway;
mod http;
mod hub;
mod journal;
mod mqtt;
mod pem;
mod phase;
mod presented;
mod quota;
mod random;
mod refusal_reason;
mod refused_devices;
mod registrations;
mod rest;
mod runs;
mod services;
mod sign_in;
mod state;
mod stats;
mod store;
mod stream;
mod tls;
mod token;
mod unconfirmed;

pub use central::Approval;
pub use config::Config;
pub use edge_ca::{EdgeCa, InvalidEdgeCa};
pub use emulator::Emulator;
pub use error::{Remedy, StartError};
pub use faults::FaultRules;
pub use gateway::{Gateway, InvalidGateway};
pub use hub::Reprovision;
pub use journal::{DisconnectReason, Entry, Event, Journal, Service};
pub use phase::Phase;
pub use quota::Quota;
pub use refusal_reason::RefusalReason;
pub use stats::Stats;
