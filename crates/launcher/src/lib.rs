//! Reads the fleet manifest, makes identities, enrolls, runs device-sim processes, shows and reports.
//!
//! # Map
//!
//! | module | is |
//! | --- | --- |
//! | [`manifest`] | what a person writes, checked |
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

pub mod manifest;
