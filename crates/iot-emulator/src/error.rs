use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use iot_protocol::shown;

use iot_protocol::IdError;
use iot_protocol::id::{DeviceId, HubHost};

/// What helps where a file of the state folder is spoilt. Never the removal of the folder: the enrollments are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Remedy {
    /// The database is spoilt.
    #[error("restore it from a copy, or move it away to begin without what was enrolled, registered and stored")]
    Database,
    /// The certificate authority is spoilt, or a half of it is missing.
    #[error(
        "restore ca_cert.pem and ca_key.pem from a copy, or remove both for a new authority, which every client has to \
         trust anew; enrollments and devices stay"
    )]
    Authority,
    /// The API token is spoilt.
    #[error("restore it from a copy, or remove this file alone for a new token; enrollments and devices stay")]
    ApiToken,
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "its messages show what each field is")]
pub enum StartError {
    /// A port can't be listened on, most often since another program has it.
    #[error("can't listen on {address} (`--{flag}`)")]
    Listen {
        /// The option that named the address.
        flag: &'static str,
        address: SocketAddr,
        source: io::Error,
    },
    /// Without TLS, only this machine may reach the REST interface.
    #[error("`--http {0}` is not a loopback address; use `--https` to be reached from elsewhere")]
    HttpNotLoopback(SocketAddr),
    /// A hub has no such number of units, or the limits are not those of a hub.
    #[error("`--units`: {0}")]
    Units(String),
    /// A hub is named twice.
    #[error("`--hubs` names `{0}` twice")]
    HubTwice(HubHost),
    /// The host name would not do as the name of a hub.
    #[error("`--hostname` is not usable")]
    Hostname(#[source] IdError),
    /// The certificate authority of the state folder was made without room for the Edge CA of a gateway.
    #[error(
        "`--gateway` needs a certificate authority that may have another below it, and {0} may not; remove it and its \
         key, and let clients trust the new one"
    )]
    NoRoomForEdgeCa(PathBuf),
    /// The given Edge CA can't be used.
    #[error("`--edge-ca`: {} can't be used: {reason}", shown::path(path))]
    EdgeCa { path: PathBuf, reason: String },
    /// An Edge CA was given for a device that no gateway stands for.
    #[error("`--edge-ca` names `{0}`, and no `--gateway` stands for that device")]
    EdgeCaWithoutGateway(DeviceId),
    /// A file of the state folder can't be read or written.
    #[error("state file {} can't be read or written", shown::path(path))]
    State { path: PathBuf, source: io::Error },
    /// A file of the state folder holds something else than it should.
    #[error("state file {} is not usable: {reason}; {remedy}", shown::path(path))]
    BadState {
        path: PathBuf,
        reason: String,
        remedy: Remedy,
    },
    /// A state folder is for one emulator at a time.
    #[error("state file {} is in use by another emulator", shown::path(.0))]
    StateInUse(PathBuf),
    /// A certificate of the emulator's own can't be made.
    #[error("the server certificate can't be made")]
    Certificate(#[from] rcgen::Error),
    /// TLS can't be set up.
    #[error("TLS can't be set up")]
    Tls(#[from] rustls::Error),
}
