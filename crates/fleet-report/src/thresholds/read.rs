//! The reader of the table `[thresholds]`.
//!
//! Its keys are selectors, so it goes through the entries instead of asking a [`Table`] for keys that it knows.

use std::ops::Range;
use std::time::Duration;

use settings::reading::{boolean, parsed, text};
use settings::span::SPAN_FORM;
use settings::{At, DeValue, Item, Problems, Span, Table, Unreadable};

use super::aggregation::Aggregation;
use super::error::ThresholdError;
use super::expression::Expression;
use super::selector::Selector;
use super::threshold::Threshold;
use crate::labels::KnownLabels;
use crate::metric::{Judged, Kind};

/// The accepted forms, as problems and documentation name them.
pub const TABLE_FORM: &str = r#"a table [thresholds] such as publish_duration = ["p(95) < 500ms"]"#;
const LIST_FORM: &str = r#"a list such as ["p(95) < 500ms"] or [{ threshold = "p(95) < 500ms", over = "1m" }]"#;
const ELEMENT_FORM: &str = r#"a text such as "p(95) < 500ms", or a table { threshold = "p(95) < 500ms", over = "1m" }"#;
const EXPRESSION_FORM: &str = r#"a text such as "p(95) < 500ms""#;
const OVER_FORM: &str = r#"a time of whole seconds from "1s" to "1h""#;
const FLAG_FORM: &str = "true or false";

/// A window keeps something for each of its seconds.
const LONGEST_OVER: Duration = Duration::from_secs(3600);

/// Reads the table `thresholds` of `root`, in the order in which it is written; none where there is no such table.
///
/// Everything that is wrong is noted in `problems`: with its place within the expression where it is in one, its key,
/// what is accepted, and what was probably meant. What is wrong is left out of the result.
#[must_use]
pub fn read(root: &Table<'_>, problems: &Problems, known: &KnownLabels) -> Vec<Threshold> {
    let Some(table) = root.table_of_form("thresholds", TABLE_FORM) else {
        return Vec::new();
    };
    let mut reader = Reader {
        problems,
        read: Vec::new(),
    };
    for (name, span, list) in table.entries() {
        let selector = Selector::parse(name, known);
        let selector = selector
            .map_err(|errors| {
                errors
                    .iter()
                    .for_each(|error| reader.misread(list.path(), &span, name, error));
            })
            .ok();
        reader.list(&list, selector.as_ref());
    }
    reader.read.into_iter().map(|(_, threshold)| threshold).collect()
}

struct Reader<'a> {
    problems: &'a Problems,
    /// What was read, each with its path.
    read: Vec<(String, Threshold)>,
}

/// The keys of a threshold that is written as a table.
#[derive(Default)]
struct Options {
    over: Option<At<Span>>,
    abort_on_fail: Option<At<bool>>,
    delay_abort_eval: Option<At<Span>>,
    allow_empty: bool,
}

impl Reader<'_> {
    /// `selector` is missing where it could not be read; the rest is looked at nevertheless.
    fn list(&mut self, list: &Item<'_>, selector: Option<&Selector>) {
        if let DeValue::String(expression) = list.value() {
            let help = vec![accepted(LIST_FORM), format!("write [\"{expression}\"]")];
            return list.problem(format!("`{}` is a string", list.path()), help);
        }
        let Some(elements) = list.elements(LIST_FORM) else {
            return;
        };
        if elements.is_empty() {
            list.problem(format!("`{}` is empty", list.path()), vec![accepted(LIST_FORM)]);
        }
        for element in elements {
            let path = element.path().to_owned();
            let (expression, options) = match element.value() {
                DeValue::String(_) => (element.read(ELEMENT_FORM, text), Options::default()),
                _ => match element.table(ELEMENT_FORM) {
                    Some(table) => self.table(table),
                    None => continue,
                },
            };
            if let (Some(expression), Some(selector)) = (expression, selector) {
                self.threshold(&path, &expression, &options, selector);
            }
        }
    }

    /// The expression of a threshold that is written as a table, and its options.
    fn table<'a>(&self, table: Table<'a>) -> (Option<At<&'a str>>, Options) {
        let expression = table.read_required("threshold", EXPRESSION_FORM, text);
        let options = Options {
            over: table.read("over", OVER_FORM, over),
            abort_on_fail: table.read("abort_on_fail", FLAG_FORM, boolean),
            delay_abort_eval: table.read("delay_abort_eval", SPAN_FORM, parsed),
            allow_empty: table
                .read("allow_empty", FLAG_FORM, boolean)
                .is_some_and(|allowed| allowed.value),
        };
        let aborts = options.abort_on_fail.as_ref().map(|abort| abort.value);
        // What could not be read may well be true.
        if let (Some(delay), None | Some(false)) = (&options.delay_abort_eval, aborts)
            && (aborts.is_some() || !table.has("abort_on_fail"))
        {
            let message = format!("`{}` is of no use without abort_on_fail", delay.key);
            self.refuse(delay, message, "accepted: beside abort_on_fail = true");
        }
        table.finish_as("a threshold");
        (expression, options)
    }

    fn threshold(&mut self, path: &str, expression: &At<&str>, options: &Options, selector: &Selector) {
        let parsed = match Expression::parse(expression.value, selector.metric) {
            Ok(parsed) => parsed,
            Err(error) => return self.misread(&expression.key, &expression.span, expression.value, &error),
        };
        if !self.fits(selector, &parsed, options) {
            return;
        }
        let threshold = Threshold {
            over_s: options.over.as_ref().map(|over| over.value.0.as_secs()),
            abort_on_fail: options.abort_on_fail.as_ref().is_some_and(|abort| abort.value),
            delay_abort_eval: options
                .delay_abort_eval
                .as_ref()
                .map_or(Duration::ZERO, |delay| delay.value.0),
            allow_empty: options.allow_empty,
            ..Threshold::new(selector.clone(), parsed)
        };
        let is_same = |other: &Threshold| {
            other.selector == threshold.selector
                && other.expression == threshold.expression
                && other.over_s == threshold.over_s
        };
        if let Some((first, _)) = self.read.iter().find(|(_, other)| is_same(other)) {
            let message = format!("`{path}` is the same as `{first}`");
            return self.refuse(expression, message, "accepted: each threshold once");
        }
        self.read.push((path.to_owned(), threshold));
    }

    /// Notes options that would have no effect on such a threshold.
    fn fits(&self, selector: &Selector, expression: &Expression, options: &Options) -> bool {
        let name = selector.metric.name();
        let judged = selector.metric.judged();
        let aborts = options.abort_on_fail.as_ref().filter(|abort| abort.value);
        let starts_too_low = expression.aggregation == Aggregation::Count && !expression.holds(0.0);
        let has_time = options.over.is_some() || options.delay_abort_eval.is_some();
        if let Some(abort) = aborts.filter(|_| starts_too_low && !has_time) {
            let message = format!("`{}` would end the run at once: a count begins at 0", abort.key);
            self.refuse(abort, message, "accepted: beside delay_abort_eval = \"5m\", say");
            return false;
        }
        let late = || format!("`{name}` is known only after the drain");
        let over = match (judged, selector.metric.kind()) {
            (Judged::AfterDrain, _) => Some(late()),
            (Judged::OnceKnown, _) => Some(format!("`{name}` has one value")),
            (_, Kind::Gauge) if expression.aggregation == Aggregation::Value => {
                Some("`value` is judged in every second already".to_owned())
            }
            _ => None,
        };
        let abort = (judged == Judged::AfterDrain).then(late);
        let mut fits = true;
        if let Some((why, at)) = over.zip(options.over.as_ref()) {
            self.useless("over", at, &why);
            fits = false;
        }
        if let Some((why, at)) = abort.zip(aborts) {
            self.useless("abort_on_fail", at, &why);
            fits = false;
        }
        fits
    }

    fn useless<T>(&self, key: &str, at: &At<T>, why: &str) {
        let message = format!("`{}` is of no use here: {why}", at.key);
        self.refuse(at, message, &format!("accepted: a threshold without {key}"));
    }

    /// Notes an error in a text that stands at `span`.
    fn misread(&self, path: &str, span: &Range<usize>, text: &str, error: &ThresholdError) {
        let at = place(span, text, &error.at);
        self.problems
            .push(at, format!("`{path}`: {}", error.message), error.help());
    }

    fn refuse<T>(&self, at: &At<T>, message: String, help: &str) {
        self.problems.push(at.span.clone(), message, vec![help.to_owned()]);
    }
}

fn accepted(form: &str) -> String {
    format!("accepted: {form}")
}

fn over(value: &DeValue<'_>) -> Result<Span, Unreadable> {
    let span: Span = text(value)?.parse()?;
    match span.0 {
        over if over.is_zero() => Err(Unreadable::Value(format!("`{span}` is shorter than a second"))),
        over if over.subsec_nanos() != 0 => Err(Unreadable::Value(format!("`{span}` has a part of a second"))),
        over if over > LONGEST_OVER => Err(Unreadable::Value(format!("`{span}` is longer than an hour"))),
        _ => Ok(span),
    }
}

/// Where a part of a text stands in the file, if the text stands at `span`: a byte behind its quote. What is written in
/// another way, with escapes say, or as `--set`, is shown as a whole.
fn place(span: &Range<usize>, text: &str, at: &Range<usize>) -> Range<usize> {
    let quotes = match span.len().checked_sub(text.len()) {
        Some(0) => 0,
        Some(2) => 1,
        _ => return span.clone(),
    };
    span.start + quotes + at.start..span.start + quotes + at.end
}

#[cfg(test)]
mod tests;
