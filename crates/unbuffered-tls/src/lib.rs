//! TLS streams that hold no buffers while nothing is under way.
//!
//! A connection of rustls, as tokio-rustls uses it, keeps a read buffer of 4 KiB as long as it lives. Among ten thousand
//! quiet connections that is the largest part of what one costs. Here the connection has none: a poll takes the two buffers
//! of its thread, one to read into and one to encrypt into, and puts them back before it returns. What a stream keeps
//! between two polls is what it can't do without: the beginning of a record whose rest has not come, plaintext
//! for which the reader had no room, and ciphertext that the socket did not accept.
//!
//! Both ends are here, since neither is MQTT: [`connect`] for a client, [`accept`] for a server. Certificates, versions
//! and everything else are decided by rustls' own configuration.
//!
//! # Map
//!
//! | module | is |
//! | --- | --- |
//! | `records` | between ciphertext and plaintext, without I/O: the only module that uses rustls' unbuffered interface |
//! | `stream` | [`TlsStream`]: carries bytes between `records`, the socket and the caller |
//! | `buffers` | the buffers of a thread |
//! | `rest` | bytes that are kept until they can go on |
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use rustls::ClientConfig;
//! use rustls_pki_types::ServerName;
//! use tokio::io::AsyncWriteExt;
//! use tokio::net::TcpStream;
//!
//! # async fn example(config: Arc<ClientConfig>) -> std::io::Result<()> {
//! let tcp = TcpStream::connect("localhost:8883").await?;
//! let name = ServerName::try_from("localhost").expect("this is a name");
//! let mut tls = unbuffered_tls::connect(config, name, tcp).await?;
//! tls.write_all(b"hello").await?;
//! tls.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod buffers;
mod records;
mod rest;
mod stream;

pub use self::records::Connection;
pub use self::stream::{ClientStream, ServerStream, TlsStream, accept, connect};
