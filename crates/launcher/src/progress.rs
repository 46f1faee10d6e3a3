//! The progress of a run on stderr: a plain line per step.
//!
//! While something else has the terminal, lines are kept: the view shows the newest, and all are printed when it has gone.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use device_sim::console;
use tokio::time::Instant;

/// So many lines are kept of those that came first, and as many of the last ones.
const KEPT: usize = 500;

/// The lines that wait for the terminal; none while they are printed as they come. A process has one stderr.
static WAITING: Mutex<Option<Waiting>> = Mutex::new(None);

/// Writes what happens, each line with the seconds since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgressLog {
    start: Instant,
    /// Only faults are written.
    is_quiet: bool,
}

/// A line that waits, and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) text: String,
}

#[derive(Debug, Default)]
struct Waiting {
    first: Vec<Line>,
    last: VecDeque<Line>,
    /// How many there were in between.
    left_out: u64,
    notes: Vec<String>,
}

impl ProgressLog {
    /// The time counts from now on.
    #[must_use]
    pub(crate) fn begin() -> Self {
        Self {
            start: Instant::now(),
            is_quiet: false,
        }
    }

    /// The same, and only faults are written.
    #[must_use]
    pub(crate) fn quiet(self) -> Self {
        Self { is_quiet: true, ..self }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// The time since the start.
    #[must_use]
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Writes one line, or drops it where it can't be written.
    pub(crate) fn report(&self, line: impl std::fmt::Display) {
        if !self.is_quiet {
            self.fault(line);
        }
    }

    /// The same for what went wrong, which is written in any case.
    pub(crate) fn fault(&self, line: impl std::fmt::Display) {
        let line = Line {
            at: self.elapsed(),
            text: line.to_string(),
        };
        match &mut *waiting() {
            Some(waiting) => waiting.push(line),
            None => line.print(),
        }
    }

    /// The same for where things stand, which comes again and again. A view shows that itself, and of the words only
    /// `notes`, until the next ones come.
    pub(crate) fn status(&self, standing: impl std::fmt::Display, notes: &[String]) {
        if let Some(waiting) = &mut *waiting() {
            waiting.notes = notes.to_vec();
            return;
        }
        let notes: String = notes.iter().map(|note| format!("; {note}")).collect();
        self.report(format_args!("{standing}{notes}"));
    }
}

impl Line {
    fn print(&self) {
        console::note_at(self.at, &self.text);
    }
}

impl Waiting {
    fn push(&mut self, line: Line) {
        if self.first.len() < KEPT {
            return self.first.push(line);
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(line);
    }

    fn print(self) {
        self.first.iter().for_each(Line::print);
        if self.left_out > 0 {
            console::note(format_args!("… {} lines are left out …", self.left_out));
        }
        self.last.iter().for_each(Line::print);
    }
}

/// Lines wait from now on.
pub(crate) fn hold() {
    waiting().get_or_insert_default();
}

/// Lines are printed again, and first those that waited.
pub(crate) fn release() {
    let released = waiting().take();
    released.into_iter().for_each(Waiting::print);
}

/// The same in the middle of a panic, which may have come while a line was written.
pub(crate) fn release_in_panic() {
    let released = match WAITING.try_lock() {
        Ok(mut waiting) => waiting.take(),
        Err(TryLockError::Poisoned(waiting)) => waiting.into_inner().take(),
        Err(TryLockError::WouldBlock) => None,
    };
    released.into_iter().for_each(Waiting::print);
}

/// The newest lines that wait, at most so many, and the notes on where things stand.
pub(crate) fn newest(lines: usize) -> (Vec<Line>, Vec<String>) {
    let waiting = waiting();
    let Some(waiting) = &*waiting else {
        return (Vec::new(), Vec::new());
    };
    let all = waiting.first.iter().chain(&waiting.last);
    let skipped = (waiting.first.len() + waiting.last.len()).saturating_sub(lines);
    (all.skip(skipped).cloned().collect(), waiting.notes.clone())
}

/// Nothing panics while it holds the lock, and lines are whole in any case.
fn waiting() -> MutexGuard<'static, Option<Waiting>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_lines_the_first_and_the_last_are_kept() {
        let mut waiting = Waiting::default();
        for number in 0..1_203 {
            waiting.push(Line {
                at: Duration::ZERO,
                text: number.to_string(),
            });
        }
        let text = |line: Option<&Line>| line.map(|line| line.text.clone()).unwrap_or_default();
        assert_eq!(
            (waiting.first.len(), waiting.last.len(), waiting.left_out),
            (500, 500, 203)
        );
        assert_eq!(text(waiting.first.last()), "499");
        assert_eq!(
            (text(waiting.last.front()), text(waiting.last.back())),
            ("703".into(), "1202".into())
        );
    }
}
