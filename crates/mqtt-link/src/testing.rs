//! A scripted TLS server, a proxy and a test CA, for the tests of this crate and of those built on it (feature
//! `testing`).
//!
//! A test lists, per connection, what the server receives and sends. Any other packet, a step that is left over, or an
//! unexpected connection fails the test in [`Server::finish`]. The server speaks real TLS and asks for a client
//! certificate; it reads and writes with the same codec as the client, so a mistake of the codec itself would not show
//! here: the tests against Mosquitto are for that.
//!
//! Everything here panics when a test is wrong.

mod ca;
pub mod packets;
mod proxy;
mod script;
mod server;

pub use ca::{ClientCertificate, TestCa};
pub use proxy::{ConnectProxy, Tunnel};
pub use script::Connection;
pub use server::{Seen, Server, UpgradeRequest};
