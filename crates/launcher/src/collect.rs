//! What a collector and the sims that report to it have in common; what they write to each other stands in
//! [`fleet_protocol::collect`].

pub(crate) mod address;
pub(crate) mod collector;
mod connection;
pub(crate) mod credentials;
pub(crate) mod keepalive;
mod lines;
pub(crate) mod roster;
