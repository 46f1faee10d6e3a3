//! X.509 certificates: made, loaded, inspected.

mod armour;
mod binary;
mod cost;
mod encrypted_key;
mod error;
pub mod examine;
mod finding;
pub mod inspect;
mod key_kind;
mod key_type;
pub mod load;
pub mod make;
mod password;
pub(crate) mod pem;
mod pfx;
pub(crate) mod source;

pub use error::{Binary, CertificateError, Flaw, Found};
pub use password::Password;
