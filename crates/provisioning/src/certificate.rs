//! X.509 certificates: made, loaded, inspected.

mod error;
pub mod inspect;
pub mod load;
pub mod make;
pub(crate) mod pem;

pub use error::CertificateError;
