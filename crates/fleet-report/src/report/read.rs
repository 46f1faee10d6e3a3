//! Reading a report that was written before.

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
    /// Its timeline has series of different lengths.
    #[error("the timeline's series `{series}` does not have {points} values")]
    Uneven {
        /// The first of them.
        series: String,
        /// How many it should have.
        points: u64,
    },
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
        let Version { schema_version } = serde_json::from_slice(text).map_err(ReadError::NotAReport)?;
        if schema_version != u64::from(SCHEMA_VERSION) {
            return Err(ReadError::Version { found: schema_version });
        }
        let report: Self = serde_json::from_slice(text).map_err(ReadError::NotAReport)?;
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
