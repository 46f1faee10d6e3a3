//! Keys from the bytes that a terminal sends for them.

/// A key that means something to the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Left,
    Right,
    Escape,
}

/// Takes bytes as they come, and a key may come in several pieces.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pending: Vec<u8>,
}

const ESCAPE: u8 = 0x1b;
/// Sequences of arrows are of three bytes, with modifiers of six; whatever is longer means nothing here.
const LONGEST: usize = 16;

impl Keys {
    /// The keys in these bytes, which are all that the terminal had sent.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(bytes);
        let mut keys = Vec::new();
        while let Some((key, length)) = next(&self.pending) {
            self.pending.drain(..length);
            keys.extend(key);
        }
        self.pending.truncate(LONGEST);
        keys
    }
}

/// The next key, if there is one that is whole, and how many bytes it takes.
fn next(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    match bytes {
        [] => None,
        // A key that begins a sequence comes with it in one read; alone, it is itself.
        [ESCAPE] => Some((Some(Key::Escape), 1)),
        [ESCAPE, b'[' | b'O', rest @ ..] => {
            let end = rest.iter().position(|byte| (0x40..=0x7e).contains(byte));
            match end {
                Some(end) => {
                    let key = match rest[end] {
                        b'C' => Some(Key::Right),
                        b'D' => Some(Key::Left),
                        _ => None,
                    };
                    Some((key, end + 3))
                }
                None if rest.len() < LONGEST => None,
                None => Some((None, bytes.len())),
            }
        }
        // With Alt, or twice.
        [ESCAPE, _, ..] => Some((Some(Key::Escape), 1)),
        [byte, ..] => Some((byte.is_ascii_graphic().then_some(Key::Char(char::from(*byte))), 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_arrows_are_keys_and_the_rest_is_skipped() {
        let mut keys = Keys::default();
        for (bytes, expected) in [
            (&b"pQ"[..], &[Key::Char('p'), Key::Char('Q')][..]),
            (b"\x1b[C", &[Key::Right]),
            (b"\x1bOD", &[Key::Left]),
            (b"\x1b[1;5C", &[Key::Right]),
            (b"\x1b[A?", &[Key::Char('?')]),
            (b"\x1b[15~s", &[Key::Char('s')]),
            (b"\x1b", &[Key::Escape]),
            (b"\x1bq", &[Key::Escape, Key::Char('q')]),
            ("\u{e9}\n\t".as_bytes(), &[]),
        ] {
            assert_eq!(keys.read(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_sequence_may_come_in_pieces_and_one_without_an_end_is_dropped() {
        let mut keys = Keys::default();
        assert_eq!(keys.read(b"\x1b["), []);
        assert_eq!(keys.read(b"Dd"), [Key::Left, Key::Char('d')]);
        assert_eq!(keys.read(b"\x1b[0000000000000000000000000000000000"), []);
        assert_eq!(keys.read(b"q"), [Key::Char('q')]);
    }
}
