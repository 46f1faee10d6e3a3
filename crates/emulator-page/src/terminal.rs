//! Words to a person, who may not be there: stderr may be closed or full, and that is no reason to end.

use std::fmt::Display;
use std::io::Write;

use iot_protocol::shown;

/// Writes a line on stderr, or several, or drops it. Control characters are escaped, wherever the text comes from.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", shown::lines(&line.to_string()));
}
