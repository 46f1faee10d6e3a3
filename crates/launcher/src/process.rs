//! The programs that a run starts, and their lines.

pub(crate) mod child;
pub(crate) mod device_sims;
pub(crate) mod emulator;
pub(crate) mod orphan;
pub(crate) mod settled;
pub(crate) mod shards;
