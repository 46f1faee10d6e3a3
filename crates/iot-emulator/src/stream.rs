//! What carries a connection.

use tokio::io::{AsyncRead, AsyncWrite};

/// TCP, TLS, WebSocket, or a slow line in memory.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}
