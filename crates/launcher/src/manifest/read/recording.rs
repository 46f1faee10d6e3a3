//! Recorded values: CSV with a header, or JSON lines.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

/// A recording is part of the plan, which every process reads.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
const MOST_SAMPLES: usize = 100_000;
const TIMES: [&str; 4] = ["time", "timestamp", "t", "seconds"];
const VALUE: &str = "value";

/// Reads a recording of a capability: each value with its second from the first one.
pub(super) fn read(path: &Path, name: &str) -> Result<Vec<(f64, Value)>, String> {
    let refused = |why: String| format!("can't read the recording `{}`: {why}", path.display());
    let meta = fs::metadata(path).map_err(|error| refused(error.to_string()))?;
    if !meta.is_file() || meta.len() > MOST_BYTES {
        return Err(refused(format!("it must be a file of at most {MOST_BYTES} bytes")));
    }
    let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let is_csv = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let rows = if is_csv {
        csv_rows(&text, name)
    } else {
        json_rows(&text, name)
    };
    samples(rows.map_err(refused)?).map_err(refused)
}

/// A row: its line, its time and its value.
type Row = (usize, String, Value);

fn samples(rows: Vec<Row>) -> Result<Vec<(f64, Value)>, String> {
    if rows.is_empty() || rows.len() > MOST_SAMPLES {
        return Err(format!(
            "it has {} values, and must have 1 to {MOST_SAMPLES}",
            rows.len()
        ));
    }
    let mut samples = Vec::with_capacity(rows.len());
    let (mut first, mut before) = (None, 0.0);
    for (line, time, value) in rows {
        let second = match (time.parse::<f64>(), time.parse::<Timestamp>()) {
            (Ok(second), _) if second.is_finite() => second,
            (_, Ok(at)) => at.as_millisecond() as f64 / 1_000.0,
            _ => return Err(format!("line {line}: `{time}` is neither seconds nor an RFC 3339 time")),
        };
        let second = second - *first.get_or_insert(second);
        if second < before {
            return Err(format!("line {line}: the time is before that of the line above"));
        }
        before = second;
        samples.push((second, value));
    }
    Ok(samples)
}

fn csv_rows(text: &str, name: &str) -> Result<Vec<Row>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |names: &[&str]| {
        headers
            .iter()
            .position(|header| names.iter().any(|name| header.eq_ignore_ascii_case(name)))
    };
    let all = || headers.iter().collect::<Vec<_>>().join(", ");
    let time = column(&TIMES).ok_or_else(|| format!("it has no column `time`; it has {}", all()))?;
    let value =
        column(&[name, VALUE]).ok_or_else(|| format!("it has no column `{name}` or `{VALUE}`; it has {}", all()))?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, |position| position.line() as usize);
        let cell = |column: usize| record.get(column).unwrap_or_default().to_owned();
        // A cell that is not JSON is a text.
        let value = serde_json::from_str(&cell(value)).unwrap_or_else(|_| Value::from(cell(value)));
        rows.push((line, cell(time), value));
    }
    Ok(rows)
}

fn json_rows(text: &str, name: &str) -> Result<Vec<Row>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let line_number = index + 1;
            let row: Value = serde_json::from_str(line).map_err(|error| format!("line {line_number}: {error}"))?;
            let time = TIMES.iter().find_map(|key| row.get(*key));
            let value = row.get(name).or_else(|| row.get(VALUE));
            match (time, value) {
                (Some(Value::String(time)), Some(value)) => Ok((line_number, time.clone(), value.clone())),
                (Some(time @ Value::Number(_)), Some(value)) => Ok((line_number, time.to_string(), value.clone())),
                _ => Err(format!(
                    "line {line_number}: must have `time` and `{name}` or `{VALUE}`"
                )),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn csv_and_json_lines_are_read_with_seconds_or_times() {
        let rows = csv_rows("time, pressure\n10, 4.5\n12, 4.75\n", "pressure").unwrap();
        assert_eq!(samples(rows).unwrap(), [(0.0, json!(4.5)), (2.0, json!(4.75))]);
        let lines = "{\"timestamp\":\"2026-11-23T15:00:00Z\",\"value\":{\"a\":1}}\n\n\
                     {\"timestamp\":\"2026-11-23T15:00:01.5Z\",\"value\":\"x\"}";
        let rows = json_rows(lines, "pressure").unwrap();
        assert_eq!(samples(rows).unwrap(), [(0.0, json!({"a": 1})), (1.5, json!("x"))]);
    }

    #[test]
    fn what_is_wrong_is_reported_with_its_line() {
        let wrong = |text: &str| csv_rows(text, "pressure").and_then(samples).unwrap_err();
        assert_eq!(
            wrong("time,temperature\n1,2"),
            "it has no column `pressure` or `value`; it has time, temperature"
        );
        assert_eq!(
            wrong("time,value\nnoon,2"),
            "line 2: `noon` is neither seconds nor an RFC 3339 time"
        );
        assert_eq!(
            wrong("time,value\n2,2\n1,2"),
            "line 3: the time is before that of the line above"
        );
        assert!(wrong("time,value\n").starts_with("it has 0 values"));
        assert!(
            json_rows("{\"time\":1}", "pressure")
                .unwrap_err()
                .starts_with("line 1: must have")
        );
    }
}
