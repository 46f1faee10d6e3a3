//! What a program has written: into its log file, and the last lines to wait for and to quote.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// So many lines are kept.
const KEPT: usize = 200;

/// The lines of one program, from both of its streams.
#[derive(Debug, Clone)]
pub(super) struct Heard(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    last: Mutex<VecDeque<String>>,
    log: File,
    count: watch::Sender<u64>,
}

impl Heard {
    /// Nothing yet; all goes to `log`.
    pub(super) fn new(log: File) -> Self {
        Self(Arc::new(Shared {
            last: Mutex::default(),
            log,
            count: watch::Sender::new(0),
        }))
    }

    /// Takes a line.
    pub(super) fn line(&self, line: &str) {
        // A log that can't be written, as on a full disk, must not end a demonstration that goes well.
        let _ = (&self.0.log).write_all(format!("{line}\n").as_bytes());
        let mut last = self.last_lines();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(line.to_owned());
        drop(last);
        self.0.count.send_modify(|count| *count += 1);
    }

    /// The last lines in which all of `words` stand.
    pub(super) fn with(&self, words: &str) -> Vec<String> {
        let last = self.last_lines();
        last.iter().filter(|line| line.contains(words)).cloned().collect()
    }

    /// Waits for a line in which `words` stand.
    pub(super) async fn wait_for(&self, words: &str) -> String {
        let mut count = self.0.count.subscribe();
        loop {
            count.mark_unchanged();
            if let Some(line) = self.with(words).pop() {
                return line;
            }
            // This end of the channel is part of what is waited for, so the other one is there.
            let _ = count.changed().await;
        }
    }

    /// Nothing panics while it holds the lines.
    fn last_lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_is_found_whether_it_comes_before_or_after_the_wait_and_all_are_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let heard = Heard::new(File::create(&path).unwrap());
        let wait = tokio::spawn({
            let heard = heard.clone();
            async move { heard.wait_for("ready").await }
        });
        tokio::task::yield_now().await;
        for number in 0..=KEPT {
            heard.line(&format!("line {number}"));
        }
        heard.line("is ready");
        assert_eq!(wait.await.unwrap(), "is ready");
        assert_eq!(heard.wait_for("line 200").await, "line 200");
        assert!(heard.with("line 1 ").is_empty() && heard.with("line 0").is_empty());
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), KEPT + 2);
    }
}
