//! The CAs of a group, by what they sign.

use std::fmt;

/// Which CA signs the leaves of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// The root itself.
    Root,
    /// An intermediate below the root.
    Intermediate,
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Intermediate => "intermediate",
        })
    }
}
