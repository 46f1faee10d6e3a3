//! The judgement on a run as test results: a pipeline shows them beside its tests.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report as Document, TestCase, TestCaseStatus, TestSuite};

use crate::exit::INTERRUPTED;
use crate::report::Report;
use crate::thresholds::{ThresholdResult, ThresholdRow, Verdict};

/// `junit.xml` of a report: a test case for each threshold, and one for the run itself. What was measured stands in the
/// message of a case that failed, and in a property of each.
#[must_use]
pub fn junit(report: &Report) -> String {
    let name = report.fleet_name().unwrap_or("fleet");
    let mut suite = TestSuite::new(name);
    let took = report
        .run
        .duration_s
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if let Some(took) = took {
        suite.set_time(took);
    }
    suite.add_property(Property::new("run", &*report.run.id));
    suite.add_property(Property::new("fleet", &*report.tool.version));
    suite.add_test_case(run(report, name));
    for result in &report.thresholds {
        suite.add_test_case(threshold(result, name));
    }
    let mut document = Document::new(name);
    document.add_test_suite(suite);
    document.to_string().expect("a text takes all that is written")
}

fn run(report: &Report, fleet: &str) -> TestCase {
    let failures = &report.run.failures;
    let status = match failures.first() {
        None if report.exit == INTERRUPTED => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message("interrupted");
            status
        }
        None => TestCaseStatus::success(),
        Some(first) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(&**first).set_description(failures.join("\n"));
            status
        }
    };
    let mut case = TestCase::new("run", status);
    case.set_classname(fleet);
    case
}

fn threshold(result: &ThresholdResult, fleet: &str) -> TestCase {
    let ThresholdRow {
        name,
        expression,
        actual,
        notes,
    } = ThresholdRow::of(result);
    let says = match notes.is_empty() {
        true => actual.clone(),
        false => format!("{actual}; {notes}"),
    };
    let status = match result.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::NoData if result.allow_empty => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("no data");
            status
        }
        Verdict::NoData => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status
                .set_type("no data")
                .set_message("no data: nothing that it is about has happened");
            status
        }
        Verdict::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("threshold").set_message(says);
            status
        }
    };
    let mut case = TestCase::new(format!("{name} {expression}"), status);
    case.set_classname(fleet).add_property(Property::new("actual", actual));
    case
}
