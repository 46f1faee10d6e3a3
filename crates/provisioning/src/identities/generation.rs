//! The numbers of generations, of CAs as of leaves.

use std::fmt;
use std::str::FromStr;

/// Which generation of a group's CAs, or of its leaves: counted from 1, written with at least four digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u32);

impl Generation {
    /// The one that is made when there is nothing yet.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl FromStr for Generation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|number| digits && *number > 0)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not the number of a generation, such as 0001"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_numbered_from_one_with_four_digits() {
        assert_eq!(Generation::FIRST.to_string(), "0001");
        assert_eq!(Generation::FIRST.next(), "0002".parse().unwrap());
        assert_eq!("12345".parse::<Generation>().unwrap().to_string(), "12345");
        for text in ["", "0", "0000", "+1", "-1", "1a", "99999999999"] {
            assert!(text.parse::<Generation>().is_err(), "{text:?}");
        }
    }
}
