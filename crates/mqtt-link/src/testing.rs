//! A scripted TLS server and a test CA, for the tests of this crate and of those built on it.
