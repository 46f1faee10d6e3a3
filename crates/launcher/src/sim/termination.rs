//! The last words of a process where its scheduler looks for them: Kubernetes shows them in the state of the container, and
//! keeps them with the pod when its log is gone
//! (<https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>).

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use iot_protocol::shown;

use crate::exit::Failure;

/// Where Kubernetes makes a file for them, unless the pod names another one.
pub(crate) const TERMINATION_LOG: &str = "/dev/termination-log";
/// Kubernetes cuts off what is longer.
const MOST: usize = 4096;
/// As many processes are remembered.
const PROCESSES: usize = 32;

/// The file for the last words; `None` where nothing waits for them.
#[derive(Debug)]
pub(super) struct TerminationLog(Option<File>);

impl TerminationLog {
    /// The file that was asked for, or that of Kubernetes at `usual` if there is one.
    ///
    /// # Errors
    ///
    /// The file that was asked for can't be written.
    pub(super) fn open(asked_for: Option<&Path>, usual: &Path) -> Result<Self, Failure> {
        let mut options = File::options();
        options.write(true);
        let Some(path) = asked_for else {
            // It is Kubernetes that makes it, and without it nothing reads it.
            return Ok(Self(options.open(usual).ok()));
        };
        let file = options.create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("--termination-log: can't write `{}`", shown::path(path)));
        Ok(Self(Some(file.map_err(Failure::Refused)?)))
    }

    /// Writes the last words, in place: the file is mounted, so no other can take its place.
    pub(super) fn write(self, words: &str) -> std::io::Result<()> {
        let Some(mut file) = self.0 else {
            return Ok(());
        };
        // A container that is started again has the file of the one before it.
        file.set_len(0)?;
        file.write_all(words.as_bytes())
    }
}

/// What a process has to say at its end. Pure.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    /// Which run, and which part of it.
    pub(super) part: String,
    /// One line for each device-sim process that has ended.
    processes: VecDeque<String>,
}

impl LastWords {
    /// A device-sim process has ended.
    pub(super) fn process(&mut self, words: String) {
        if self.processes.len() == PROCESSES {
            self.processes.pop_front();
        }
        self.processes.push_back(words);
    }

    /// All of it, in as many bytes as are read: what matters most comes first.
    pub(super) fn text(&self, done: &Result<u8, Failure>) -> String {
        let (code, why) = match done {
            Ok(code) => (*code, String::new()),
            Err(failure) => (failure.code(), format!(": {failure}")),
        };
        let mut text = format!("{}\nexit {code}{why}\n", self.part);
        for process in self.processes.iter().rev() {
            text.push_str(process);
            text.push('\n');
        }
        let text = shown::lines(text.trim_start()).to_string();
        let ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
        let end = ends.take_while(|end| *end <= MOST).last().unwrap_or_default();
        text[..end].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn the_end_comes_first_and_the_last_processes_before_the_others() {
        let mut words = LastWords {
            part: "run 1: taking shard 0/2".to_owned(),
            ..LastWords::default()
        };
        words.process("the first".to_owned());
        words.process("the second".to_owned());
        assert_eq!(
            words.text(&Ok(0)),
            "run 1: taking shard 0/2\nexit 0\nthe second\nthe first\n"
        );
        let failed = words.text(&Err(Failure::Failed(anyhow!("it is given up"))));
        assert!(failed.contains("\nexit 1: it is given up\nthe second\n"), "{failed}");
        // Refused before anything was known.
        let refused = LastWords::default().text(&Err(Failure::refused(anyhow!("no plan"))));
        assert_eq!(refused, "exit 2: no plan\n");
    }

    #[test]
    fn no_more_is_written_than_is_read_and_no_character_is_cut() {
        let mut words = LastWords::default();
        for _ in 0..100 {
            words.process("é".repeat(80));
        }
        let text = words.text(&Err(Failure::refused(anyhow!("why\x1b[31m not"))));
        assert!((MOST - 3..=MOST).contains(&text.len()), "{}", text.len());
        assert!(!text.contains('\x1b'), "{text}");
    }

    #[test]
    fn only_a_file_that_is_there_or_asked_for_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let usual = folder.path().join("termination-log");
        TerminationLog::open(None, &usual).unwrap().write("words").unwrap();
        assert!(!usual.exists());
        std::fs::write(&usual, "the longer words of the container before").unwrap();
        TerminationLog::open(None, &usual).unwrap().write("words").unwrap();
        assert_eq!(std::fs::read_to_string(&usual).unwrap(), "words");
        let other = folder.path().join("other");
        TerminationLog::open(Some(&other), &usual)
            .unwrap()
            .write("more")
            .unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "more");
        let refused = TerminationLog::open(Some(folder.path()), &usual).unwrap_err();
        assert_eq!(refused.code(), 2);
    }
}
