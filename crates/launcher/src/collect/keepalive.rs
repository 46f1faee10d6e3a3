//! Whether the machine at the other end of a connection is still there: one that is gone sends no end.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// The system asks after so long a silence, …
const AFTER: Duration = Duration::from_secs(10);
/// … so often, …
const EVERY: Duration = Duration::from_secs(5);
/// … and gives it up after so many questions.
const QUESTIONS: u32 = 4;

/// Has the system notice, and sends what is written at once.
///
/// # Errors
///
/// It refuses.
pub(crate) fn watch(tcp: &TcpStream) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(AFTER).with_interval(EVERY);
    #[cfg(not(windows))]
    let keepalive = keepalive.with_retries(QUESTIONS);
    let socket = SockRef::from(tcp);
    socket.set_tcp_keepalive(&keepalive)?;
    // Where something is on its way, the system does not ask, and would try for a quarter of an hour.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(AFTER + EVERY * QUESTIONS))?;
    tcp.set_nodelay(true)
}
