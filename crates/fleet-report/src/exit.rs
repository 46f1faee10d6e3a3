//! The numbers with which a run ends: documented, so that scripts may rely on them.

/// Everything went as asked.
pub const PASSED: u8 = 0;
/// Something failed while running: also a device that never came online, or a device-sim process that died.
pub const FAILED: u8 = 1;
/// Nothing was started: wrong usage, an invalid manifest, or a check before the start that said no.
pub const REFUSED: u8 = 2;
/// A threshold of the manifest was crossed, or had no data.
pub const THRESHOLDS: u8 = 99;
/// Interrupted from outside; the report has still been written.
pub const INTERRUPTED: u8 = 130;
