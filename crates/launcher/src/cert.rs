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
use device_sim::console;
use jiff::Timestamp;
use provisioning::certificate::Password;
use provisioning::certificate::make::PfxCipher;
use provisioning::identities::{Notice, PfxSpec};

use crate::exit::Failure;

/// `fleet cert …`
#[derive(Debug, Args)]
pub(crate) struct CertArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a root CA
    #[command(
        after_help = "Examples:\n  fleet cert root mytestrootcert\n  fleet cert root mytestrootcert --key rsa2048 --days 365 --out certs"
    )]
    Root(make::RootArgs),
    /// Make an intermediate CA below another CA
    #[command(after_help = "Examples:\n  fleet cert intermediate factory mytestrootcert")]
    Intermediate(make::IntermediateArgs),
    /// Make the certificate of a device, or of many; without a parent it signs itself
    #[command(
        after_help = "Examples:\n  fleet cert device sample-device-01 mytestrootcert\n  fleet cert device thermo- mytestrootcert --count 1000"
    )]
    Device(make::DeviceArgs),
    /// Make the certificate that proves to Azure that you have a CA's key
    #[command(
        after_help = "Examples:\n  fleet cert verification --ca mytestrootcert_cert.pem --key mytestrootcert_key.pem --nonce CODE"
    )]
    Verification(make::VerificationArgs),
    /// Show what is in certificate files, and what Azure would object to
    #[command(
        after_help = "Examples:\n  fleet cert inspect sample-device-01_cert.pem\n  fleet cert inspect sample-device-01_fullchain.pem --ca mytestrootcert_cert.pem"
    )]
    Inspect(inspect::InspectArgs),
    /// Reissue device certificates: same name and issuer, new key
    #[command(
        after_help = "Examples:\n  fleet cert renew sample-device-01\n  fleet cert renew --expiring-within 30 --out certs"
    )]
    Renew(renew::RenewArgs),
    /// Show which certificates expire, and when
    #[command(after_help = "Examples:\n  fleet cert status certs\n  fleet cert status certs --soon 90 --all")]
    Status(status::StatusArgs),
}

/// What protects keys in files.
#[derive(Debug, Args)]
struct Protection {
    /// The password of PFX files and encrypted keys; 1234 when left out, as create_test_cert.js has it
    #[arg(long, value_name = "PASSWORD", env = "FLEET_PFX_PASSWORD", hide_env_values = true)]
    password: Option<Password>,
}

impl Protection {
    /// What a person gave.
    fn given(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// What a new file gets.
    fn password(&self) -> Password {
        self.password.clone().unwrap_or_else(Self::usual)
    }

    /// The password of create_test_cert.js.
    fn usual() -> Password {
        Password::new(DEFAULT_PASSWORD)
    }
}

/// The password of `create_test_cert.js`, which is public.
const DEFAULT_PASSWORD: &str = "1234";

/// The ciphers of new PFX files.
#[derive(Debug, Args)]
struct PfxArgs {
    /// Write PFX files that Windows up to Server 2016 can import (triple DES and SHA-1: weak, for tests only)
    #[arg(long)]
    legacy_pfx: bool,
}

impl PfxArgs {
    fn spec(&self, protection: &Protection) -> PfxSpec {
        PfxSpec {
            password: protection.password(),
            cipher: if self.legacy_pfx {
                PfxCipher::Legacy
            } else {
                PfxCipher::Modern
            },
        }
    }
}

fn warn_of(notices: &[Notice]) {
    for notice in notices {
        let level = match notice {
            Notice::ProofReplaced { .. } => "note",
            Notice::Orphaned { .. } | Notice::OldIssuer { .. } => "warning",
        };
        console::note(format_args!("{level}: {notice}"));
        if let Some(hint) = notice.hint() {
            console::note(format_args!("hint: {hint}"));
        }
    }
}

/// Does what `fleet cert` is asked for.
///
/// # Errors
///
/// It was refused, or failed on the way.
pub(crate) fn run(args: &CertArgs) -> Result<u8, Failure> {
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
