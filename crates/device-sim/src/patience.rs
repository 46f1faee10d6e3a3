//! How long a device waits.

use std::time::Duration;

/// How long a device waits for the other side before it gives up a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the name look-up to CONNACK.
    pub connect: Duration,
    /// For any sign of life while an acknowledgement is outstanding: this is how a half-open connection is noticed. And
    /// for the answers of DPS, and the twin.
    pub answer: Duration,
    /// For acknowledgements of what was sent, before it disconnects.
    pub drain: Duration,
}

impl Default for Patience {
    /// Half a minute for each, and less for the acknowledgements at the end.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            answer: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}
