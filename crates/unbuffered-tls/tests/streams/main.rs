//! Each side against tokio-rustls' streams, over transports that cut as they like.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

mod chopped;
mod ends;
mod identities;
mod traffic;
mod troubles;
