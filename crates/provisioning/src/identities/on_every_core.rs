//! The same work for many devices, on every core.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{IdentityError, Problems};

/// Hears how many of how many leaves are done, from the threads that do the work.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// How many leaves were made, and how many were there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Leaves made just now.
    pub made: usize,
    /// Leaves that were there, and were checked.
    pub reused: usize,
    /// Those of them whose keys are of another kind than wanted. They stay as they are.
    pub other_key: usize,
}

/// Does `work` for each of `ids`; it returns whether it made something or found it made. Everything that goes wrong is
/// returned at once, in the order of the ids. `progress` is called with how many of how many are done.
pub(super) fn for_each(
    ids: &[String],
    progress: Progress<'_>,
    work: impl Fn(&str) -> Result<bool, IdentityError> + Sync,
) -> Result<Report, Problems> {
    let (next, done, hopeless) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));

    let worker = || {
        let mut report = Report::default();
        let mut problems = Vec::new();
        while !hopeless.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(id) = ids.get(index) else { break };
            match work(id) {
                Ok(true) => report.made += 1,
                Ok(false) => report.reused += 1,
                Err(problem) => {
                    // A full disk is full for the next leaf as well; a bad leaf has no bearing on its neighbours.
                    hopeless.fetch_or(matches!(problem, IdentityError::Io { .. }), Ordering::Relaxed);
                    problems.push((index, problem));
                }
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, ids.len());
        }
        (report, problems)
    };

    let workers = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(ids.len().max(1));
    let results: Vec<_> = thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });

    let mut total = Report::default();
    let mut problems = Vec::new();
    for (report, mut more) in results {
        total.made += report.made;
        total.reused += report.reused;
        problems.append(&mut more);
    }
    if problems.is_empty() {
        return Ok(total);
    }
    problems.sort_by_key(|(index, _)| *index);
    Err(Problems(problems.into_iter().map(|(_, problem)| problem).collect()))
}
