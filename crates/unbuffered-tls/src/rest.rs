//! Bytes that are kept until they can go on.

/// Bytes of which some may be done with. It holds memory only while there are any.
#[derive(Default)]
pub(crate) struct Rest {
    bytes: Vec<u8>,
    done: usize,
}

impl Rest {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends `size` bytes that `fill` writes.
    pub(crate) fn push_with<T>(&mut self, size: usize, fill: impl FnOnce(&mut [u8]) -> T) -> T {
        let begin = self.bytes.len();
        self.bytes.resize(begin + size, 0);
        fill(&mut self.bytes[begin..])
    }

    /// Takes `count` bytes away from the front, and gives the memory back with the last.
    pub(crate) fn consume(&mut self, count: usize) {
        self.done += count;
        if self.done >= self.bytes.len() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_with_the_last_byte() {
        let mut rest = Rest::default();
        rest.push(b"abc");
        rest.push_with(2, |bytes| bytes.copy_from_slice(b"de"));
        rest.consume(1);
        assert_eq!(rest.bytes(), b"bcde");
        rest.push(b"f");
        rest.consume(5);
        assert!(rest.is_empty());
        assert_eq!(rest.bytes.capacity(), 0);
    }
}
