//! One TLS + MQTT 3.1.1 connection of a device: rumqttc's packet codec driven over tokio-rustls.
//!
//! A fleet holds thousands of these, each with its own certificate, so a connection is small (a few KiB beside what
//! TLS itself needs), never shares a TLS session with another one, and reports how long each phase of connecting took.
//! It goes over TCP or WebSocket, directly or through an HTTP proxy, and notices within a bound when the other side is
//! gone. It never skips verification and never uses MQTT without TLS. MQTT 5, QoS 2 and reconnecting are not covered: a
//! broken [`Link`] is dropped and a new one connected, by the caller's own policy.
//!
//! # Map
//!
//! | module | purpose |
//! | --- | --- |
//! | `endpoint` | where to connect, over what, and which server to expect there: [`Endpoint`], [`Transport`] |
//! | `proxy` | an HTTP proxy to go through, and when not to: [`Proxy`] |
//! | `tls` | trust, made once and shared by every connection: [`Tls`], [`TrustRoots`] |
//! | `credentials` | the identity of the device: [`Credentials`], [`certified_key`] |
//! | `options` | the content of CONNECT: [`ConnectOptions`], [`Will`] |
//! | `connect` | DNS, TCP (a proxy's tunnel), TLS, MQTT (its WebSocket), each timed: [`ConnectTimings`], [`Phase`] |
//! | `link` | the driver: [`Link`], [`Event`] |
//! | `session` | the pure core: packet ids, in flight, keepalive, dead peers; no I/O and no clock |
//! | `stream` | TLS over TCP, with WebSocket frames in between or without; a worse network on purpose: [`Impairment`] |
//! | `wire` | the codec, its limits and its guard against malformed packets |
//! | `error` | what can go wrong, each with a stable word for counting: [`ConnectError`], [`LinkError`] |
//! | `testing` | a scripted TLS server, a proxy and a test CA (feature `testing`) |
//!
//! # Example
//!
//! ```no_run
//! use mqtt_link::{ConnectOptions, Credentials, Endpoint, Event, Link, Qos, Tls, TrustRoots};
//!
//! # async fn example(key: std::sync::Arc<rustls::sign::CertifiedKey>) -> Result<(), Box<dyn std::error::Error>> {
//! let tls = Tls::new(TrustRoots::WebPki)?;
//! let endpoint = Endpoint::new("hub1.azure-devices.net", 8883, tls)?;
//! let options = ConnectOptions {
//!     user_name: Some("hub1.azure-devices.net/thermo-0001/?api-version=2021-04-12".to_owned()),
//!     ..ConnectOptions::new("thermo-0001")
//! };
//! let (mut link, timings) = Link::connect(&endpoint, &Credentials::X509(key), &options).await?;
//! println!("tls took {:?}", timings.tls);
//!
//! link.subscribe(&[("devices/thermo-0001/messages/devicebound/#", Qos::AtLeastOnce)]).await?;
//! link.publish("devices/thermo-0001/messages/events/", r#"{"temperature":21.4}"#, Qos::AtLeastOnce)?;
//! while let Event::Message { topic, .. } = link.next().await? {
//!     println!("received {topic}");
//! }
//! link.close(std::time::Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```

mod connect;
mod credentials;
mod endpoint;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod limits;
mod link;
mod options;
mod packet_ids;
mod phase;
mod proxy;
mod publish;
mod session;
mod source;
mod stream;
mod tls;
mod wire;

#[cfg(feature = "testing")]
pub mod testing;

pub use connect::{ConnectTimings, Probe, probe};
pub use credentials::{Credentials, CredentialsError, SasToken, certified_key};
pub use endpoint::{Endpoint, InvalidServerName, Transport};
pub use error::{
    ConnectError, ConnectRefusal, LinkError, OutOfDate, ProtocolError, ProxyFailure, PublishError, SubscribeError,
    TlsFailure, UpgradeFailure,
};
pub use limits::MAX_PACKET;
pub use link::{Event, Link};
pub use options::{ConnectOptions, Will};
pub use packet_ids::PacketId;
pub use phase::Phase;
pub use proxy::{InvalidProxy, Proxy};
pub use source::SourceAddresses;
pub use stream::{Impairment, Stalls, WebSocketFault};
pub use tls::{Tls, TlsSetupError, TrustRoots, client_config};
pub use wire::{MalformedPacket, Qos};
