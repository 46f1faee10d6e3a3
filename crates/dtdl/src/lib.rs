//! Models of devices in the Digital Twins Definition Language (DTDL): read, checked, and held against what a device
//! sends.
//!
//! Versions 2 and 3 of the language are read, from files with one interface or a list of them, and from device templates
//! of IoT Central. Everything that is wrong is reported at once, each with the document and a JSON pointer; what is left
//! out of a model is reported too. The crate is pure: it opens no file and has no clock. The result is flat: a root and
//! its components, with what they extend in them.
//!
//! | module | holds |
//! | --- | --- |
//! | `documents` | the interfaces of some documents, by their ids |
//! | `read` | a model, read from them |
//! | `model`, `schema`, `meaning` | the model: what a device can do, what values are, and what they mean |
//! | [`quantity`] | semantic types and their units |
//! | `check`, `unmodeled` | a value against its schema; a message or a report against a model |
//! | `template` | device templates of IoT Central |
//! | `shipped` | the models of the SDKs' samples, which are there without a file |
//!
//! Sources: [DTDL 2](https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v2/DTDL.v2.md),
//! [DTDL 3](https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v3/DTDL.v3.md),
//! [IoT Central's extension](https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v2/DTDL.iotcentral.v2.md),
//! [device templates](https://learn.microsoft.com/azure/iot-central/core/howto-manage-device-templates-with-rest-api).
//!
//! # Example
//!
//! ```
//! use serde_json::json;
//!
//! let mut documents = dtdl::Documents::new();
//! documents.add("pump.json", &json!({
//!     "@context": "dtmi:dtdl:context;2",
//!     "@id": "dtmi:contoso:pump;1",
//!     "@type": "Interface",
//!     "contents": [{"@type": ["Telemetry", "Pressure"], "name": "pressure", "schema": "double", "unit": "bar"}],
//! }));
//! let pump = documents.read(None)?.model;
//! assert_eq!(pump.telemetry_findings(None, &json!({"pressure": 4.2})), []);
//! let findings = pump.telemetry_findings(None, &json!({"presure": 4.2}));
//! assert_eq!(findings[0].to_string(), "presure is not telemetry of the model; did you mean `pressure`?");
//! # Ok::<(), dtdl::Problems>(())
//! ```

mod check;
mod context;
mod documents;
mod meaning;
mod model;
mod problem;
pub mod quantity;
mod read;
mod schema;
mod shipped;
mod template;
mod types;
mod unmodeled;

pub use check::Mismatch;
pub use documents::Documents;
pub use meaning::Meaning;
pub use model::{Command, Model, Part, Payload, Property, Telemetry};
pub use problem::{Place, Problem, Problems};
pub use read::Parsed;
pub use schema::{EnumValue, Field, Geometry, Literal, Plain, Schema};
pub use shipped::{shipped, shipped_text};
pub use template::template;
pub use types::is_a;
pub use unmodeled::{Finding, FindingKind};
