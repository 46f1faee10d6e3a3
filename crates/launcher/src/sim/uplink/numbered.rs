//! What a process has written, by number: kept until the collector has taken it, and folded together where that is too
//! much. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use fleet_protocol::collect::ToCollector;
use fleet_protocol::lines::Line;

use super::cumulative::Cumulative;

/// So many lines, and bytes of them, are kept for a collector that does not take them.
const MOST_LINES: usize = 4096;
const MOST_BYTES: usize = 4 << 20;
/// No collector takes a longer line; a snapshot takes its place.
const LONGEST_LINE: usize = 256 << 10;

/// The messages of one process, from 1.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    /// The number of the last message.
    last: u64,
    /// The newest lines, without a gap, as they are sent.
    kept: VecDeque<Arc<str>>,
    bytes: usize,
    /// The process has ended, which has the last number.
    ended: Option<Arc<str>>,
    all: Cumulative,
}

impl Numbered {
    /// Takes the next line. What comes after the end has no number, and is none of the process's.
    pub(super) fn line(&mut self, line: Line) {
        if self.ended.is_some() {
            return;
        }
        self.last += 1;
        self.all.add(&line);
        let text = written(&ToCollector::Line { n: self.last, line });
        if text.len() > LONGEST_LINE {
            self.kept.clear();
            self.bytes = 0;
            return;
        }
        self.bytes += text.len();
        self.kept.push_back(text);
        while self.kept.len() > MOST_LINES || self.bytes > MOST_BYTES {
            self.forget_first();
        }
    }

    /// The process has ended; `died` is how, unless well.
    pub(super) fn ended(&mut self, died: Option<String>) {
        if self.ended.is_none() {
            self.last += 1;
            self.ended = Some(written(&ToCollector::Ended { n: self.last, died }));
        }
    }

    /// The number of the last message; 0 while there is none.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Whether the last message is the last of all, and is taken.
    pub(super) fn is_all(&self, taken: u64) -> bool {
        self.ended.is_some() && taken >= self.last
    }

    /// Everything up to a number was taken.
    pub(super) fn taken(&mut self, n: u64) {
        while !self.kept.is_empty() && self.first() <= n {
            self.forget_first();
        }
    }

    /// The message that follows on what was sent, and the number up to which everything is sent with it. Where the lines
    /// that follow are not kept any more, it is a snapshot.
    pub(super) fn after(&self, sent: u64) -> Option<(u64, Arc<str>)> {
        let lines = self.lines();
        if sent >= self.last {
            return None;
        }
        if sent == lines {
            return self.ended.clone().map(|ended| (self.last, ended));
        }
        let line = (sent + 1).checked_sub(self.first());
        let line = line.and_then(|index| self.kept.get(usize::try_from(index).ok()?));
        Some(match line {
            Some(line) => (sent + 1, Arc::clone(line)),
            None => (lines, self.all.message(lines).into()),
        })
    }

    /// The number of the last line.
    fn lines(&self) -> u64 {
        self.last - u64::from(self.ended.is_some())
    }

    /// The number of the first line that is kept; where none is, of the next one.
    fn first(&self) -> u64 {
        self.lines() + 1 - self.kept.len() as u64
    }

    fn forget_first(&mut self) {
        if let Some(line) = self.kept.pop_front() {
            self.bytes -= line.len();
        }
    }
}

fn written(message: &ToCollector) -> Arc<str> {
    serde_json::to_string(message).expect("a message can be written").into()
}

#[cfg(test)]
mod tests {
    use fleet_protocol::lines::{EndReason, Stats};

    use super::*;

    fn figures(seq: u64) -> Line {
        Line::Stats(Stats {
            seq,
            ..Stats::default()
        })
    }

    /// The kinds of the messages after a number, and their numbers.
    fn after(numbered: &Numbered, mut sent: u64) -> Vec<(u64, String)> {
        let mut messages = Vec::new();
        while let Some((n, text)) = numbered.after(sent) {
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(message["n"], n);
            messages.push((n, message["type"].as_str().unwrap().to_owned()));
            sent = n;
        }
        messages
    }

    fn kinds(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(n, kind)| (*n, (*kind).to_owned())).collect()
    }

    #[test]
    fn messages_follow_each_other_from_any_number_that_is_kept() {
        let mut numbered = Numbered::default();
        assert_eq!(after(&numbered, 0), []);
        (0..2).for_each(|seq| numbered.line(figures(seq)));
        assert_eq!(after(&numbered, 0), kinds(&[(1, "line"), (2, "line")]));
        numbered.ended(None);
        assert_eq!(after(&numbered, 1), kinds(&[(2, "line"), (3, "ended")]));
        assert!(!numbered.is_all(2) && numbered.is_all(3));
        numbered.line(figures(9));
        numbered.ended(None);
        assert_eq!(numbered.last(), 3, "nothing follows the end");
    }

    #[test]
    fn what_was_taken_is_kept_no_longer_and_a_collector_without_it_gets_a_snapshot() {
        let mut numbered = Numbered::default();
        (0..5).for_each(|seq| numbered.line(figures(seq)));
        numbered.taken(3);
        assert_eq!(numbered.kept.len(), 2);
        numbered.ended(Some("exit status: 1".to_owned()));
        assert_eq!(after(&numbered, 3), kinds(&[(4, "line"), (5, "line"), (6, "ended")]));
        for has in [0, 2] {
            assert_eq!(after(&numbered, has), kinds(&[(5, "snapshot"), (6, "ended")]));
        }
        numbered.taken(6);
        assert_eq!((numbered.kept.len(), numbered.bytes), (0, 0));
        assert_eq!(after(&numbered, 5), kinds(&[(6, "ended")]));
        assert_eq!(after(&numbered, 0), kinds(&[(5, "snapshot"), (6, "ended")]));
    }

    #[test]
    fn a_process_that_has_written_nothing_has_only_its_end() {
        let mut numbered = Numbered::default();
        numbered.ended(None);
        assert_eq!(after(&numbered, 0), kinds(&[(1, "ended")]));
    }

    #[test]
    fn what_is_kept_is_bounded_in_lines_and_bytes() {
        let mut numbered = Numbered::default();
        (0..10_000).for_each(|seq| numbered.line(figures(seq)));
        assert_eq!(numbered.kept.len(), MOST_LINES);
        assert_eq!(after(&numbered, 0), kinds(&[(10_000, "snapshot")]));
        let refused = |length| Line::Refused {
            id: None,
            message: "x".repeat(length),
        };
        for _ in 0..40 {
            numbered.line(refused(LONGEST_LINE - 100));
            assert!(numbered.bytes <= MOST_BYTES);
        }
        assert_eq!(after(&numbered, 10_039), kinds(&[(10_040, "line")]));
        numbered.line(refused(LONGEST_LINE));
        numbered.line(Line::End {
            reason: EndReason::Stopped,
        });
        assert_eq!(
            after(&numbered, 10_040),
            kinds(&[(10_042, "snapshot")]),
            "one that is too long for a line"
        );
        assert_eq!(after(&numbered, 10_041), kinds(&[(10_042, "line")]));
    }
}
