//! File handles: every connection needs one.

/// Handles that a process needs besides those of its devices: standard streams, files, the runtime, name look-ups.
pub const SPARE_FILE_HANDLES: u64 = 64;

/// Too few file handles, and the limit can't be raised far enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{needed} file handles are needed, but this process may open only {allowed}")]
pub struct TooFewFileHandles {
    /// For all devices, and the spare ones.
    pub needed: u64,
    /// The hard limit.
    pub allowed: u64,
}

/// How many files a process that is started here may open: the hard limit, up to which it raises its own. None where there
/// is no limit.
#[must_use]
#[cfg(unix)]
pub fn most_file_handles() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum
}

/// Other systems have no such limit, or none that a process can ask for.
#[must_use]
#[cfg(not(unix))]
pub fn most_file_handles() -> Option<u64> {
    None
}

/// Makes sure that this process can hold `connections`, raising its soft limit if need be. Children inherit it.
///
/// # Errors
///
/// The hard limit is too low; only the program that started this one can change that.
#[cfg(unix)]
pub fn ensure_file_handles(connections: u64) -> Result<(), TooFewFileHandles> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let needed = connections.saturating_add(SPARE_FILE_HANDLES);
    let limit = getrlimit(Resource::Nofile);
    // No limit is written as `None`.
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let refused = TooFewFileHandles {
        needed,
        allowed: limit.maximum.unwrap_or(u64::MAX),
    };
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(refused);
    }
    // Up to the hard limit: a fleet that grows while it runs must not have to do this again.
    let raised = Rlimit {
        current: limit.maximum.or(Some(needed)),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|_| TooFewFileHandles {
        allowed: limit.current.unwrap_or(0),
        ..refused
    })
}

/// Other systems have no such limit, or none that a process can ask for.
#[cfg(not(unix))]
pub fn ensure_file_handles(_connections: u64) -> Result<(), TooFewFileHandles> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_beyond_the_hard_limit_is_refused_with_both_numbers() {
        assert_eq!(ensure_file_handles(1), Ok(()));
        if let Some(allowed) = most_file_handles() {
            let needed = allowed + 1 + SPARE_FILE_HANDLES;
            assert_eq!(
                ensure_file_handles(allowed + 1),
                Err(TooFewFileHandles { needed, allowed })
            );
        }
    }
}
