//! What the services' documentation allows, as data.
//!
//! A plan is judged by these limits, and the emulator keeps them: both read the same files, `presets/*.toml`, which
//! are part of the program. A file of the same form can take their place.
//!
//! ```
//! let limits = quotas::preset("hub-s1").unwrap();
//! let connects = limits.get("hub.connects").unwrap();
//! assert_eq!(connects.allowed(1).unwrap().to_string(), "100/s");
//! assert_eq!(connects.allowed(10).unwrap().to_string(), "120/s");
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | [`amount`] | a count or a size, and the time that it is per |
//! | [`limit`] | one limit: what is allowed, to whom, how firmly, and who says so |
//! | [`presets`] | the files that are part of the program |
//! | [`load`](mod@load) | limits by name: a preset or a file |
//! | `read` | such files, taken apart |

pub mod amount;
pub mod limit;
pub mod load;
pub mod presets;
mod read;

pub use amount::{Amount, Unit};
pub use limit::{Kind, Limit, Limits};
pub use load::{load, parse};
pub use presets::{documented, preset};
