//! Records of `fleet sim` in the log of a container engine, of which every line may have been cut, mixed or invented.

use fleet_report::html::html;
use fleet_report::merge::{Tally, merge};
use fleet_report::record::{Finder, Found, Record};
use fleet_report::summary::summary;
use fleet_report::thresholds::Marks;

/// Container engines cut lines that are longer.
const LONGEST: usize = 16 << 10;

/// The law: a record that was read is found again in the lines that it makes, none of which is cut; and what isn't refused has a
/// report.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let (mut finder, mut tally, mut records) = (Finder::default(), Tally::default(), Vec::new());
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(Found::Record(json)) = finder.line(line) else {
            continue;
        };
        let Ok(record) = serde_json::from_slice::<Record>(&json) else {
            continue;
        };
        is_found_again(&record);
        if tally.take(&record).is_ok() {
            records.push(record);
        }
    }
    assert!(finder.cut().all(|of| !of.contains('\n')));
    let Ok(report) = merge(records) else { return };
    assert!(!summary(&report, Marks::Ascii).is_empty());
    assert!(html(&report).trim_end().ends_with("</html>"));
}

fn is_found_again(record: &Record) {
    let lines = record.lines().expect("what was read can be written");
    let (mut finder, mut found) = (Finder::default(), Vec::new());
    for line in lines.lines() {
        assert!(line.len() < LONGEST, "a line of {} bytes", line.len());
        match finder.line(line.as_bytes()) {
            Ok(Found::Record(json)) => found.push(json),
            Ok(Found::Part) => {}
            other => panic!("{other:?} in {line}"),
        }
    }
    let [json] = found.as_slice() else {
        panic!("{} records in the lines of one", found.len());
    };
    let again: Record = serde_json::from_slice(json).expect("what was written can be read");
    assert_eq!(*record, again);
}
