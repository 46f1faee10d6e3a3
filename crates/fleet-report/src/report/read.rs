//! Reading a report that was written before.

use serde::Deserialize;
use serde_json::Value;

use super::{Report, SCHEMA_VERSION};

/// Why a text is no report that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON, or not a report.
    #[error("this is no report of a run")]
    NotAReport(#[source] serde_json::Error),
    /// It is of another version.
    #[error("this report is of version {found}, and this build reads version {SCHEMA_VERSION}")]
    Version {
        /// Its version.
        found: u64,
    },
    /// It has a number that nothing could have counted, and whose sums would overflow.
    #[error("`{place}` is {number}, and nothing in a report is larger than {LARGEST}")]
    TooLarge {
        /// Where it stands, such as `/telemetry/offered`.
        place: String,
        /// The number.
        number: u64,
    },
    /// Its timeline has series of different lengths.
    #[error("the timeline's series `{series}` does not have {points} values")]
    Uneven {
        /// The first of them.
        series: String,
        /// How many it should have.
        points: u64,
    },
}

/// The largest whole number in a report: as many bytes as 256 TiB. Thousands of them can be summed up.
const LARGEST: u64 = 1 << 48;

/// The first whole number that is too large. The manifest is a text here, of which nothing is computed.
fn too_large(value: &Value, place: &str) -> Option<ReadError> {
    match value {
        Value::Number(number) => number.as_u64().filter(|number| *number > LARGEST).map(|number| {
            let place = place.to_owned();
            ReadError::TooLarge { place, number }
        }),
        Value::Array(values) => {
            let mut all = (0_usize..).zip(values);
            all.find_map(|(index, value)| too_large(value, &format!("{place}/{index}")))
        }
        Value::Object(values) => {
            let mut all = values.iter().filter(|(key, _)| !place.is_empty() || *key != "manifest");
            all.find_map(|(key, value)| too_large(value, &format!("{place}/{key}")))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

impl Report {
    /// Reads `report.json`.
    ///
    /// # Errors
    ///
    /// It is no report, or one that this build can't read.
    pub fn read(text: &[u8]) -> Result<Self, ReadError> {
        #[derive(serde::Deserialize)]
        struct Version {
            schema_version: u64,
        }
        let value: Value = serde_json::from_slice(text).map_err(ReadError::NotAReport)?;
        let Version { schema_version } = Version::deserialize(&value).map_err(ReadError::NotAReport)?;
        if schema_version != u64::from(SCHEMA_VERSION) {
            return Err(ReadError::Version { found: schema_version });
        }
        if let Some(error) = too_large(&value, "") {
            return Err(error);
        }
        let report: Self = serde_json::from_value(value).map_err(ReadError::NotAReport)?;
        match report
            .timeline
            .as_ref()
            .and_then(|timeline| Some((timeline.uneven()?, timeline.points)))
        {
            None => Ok(report),
            Some((series, points)) => Err(ReadError::Uneven {
                series: series.to_owned(),
                points,
            }),
        }
    }
}
