//! How figures become one value.

use std::fmt;

/// How the figures of a metric become one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregation {
    /// The mean of all times.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The median.
    Med,
    /// The percentile N, from 0 to 100.
    P(f64),
    /// How many: samples, failures or events.
    Count,
    /// A share, or events per second.
    Rate,
    /// The value of a gauge.
    Value,
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Avg => f.write_str("avg"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Med => f.write_str("med"),
            Self::P(percentile) => write!(f, "p({percentile})"),
            Self::Count => f.write_str("count"),
            Self::Rate => f.write_str("rate"),
            Self::Value => f.write_str("value"),
        }
    }
}
