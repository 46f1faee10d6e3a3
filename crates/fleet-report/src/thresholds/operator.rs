//! How a value is compared with the bound.

use std::fmt;

/// How a value is compared with the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Operator {
    /// Whether `value` is where it should be.
    #[must_use]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
            Self::Greater => value > bound,
            Self::GreaterOrEqual => value >= bound,
            #[expect(clippy::float_cmp, reason = "the operator asks for equality; counts and 0 are exact")]
            Self::Equal => value == bound,
            #[expect(clippy::float_cmp, reason = "the operator asks for equality; counts and 0 are exact")]
            Self::NotEqual => value != bound,
        }
    }

    /// How bad `value` is: of two values, the one with the greater number is the worse.
    pub(crate) fn badness(self, value: f64, bound: f64) -> f64 {
        match self {
            Self::Less | Self::LessOrEqual => value,
            Self::Greater | Self::GreaterOrEqual => -value,
            Self::Equal => (value - bound).abs(),
            Self::NotEqual => -(value - bound).abs(),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        })
    }
}
