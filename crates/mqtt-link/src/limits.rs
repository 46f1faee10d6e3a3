//! What a connection may hold in memory.

/// The largest packet in either direction: the 256 KiB body that a hub accepts, its topic with all properties, and
/// room.
pub const MAX_PACKET: usize = 320 * 1024;

/// What the read buffer holds when nothing happens: room for most packets that a device gets. Ten thousand idle devices
/// have ten thousand of these.
pub(crate) const READ_BUFFER: usize = 512;
