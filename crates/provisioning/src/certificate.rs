//! X.509 certificates: made, loaded, inspected.

mod cost;
mod encrypted_key;
mod error;
pub mod examine;
pub mod inspect;
pub mod load;
pub mod make;
mod password;
pub(crate) mod pem;
mod pfx;
mod source;

pub use error::CertificateError;
pub use password::Password;
