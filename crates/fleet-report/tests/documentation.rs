//! What `docs/thresholds.md` says of the metrics.

use std::fs;
use std::path::Path;

use fleet_report::metric::{Kind, Metric};

#[test]
fn every_metric_has_its_row_and_no_other_has_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/thresholds.md");
    let text = fs::read_to_string(path).expect("the document is there");
    let (_, table) = text.split_once("## Metrics").expect("it has a section of metrics");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = Metric::ALL.iter().map(row).collect();
    assert_eq!(rows, expected);
}

fn row(metric: &Metric) -> String {
    let kind = match metric.kind() {
        Kind::Trend => "trend",
        Kind::Ratio => "ratio",
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    let labels: Vec<_> = metric
        .labels()
        .iter()
        .map(|label| format!("`{}`", label.name()))
        .collect();
    let labels = if labels.is_empty() {
        "–".to_owned()
    } else {
        labels.join(", ")
    };
    let (name, about) = (metric.name(), metric.about());
    format!("| `{name}` | {kind} | {labels} | {about} |")
}
