//! Certificates, attestation, registration with DPS and enrollment through IoT Central's REST API.
//!
//! Everything that has to happen before a device may speak to its hub, and that a device and the program
//! which prepares it therefore share.
//!
//! # Map
//!
//! | module | is |
//! | --- | --- |
//! | [`certificate::make`] | root and intermediate CAs, leaves, self-signed and verification certificates |
//! | [`certificate::load`] | a leaf, its chain and its key from PEM or PFX files, encrypted or not, and every way that can go wrong |
//! | [`certificate::inspect`] | the few facts of a certificate that people and services talk about |
//! | [`certificate::examine`] | all that a certificate file shows, and what Azure would object to |
//! | [`identities`] | the folders on disk where a group's CAs and leaves and an individual's pairs live, or test certificates as `create_test_cert.js` lays them out |
//! | [`register`] | asking DPS which hub a device belongs to |
//! | [`central`] | a client of IoT Central's REST API |
//! | [`enroll`] | the steps of IoT Central's X.509 how-to on top of it, safe to repeat |
//! | [`explain`] | what a refusal means, and what to do |
//! | [`assignment`] | which hub a device was assigned, remembered from run to run |
//! | [`backoff`], [`rate_limiter`] | when to try again, and how often at all |
//!
//! # Example
//!
//! ```
//! use jiff::Timestamp;
//! use provisioning::certificate::make::{CertificateAuthority, KeyType, Validity};
//!
//! let now: Timestamp = "2026-11-23T15:00:00Z".parse()?;
//! let root = CertificateAuthority::root("thermostats root", KeyType::P256, Validity::root(now))?;
//! let leaf = root.leaf("thermo-0001", KeyType::P256, Validity::leaf(now))?;
//!
//! let facts = leaf.facts();
//! assert_eq!(facts.common_name.as_deref(), Some("thermo-0001"));
//! assert_eq!(facts.issuer_common_name.as_deref(), Some("thermostats root"));
//! assert_eq!(facts.not_after.to_string(), "2027-11-23T15:00:00Z");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod assignment;
pub mod backoff;
pub mod central;
pub mod certificate;
pub mod enroll;
pub mod explain;
pub mod identities;
pub mod rate_limiter;
pub mod register;
