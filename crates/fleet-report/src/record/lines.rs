//! A record as lines of a log.
//!
//! ```text
//! {"type":"record","version":1,…}                                       where it fits into a line
//! {"type":"record_part","of":"<run id>/1-of-8/2891336453","part":1,"parts":3,"text":"{\"version\":1,…"}
//! ```
//! Engines of containers cut lines after 16 KiB. Some tools that print their logs put the name of the container before each
//! piece, or the pieces of another container between them (`docker service logs`), so a longer record is cut here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Record;

/// What a line begins with that holds a record.
const RECORD: &str = r#"{"type":"record","#;
/// What one begins with that holds a part of a record.
const PART: &str = r#"{"type":"record_part","#;
/// No line is longer, with its end; engines cut after 16,384 bytes.
const LONGEST: usize = 16_000;
/// What is left of it for the text of a part.
const TEXT: usize = LONGEST - 500;
/// No record is in more parts: it has some kilobytes for each group and phase.
const MOST_PARTS: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Part {
    /// Of which record.
    of: String,
    /// From 1.
    part: usize,
    parts: usize,
    text: String,
}

impl Record {
    /// The record as lines, each with its end: one if it fits.
    ///
    /// # Errors
    ///
    /// It can't be put into JSON.
    pub fn lines(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        if RECORD.len() + json.len() <= LONGEST {
            return Ok(line(RECORD, &json));
        }
        let pieces = pieces(&json);
        let of = format!("{}/{}-of-{}/{}", self.run_id, self.index, self.count, self.incarnation);
        let mut lines = String::new();
        for (at, text) in pieces.iter().enumerate() {
            let part = Part {
                of: of.clone(),
                part: at + 1,
                parts: pieces.len(),
                text: (*text).to_owned(),
            };
            lines += &line(PART, &serde_json::to_string(&part)?);
        }
        Ok(lines)
    }
}

/// An object behind what a line begins with.
fn line(mark: &str, object: &str) -> String {
    format!("{mark}{}\n", object.strip_prefix('{').unwrap_or(object))
}

/// Pieces of JSON of which each fits into a line as a string, where quotes and backslashes take two bytes.
fn pieces(json: &str) -> Vec<&str> {
    let (mut pieces, mut begin, mut taken) = (Vec::new(), 0, 0);
    for (at, character) in json.char_indices() {
        let takes = if matches!(character, '"' | '\\') {
            2
        } else {
            character.len_utf8()
        };
        if taken + takes > TEXT {
            pieces.push(&json[begin..at]);
            (begin, taken) = (at, 0);
        }
        taken += takes;
    }
    pieces.push(&json[begin..]);
    pieces
}

/// Finds records in the lines of a log, whatever stands before them.
#[derive(Debug, Default)]
pub struct Finder {
    /// The parts of each record, some of which may still come.
    parts: BTreeMap<String, Parts>,
}

/// The parts of a record that have come, by number. What has not come takes no memory, whatever a line says.
#[derive(Debug)]
struct Parts {
    count: usize,
    texts: BTreeMap<usize, String>,
}

/// What a line holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// No record.
    Nothing,
    /// A record in JSON, of which this line was all or the last part.
    Record(Vec<u8>),
    /// A part of a record.
    Part,
}

/// A line that begins as one with a record, or a part of one, and goes on differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no part of a record.
    #[error("it is not a part of a record: {0}")]
    NoPart(String),
    /// The number of the part makes no sense.
    #[error("it is part {part} of {parts} of a record")]
    Number {
        /// From 1.
        part: usize,
        /// Of how many.
        parts: usize,
    },
    /// Another line has the same part with another text.
    #[error("part {part} of {of} was there before, with another text")]
    Twice {
        /// From 1.
        part: usize,
        /// Of which record.
        of: String,
    },
}

impl Finder {
    /// Looks at a line.
    ///
    /// # Errors
    ///
    /// It begins as a part of a record and is none.
    pub fn line(&mut self, line: &[u8]) -> Result<Found, LineError> {
        if let Some(at) = position(line, RECORD) {
            return Ok(Found::Record(line[at..].to_owned()));
        }
        let Some(at) = position(line, PART) else {
            return Ok(Found::Nothing);
        };
        let part: Part = serde_json::from_slice(&line[at..]).map_err(|error| LineError::NoPart(error.to_string()))?;
        self.part(part)
    }

    fn part(&mut self, Part { of, part, parts, text }: Part) -> Result<Found, LineError> {
        if !(1..=MOST_PARTS).contains(&parts) || !(1..=parts).contains(&part) {
            return Err(LineError::Number { part, parts });
        }
        let known = self.parts.entry(of.clone()).or_insert_with(|| Parts {
            count: parts,
            texts: BTreeMap::new(),
        });
        if known.count != parts {
            return Err(LineError::Number { part, parts });
        }
        match known.texts.get(&part) {
            Some(before) if *before != text => return Err(LineError::Twice { part, of }),
            // The same log was read twice.
            Some(_) => return Ok(Found::Part),
            None => known.texts.insert(part, text),
        };
        if known.texts.len() < parts {
            return Ok(Found::Part);
        }
        let whole: String = known.texts.values().map(String::as_str).collect();
        Ok(Found::Record(whole.into_bytes()))
    }

    /// Records of which parts are missing, by run, shard and number.
    pub fn cut(&self) -> impl Iterator<Item = &str> {
        let cut = self.parts.iter().filter(|(_, parts)| parts.texts.len() < parts.count);
        cut.map(|(of, _)| of.as_str())
    }
}

fn position(line: &[u8], mark: &str) -> Option<usize> {
    line.windows(mark.len()).position(|window| window == mark.as_bytes())
}

#[cfg(test)]
mod tests {
    use fleet_protocol::lines::Stats;

    use super::*;
    use crate::record::RECORD_VERSION;

    /// With so many reasons of failures, in a script that takes several bytes.
    fn record(incarnation: u32, reasons: usize) -> Record {
        let reasons = 0..reasons;
        Record {
            version: RECORD_VERSION,
            run_id: "20261127T055202000".to_owned(),
            index: 1,
            count: 8.try_into().unwrap(),
            incarnation: incarnation.try_into().unwrap(),
            fleet_devices: 100,
            began: None,
            written: None,
            last_second: 0,
            ended: None,
            generator: None,
            stats: Stats {
                counters: reasons
                    .map(|at| (format!("devices_failed/\"é\\{at}"), at as u64))
                    .collect(),
                ..Stats::default()
            },
        }
    }

    /// What is found in a log, each record once.
    fn found<'a>(finder: &mut Finder, log: impl IntoIterator<Item = &'a str>) -> Vec<Record> {
        let mut records = Vec::new();
        for line in log {
            let line = format!("sim.1.q6vhfkyhf6zyd@node-1    | {line}\r\n");
            if let Found::Record(text) = finder.line(line.as_bytes()).unwrap() {
                records.push(serde_json::from_slice(&text).unwrap());
            }
        }
        records
    }

    #[test]
    fn a_record_of_any_length_is_found_again_and_no_line_of_it_is_cut() {
        for reasons in [0, 1, 400, 500, 600, 2_000, 20_000] {
            let record = record(7, reasons);
            let lines = record.lines().unwrap();
            assert!(lines.ends_with('\n'));
            assert!(lines.lines().all(|line| line.len() < LONGEST), "{reasons}");
            assert_eq!(found(&mut Finder::default(), lines.lines()), [record]);
        }
        assert_eq!(record(7, 1).lines().unwrap().lines().count(), 1);
        assert!(record(7, 2_000).lines().unwrap().lines().count() > 3);
    }

    #[test]
    fn parts_are_put_together_in_whatever_order_they_come() {
        let (one, other) = (record(7, 2_000), record(8, 2_000));
        let (first, second) = (one.lines().unwrap(), other.lines().unwrap());
        let mixed: Vec<_> = first
            .lines()
            .rev()
            .zip(second.lines())
            .flat_map(|(a, b)| [a, "?", b])
            .collect();
        let mut finder = Finder::default();
        assert_eq!(found(&mut finder, mixed.clone()), [one, other]);
        assert_eq!(finder.cut().count(), 0);
        // The same log once more.
        assert_eq!(found(&mut finder, mixed), []);
    }

    #[test]
    fn a_record_with_a_missing_part_is_named() {
        let lines = record(7, 2_000).lines().unwrap();
        let mut finder = Finder::default();
        assert_eq!(found(&mut finder, lines.lines().skip(1)), []);
        assert_eq!(finder.cut().collect::<Vec<_>>(), ["20261127T055202000/1-of-8/7"]);
    }

    #[test]
    fn parts_that_make_no_sense_are_refused() {
        let part = |part: usize, parts: usize, text: &str| {
            format!(r#"{{"type":"record_part","of":"a","part":{part},"parts":{parts},"text":"{text}"}}"#)
        };
        let mut finder = Finder::default();
        for (number, parts) in [(0, 0), (1, 0), (1, usize::MAX), (0, 2), (3, 2)] {
            let refused = finder.line(part(number, parts, "").as_bytes());
            assert_eq!(refused, Err(LineError::Number { part: number, parts }));
        }
        assert_eq!(finder.line(part(1, 2, "x").as_bytes()), Ok(Found::Part));
        assert_eq!(finder.line(part(1, 2, "x").as_bytes()), Ok(Found::Part));
        let twice = LineError::Twice {
            part: 1,
            of: "a".to_owned(),
        };
        assert_eq!(finder.line(part(1, 2, "y").as_bytes()), Err(twice));
        let number = LineError::Number { part: 2, parts: 3 };
        assert_eq!(finder.line(part(2, 3, "").as_bytes()), Err(number));
        assert!(matches!(
            finder.line(br#"{"type":"record_part","of":"#),
            Err(LineError::NoPart(_))
        ));
    }
}
