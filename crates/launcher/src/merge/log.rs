//! Records among the lines of a log, as `kubectl logs`, `docker service logs` and their kin print it: with other lines between
//! them, and with words of their own before each line.

use std::io::{BufRead, Read};

use anyhow::{Context, anyhow, ensure};
use device_sim::hint::Hint;
use fleet_report::record::{Finder, Found};

/// No record is longer: one has some kilobytes for each group and phase.
const LONGEST: usize = 16 << 20;
/// No fleet has so many shards and attempts, in so many parts.
const MOST: usize = 100_000;

/// What to do about a record in a log that is not whole.
pub(super) const CUT: &str = "take the whole log, e.g. `kubectl logs --tail=-1`; without this record the others can be \
                              merged, and the report names what is missing";

/// Hands each record to `take`, with the number of its last line, from 1.
///
/// # Errors
///
/// The log can't be read, there is too much of it, or a record is not taken.
pub(super) fn records(
    mut log: impl BufRead,
    mut take: impl FnMut(u64, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut line = Vec::new();
    let mut finder = Finder::default();
    let mut lines = 0;
    for number in 1.. {
        line.clear();
        let read = log.by_ref().take(LONGEST as u64).read_until(b'\n', &mut line);
        if read.context("can't read stdin")? == 0 {
            break;
        }
        let is_cut = line.len() == LONGEST && !line.ends_with(b"\n");
        if is_cut {
            log.skip_until(b'\n').context("can't read stdin")?;
        }
        let found = finder
            .line(&line)
            .with_context(|| format!("line {number} of stdin can't be used"))
            .hint(CUT)?;
        if found == Found::Nothing {
            continue;
        }
        lines += 1;
        ensure!(!is_cut, "line {number} of stdin is longer than {} MiB", LONGEST >> 20);
        ensure!(lines <= MOST, "there are more than {MOST} lines with records on stdin");
        if let Found::Record(record) = found {
            take(number, &record)?;
        }
    }
    match finder.cut().next() {
        None => Ok(()),
        Some(of) => Err(anyhow!("a part of the record {of} is missing on stdin").hint(CUT)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn found(log: &[u8]) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        let take = |number, text: &[u8]| {
            all.push((number, String::from_utf8_lossy(text).trim_end().to_owned()));
            Ok(())
        };
        records(Cursor::new(log), take).unwrap();
        all
    }

    #[test]
    fn records_are_found_between_other_lines_and_behind_the_words_of_a_log() {
        let log = b"[   0.0s] run 1: taking shard 0/2\n\
            {\"type\":\"record\",\"version\":1}\n\
            {\"type\":\"stats\",\"seq\":1}\n\xff\xfe\n\n\
            [pod/sim-1-x7k2p/sim] {\"type\":\"record\",\"version\":2}\r\n\
            sim.2.q6vhf@node-1    | {\"type\":\"record\",\"version\":3}";
        assert_eq!(
            found(log),
            [(2, 1), (6, 2), (7, 3)]
                .map(|(line, version)| (line, format!(r#"{{"type":"record","version":{version}}}"#)))
        );
        assert_eq!(found(b""), []);
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_a_record() {
        let mut log = vec![b'x'; 3 * LONGEST];
        log.extend(b"{\"type\":\"record\",1}\n{\"type\":\"record\",2}\n");
        assert_eq!(found(&log), [(2, r#"{"type":"record",2}"#.to_owned())]);
        let mut cut = br#"{"type":"record","#.to_vec();
        cut.resize(2 * LONGEST, b'1');
        let error = records(Cursor::new(cut), |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "line 1 of stdin is longer than 16 MiB");
    }
}
