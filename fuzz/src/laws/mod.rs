//! What must hold for any input, one law per fuzz target. A broken law panics.

pub mod bag;
pub mod certificate;
pub mod chains;
pub mod connection;
pub mod device;
pub mod manifest;
pub mod model;
pub mod pem;
pub mod record;
pub mod rest;
pub mod server;
pub mod topic;
pub mod twin;

/// A law: takes any bytes and panics if what must hold does not.
pub type Law = fn(&[u8]);

/// All laws by the names of their targets.
pub const ALL: [(&str, Law); 13] = [
    ("bag", bag::law),
    ("certificate", certificate::law),
    ("chains", chains::law),
    ("connection", connection::law),
    ("device", device::law),
    ("manifest", manifest::law),
    ("model", model::law),
    ("pem", pem::law),
    ("record", record::law),
    ("rest", rest::law),
    ("server", server::law),
    ("topic", topic::law),
    ("twin", twin::law),
];

/// A runtime whose clock jumps to the next timer when nothing else is left to do, so that no law waits.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O can always be made")
}
