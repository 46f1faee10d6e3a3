//! The programs that a run starts, and their lines.

pub mod child;
pub mod emulator;
pub(crate) mod settled;
pub mod shards;
