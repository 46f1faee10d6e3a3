//! Words to a person, who may not be there: stderr may be closed or full, and that is no reason to end.

use std::fmt::Display;
use std::io::Write;

/// Writes a line on stderr, or drops it.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
