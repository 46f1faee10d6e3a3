//! X.509 certificates: made, loaded, inspected.

mod error;
pub mod inspect;
pub mod load;
pub mod make;
mod pem;

pub use error::CertificateError;
