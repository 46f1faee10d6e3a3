//! Which shard a process simulates where its command line does not give a number: schedulers number their processes
//! themselves.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use fleet_protocol::plan::Shard;

/// The number of a pod in a Kubernetes Indexed Job
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode>).
pub(crate) const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// A shard as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    /// `i/n`
    Fixed(Shard),
    /// `auto/n`: the number comes from the environment.
    Auto(NonZeroU32),
}

impl ShardChoice {
    /// The shard. For `auto`, its number is `INDEX_VARIABLE`, or the end of the host name after a hyphen, as in
    /// a Kubernetes StatefulSet: `sim-0` is the first.
    ///
    /// # Errors
    ///
    /// Neither is there, or the number is not below n.
    pub fn resolve(
        self,
        variables: impl Fn(&str) -> Option<String>,
        host_name: Option<&str>,
    ) -> Result<Shard, ShardUnknown> {
        let count = match self {
            Self::Fixed(shard) => return Ok(shard),
            Self::Auto(count) => count,
        };
        let ordinal = |name: &str| Some(name.split('.').next()?.rsplit_once('-')?.1.to_owned());
        let (place, text) = match (variables(INDEX_VARIABLE), host_name.and_then(ordinal)) {
            (Some(index), _) => (INDEX_VARIABLE, index),
            (None, Some(ordinal)) => ("the host's name", ordinal),
            (None, None) => return Err(ShardUnknown::Nowhere),
        };
        match text.trim().parse() {
            Ok(index) if index < count.get() => Ok(Shard { index, count }),
            Ok(_) => Err(ShardUnknown::Beyond { place, text, count }),
            // A host name may end in anything, the variable may not.
            Err(_) if place == INDEX_VARIABLE => Err(ShardUnknown::NoNumber { place, text }),
            Err(_) => Err(ShardUnknown::Nowhere),
        }
    }
}

impl fmt::Display for ShardChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(shard) => shard.fmt(f),
            Self::Auto(count) => write!(f, "auto/{count}"),
        }
    }
}

impl FromStr for ShardChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("auto/") {
            None => text.parse().map(Self::Fixed),
            Some(count) => count
                .parse()
                .map(Self::Auto)
                .map_err(|_| format!("`{text}` is not of the form auto/n, where n is at least 1, e.g. auto/4")),
        }
    }
}

/// Why `auto` has no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardUnknown {
    /// There is no number.
    #[error(
        "the number of the shard is not known: {INDEX_VARIABLE} is not set, and the host's name ends in no number, as \
         `sim-0` does"
    )]
    Nowhere,
    /// There is something else where the number should be.
    #[error("{place} is `{text}`, it must be the number of the shard, counted from 0")]
    NoNumber {
        /// Where.
        place: &'static str,
        /// What.
        text: String,
    },
    /// There are fewer shards.
    #[error("{place} names shard {text}, but of {count} shards, counted from 0, the last one is {}", count.get() - 1)]
    Beyond {
        /// Where.
        place: &'static str,
        /// The number.
        text: String,
        /// How many there are.
        count: NonZeroU32,
    },
}

/// The name of this host, where the system provides it.
#[must_use]
pub fn host_name() -> Option<String> {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_str().ok().map(ToOwned::to_owned);
    #[cfg(not(unix))]
    std::env::var("COMPUTERNAME").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(choice: &str, index: Option<&str>, host: Option<&str>) -> Result<String, String> {
        let variables = |name: &str| (name == INDEX_VARIABLE).then(|| index.map(ToOwned::to_owned)).flatten();
        let choice: ShardChoice = choice.parse().unwrap();
        let shard = choice.resolve(variables, host);
        shard.map(|shard| shard.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_on_the_command_line_needs_nothing_else() {
        assert_eq!(resolve("1/4", Some("2"), Some("sim-3")), Ok("1/4".into()));
    }

    #[test]
    fn the_number_comes_from_the_indexed_job_or_else_from_the_name_of_the_host() {
        assert_eq!(resolve("auto/4", Some("2"), Some("sim-3")), Ok("2/4".into()));
        assert_eq!(resolve("auto/4", None, Some("sim-3")), Ok("3/4".into()));
        assert_eq!(
            resolve("auto/4", None, Some("sim-0.sims.default.svc")),
            Ok("0/4".into())
        );
    }

    #[test]
    fn without_a_usable_number_nothing_is_guessed() {
        for host in [None, Some("host"), Some("sim-a")] {
            let error = resolve("auto/4", None, host).unwrap_err();
            assert!(
                error.contains("is not set, and the host's name ends in no number"),
                "{error}"
            );
        }
        let error = resolve("auto/4", Some("first"), None).unwrap_err();
        assert_eq!(
            error,
            "JOB_COMPLETION_INDEX is `first`, it must be the number of the shard, counted from 0"
        );
        let error = resolve("auto/4", None, Some("sim-4")).unwrap_err();
        assert_eq!(
            error,
            "the host's name names shard 4, but of 4 shards, counted from 0, the last one is 3"
        );
        for bad in ["auto/0", "auto/", "auto", "4/4"] {
            assert!(bad.parse::<ShardChoice>().is_err(), "{bad}");
        }
    }
}
