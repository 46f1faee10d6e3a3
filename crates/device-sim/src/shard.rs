//! Which shard a process simulates where its command line does not give a number: schedulers number their processes
//! themselves.

mod scheduler;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use fleet_protocol::plan::Shard;
use iot_protocol::shown;
use scheduler::{SCHEDULERS, Scheduler, digits};

use crate::hint::Hint;

/// A shard as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    /// `i/n`
    Fixed(Shard),
    /// `auto/n`: the number comes from the environment.
    Auto(NonZeroU32),
}

/// A shard, and what its number was taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// The shard.
    pub shard: Shard,
    /// What was read for it, e.g. `JOB_COMPLETION_INDEX=1`; `None` where the command line gave the number.
    pub from: Option<String>,
}

impl ShardChoice {
    /// The shard, by the environment and the name of this host.
    ///
    /// # Errors
    ///
    /// Neither gives a number below n. A hint names what to set.
    pub fn resolve_here(self) -> anyhow::Result<Numbered> {
        let resolved = self.resolve(|name| std::env::var(name).ok(), host_name());
        resolved.map_err(|error| {
            let hint = error.hint();
            anyhow::Error::from(error).hint(hint)
        })
    }

    /// For `auto`, the number is in the first variable of a scheduler that is set, or else at the end of the host name, after
    /// a hyphen, as in a Kubernetes StatefulSet: `sim-0` is the first.
    fn resolve(
        self,
        variables: impl Fn(&str) -> Option<String>,
        host_name: Option<String>,
    ) -> Result<Numbered, ShardUnknown> {
        let count = match self {
            Self::Fixed(shard) => return Ok(Numbered { shard, from: None }),
            Self::Auto(count) => count,
        };
        // What a template has left empty is not set.
        let value = |name: &str| variables(name).filter(|value| !value.trim().is_empty());
        let set = |scheduler: &'static Scheduler| Some(Place::Variable(scheduler, value(scheduler.variable)?));
        let place = SCHEDULERS.iter().find_map(set);
        let place = place.unwrap_or_else(|| Place::HostName(host_name.unwrap_or_default()));
        match place.number() {
            Some(index) if index < count.get() => Ok(Numbered {
                shard: Shard { index, count },
                from: Some(place.to_string()),
            }),
            number => Err(ShardUnknown { place, number, count }),
        }
    }
}

/// What a number is read from.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The variable of a scheduler, with its value.
    Variable(&'static Scheduler, String),
    HostName(String),
}

impl Place {
    fn number(&self) -> Option<u32> {
        match self {
            Self::Variable(scheduler, value) => scheduler.number(value),
            Self::HostName(name) => digits(name.split('.').next()?.rsplit_once('-')?.1),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(scheduler, value) => {
                write!(f, "{}={}", scheduler.variable, shown::text(value.trim()))?;
                let is_node = scheduler.is_node(value);
                if is_node {
                    f.write_str(", a node of Swarm, which stands for slot 0")
                } else {
                    Ok(())
                }
            }
            Self::HostName(name) => write!(f, "the host's name `{}`", shown::text(name)),
        }
    }
}

/// Why `auto` has no number.
#[derive(Debug, thiserror::Error)]
struct ShardUnknown {
    place: Place,
    /// What stands there, if it is a number.
    number: Option<u32>,
    count: NonZeroU32,
}

impl fmt::Display for ShardUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, number, count } = self;
        let last = count.get() - 1;
        write!(f, "--shard auto/{count}: ")?;
        match (place, number) {
            (Place::HostName(name), None) => {
                f.write_str("no scheduler has numbered this process; not set are ")?;
                for Scheduler { variable, name, .. } in &SCHEDULERS {
                    write!(f, "{variable} ({name}), ")?;
                }
                let name = shown::text(name);
                write!(
                    f,
                    "and the host's name, `{name}`, does not end in a number, as `sim-0` does"
                )
            }
            (place, None) => write!(f, "{place} is not the number of a shard, from 0 to {last}"),
            (place, Some(number)) => {
                write!(
                    f,
                    "{place} is shard {number}, but {count} shards, counted from 0, end at {last}"
                )
            }
        }
    }
}

impl ShardUnknown {
    fn hint(&self) -> String {
        let (count, last) = (self.count, self.count.get() - 1);
        match (&self.place, self.number) {
            (Place::Variable(scheduler, _), _) => scheduler.hint(count),
            (Place::HostName(_), Some(_)) => format!("give the StatefulSet `replicas: {count}`"),
            (Place::HostName(_), None) => {
                format!(
                    "set one of them to a number from 0 to {last}, or give the number itself, as in --shard 0/{count}"
                )
            }
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

/// A number for a process of a shard. Processes that share no folder can't count each other, so chance keeps their numbers
/// apart.
#[must_use]
pub fn draw_incarnation() -> NonZeroU32 {
    NonZeroU32::new(rand::random()).unwrap_or(NonZeroU32::MAX)
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

    /// The shard and what it was taken from, or the error; of an environment as `env` prints it.
    fn resolve(choice: &str, environment: &str, host: Option<&str>) -> Result<(String, Option<String>), String> {
        let mut set = environment.split_whitespace().map(|word| word.split_once('=').unwrap());
        let variables = |name: &str| {
            let value = set.clone().find(|(variable, _)| *variable == name);
            value.map(|(_, value)| value.to_owned())
        };
        let choice: ShardChoice = choice.parse().unwrap();
        let resolved = choice.resolve(variables, host.map(ToOwned::to_owned));
        assert!(set.all(|(variable, _)| variable == "OTHER" || SCHEDULERS.iter().any(|one| one.variable == variable)));
        resolved
            .map(|numbered| (numbered.shard.to_string(), numbered.from))
            .map_err(|error| error.to_string())
    }

    fn numbered(shard: &str, from: &str) -> Result<(String, Option<String>), String> {
        Ok((shard.to_owned(), Some(from.to_owned())))
    }

    #[test]
    fn a_number_on_the_command_line_needs_nothing_else() {
        let fixed = resolve("1/4", "JOB_COMPLETION_INDEX=2", Some("sim-3"));
        assert_eq!(fixed, Ok(("1/4".into(), None)));
    }

    #[test]
    fn the_number_is_that_of_the_first_scheduler_that_gives_one_or_else_of_the_host() {
        let mut environment = "OTHER=9".to_owned();
        assert_eq!(
            resolve("auto/8", &environment, Some("sim-0.sims.default.svc")),
            numbered("0/8", "the host's name `sim-0.sims.default.svc`")
        );
        for (index, scheduler) in SCHEDULERS.iter().enumerate().rev() {
            let from = format!("{}={index}", scheduler.variable);
            environment = format!("{environment} {from}");
            let found = resolve("auto/8", &environment, Some("sim-7"));
            assert_eq!(found, numbered(&format!("{index}/8"), &from));
        }
    }

    #[test]
    fn a_variable_that_is_empty_is_not_set() {
        assert_eq!(
            resolve("auto/8", "JOB_COMPLETION_INDEX= CLOUD_RUN_TASK_INDEX=5", None),
            numbered("5/8", "CLOUD_RUN_TASK_INDEX=5")
        );
    }

    #[test]
    fn the_first_slot_of_swarm_is_the_id_of_a_node() {
        assert_eq!(
            resolve("auto/8", "FLEET_SLOT=q6vhfkyhf6zydjkjxa6f4c2yt", None),
            numbered(
                "0/8",
                "FLEET_SLOT=q6vhfkyhf6zydjkjxa6f4c2yt, a node of Swarm, which stands for slot 0"
            )
        );
    }

    #[test]
    fn without_a_usable_number_nothing_is_guessed() {
        for host in [None, Some("host"), Some("sim-a"), Some("sim-"), Some("sim-99999999999")] {
            let error = resolve("auto/4", "", host).unwrap_err();
            assert!(error.contains("no scheduler has numbered this process"), "{error}");
        }
        // Another that could be used is not asked.
        let error = resolve("auto/4", "NOMAD_ALLOC_INDEX=first SLURM_ARRAY_TASK_ID=1", Some("sim-1")).unwrap_err();
        assert_eq!(
            error,
            "--shard auto/4: NOMAD_ALLOC_INDEX=first is not the number of a shard, from 0 to 3"
        );
        for number in ["4", "4294967295"] {
            let error = resolve("auto/4", &format!("FLEET_SLOT={number}"), Some("sim-1")).unwrap_err();
            assert_eq!(
                error,
                format!(
                    "--shard auto/4: FLEET_SLOT={number} is shard {number}, but 4 shards, counted from 0, end at 3"
                )
            );
        }
        let error = resolve("auto/4", "", Some("sim-4")).unwrap_err();
        assert_eq!(
            error,
            "--shard auto/4: the host's name `sim-4` is shard 4, but 4 shards, counted from 0, end at 3"
        );
        for bad in ["auto/0", "auto/", "auto", "4/4"] {
            assert!(bad.parse::<ShardChoice>().is_err(), "{bad}");
        }
    }
}
