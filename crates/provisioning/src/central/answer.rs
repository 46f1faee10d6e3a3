//! Answers as they come, for those who look at the service itself and not at what it holds.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;

use super::{Central, CentralError};

/// A person waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer of the API, whatever its status is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names, in lower case, and values, those that are text.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    /// How far the clock of this machine, which shows `now`, is ahead of the service's. Whole seconds, as HTTP has them.
    #[must_use]
    pub fn clock_ahead(&self, now: Timestamp) -> Option<SignedDuration> {
        let there = DateTimeParser::new().parse_timestamp(self.header("date")?).ok()?;
        Some(now.duration_since(there))
    }
}

impl Central {
    /// Reads `/api/<path…>` once: no repetition, and a refusal is an answer, too.
    ///
    /// # Errors
    ///
    /// No answer came.
    pub async fn answer(&self, path: &[&str]) -> Result<Answer, CentralError> {
        let request = self.request(Method::GET, path, path.join("/"));
        request.timeout(PATIENCE).answer().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_compared_with_the_date_of_an_answer() {
        let answer = |date: &str| Answer {
            status: 200,
            headers: vec![("date".to_owned(), date.to_owned())],
            body: Vec::new(),
        };
        let now: Timestamp = "2026-11-27T18:05:00Z".parse().unwrap();
        let ahead = answer("Fri, 27 Nov 2026 18:00:00 GMT").clock_ahead(now);
        assert_eq!(ahead, Some(SignedDuration::from_mins(5)));
        assert_eq!(answer("yesterday").clock_ahead(now), None);
    }
}
