//! `fleet cert`: test certificates, made, looked at, renewed.
//!
//! The first four verbs take the arguments of Microsoft's `create_test_cert.js` and leave the same files, so that a reader
//! of the how-to can put `fleet cert` in the place of `node create_test_cert.js`.

mod inspect;
mod make;
mod renew;
mod status;
mod when;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use provisioning::certificate::Password;

use crate::exit::Failure;

/// `fleet cert …`
#[derive(Debug, Args)]
pub struct CertArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a root CA
    Root(make::RootArgs),
    /// Make an intermediate CA below a CA of the same folder
    Intermediate(make::IntermediateArgs),
    /// Make the certificate of a device, or of many; without a parent it signs itself
    Device(make::DeviceArgs),
    /// Make the certificate that proves to Azure that you have a CA's key
    Verification(make::VerificationArgs),
    /// Show what is in certificate files, and what Azure would object to
    Inspect(inspect::InspectArgs),
    /// Issue certificates of devices anew: same name and issuer, new key
    Renew(renew::RenewArgs),
    /// Show what expires when
    Status(status::StatusArgs),
}

/// What protects keys in files.
#[derive(Debug, Args)]
struct Protection {
    /// The password of PFX files and encrypted keys
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "FLEET_PFX_PASSWORD",
        hide_env_values = true,
        default_value = "1234"
    )]
    password: Password,
}

/// Does what `fleet cert` is asked for.
///
/// # Errors
///
/// It was refused, or failed on the way.
pub fn run(args: &CertArgs) -> Result<u8, Failure> {
    let now = Timestamp::now();
    match &args.verb {
        Verb::Root(args) => make::root(args, now),
        Verb::Intermediate(args) => make::intermediate(args, now),
        Verb::Device(args) => make::device(args, now),
        Verb::Verification(args) => make::verification(args, now),
        Verb::Inspect(args) => inspect::run(args, now),
        Verb::Renew(args) => renew::run(args, now),
        Verb::Status(args) => status::run(args, now),
    }
}
