//! The buffers of a thread.
//!
//! A poll takes them and puts them back before it returns, so no stream has them while it waits. A stream within a stream
//! (TLS through TLS) finds them taken and makes some for itself.

use std::cell::Cell;

/// The largest record that there is: a header, 2¹⁴ bytes and what a cipher may add to them
/// ([RFC 5246, section 6.2.3](https://www.rfc-editor.org/rfc/rfc5246#section-6.2.3)).
const LARGEST_RECORD: usize = 5 + 16 * 1024 + 2048;
/// What a buffer has. Encrypting needs room for the largest record and, seldom, for a little that goes before it.
const USUAL: usize = LARGEST_RECORD + 1024;

thread_local! {
    static BUFFERS: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
}

/// One buffer for each direction. Their bytes are whatever they were used for last.
pub(crate) struct Buffers {
    pub(crate) incoming: Box<[u8]>,
    pub(crate) outgoing: Vec<u8>,
}

impl Buffers {
    fn new() -> Box<Self> {
        Box::new(Self {
            incoming: vec![0; USUAL].into(),
            outgoing: vec![0; USUAL],
        })
    }

    /// Lends the thread's buffers to `work`.
    pub(crate) fn lend<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        // A thread that is ending has none any more.
        let taken = BUFFERS.try_with(Cell::take).ok().flatten();
        let mut buffers = taken.unwrap_or_else(Self::new);
        let result = work(&mut buffers);
        // What was needed once is not kept.
        if buffers.outgoing.len() > USUAL {
            buffers.outgoing.truncate(USUAL);
            buffers.outgoing.shrink_to(USUAL);
        }
        let _ = BUFFERS.try_with(|slot| slot.set(Some(buffers)));
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_grew_is_as_large_as_before_the_next_time() {
        Buffers::lend(|buffers| {
            buffers.outgoing.resize(3 * USUAL, 0);
            buffers.outgoing[0] = 1;
        });
        Buffers::lend(|buffers| {
            assert_eq!(buffers.outgoing.len(), USUAL);
            assert_eq!(buffers.outgoing.capacity(), USUAL);
            // They are taken: a poll within a poll gets others.
            Buffers::lend(|others| assert_eq!(others.outgoing[0], 0));
            assert_eq!(buffers.outgoing[0], 1);
        });
    }
}
