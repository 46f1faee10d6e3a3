//! The reader of the table `[thresholds]`.
//!
//! Its keys are selectors and not known beforehand, so it walks the values itself instead of asking a
//! [`Table`] for them, and notes what is wrong in the same words.

use std::ops::Range;
use std::time::Duration;

use settings::reading::{boolean, parsed, text};
use settings::span::SPAN_FORM;
use settings::{DeValue, Problems, Span, Table, Unreadable};
use toml::Spanned;
use toml::de::DeTable;

use super::aggregation::Aggregation;
use super::error::ThresholdError;
use super::expression::Expression;
use super::selector::Selector;
use super::threshold::Threshold;
use crate::labels::KnownLabels;
use crate::metric::{Judged, Kind, nearest};

/// The accepted forms, as problems and documentation name them.
pub const TABLE_FORM: &str = r#"a table [thresholds] such as publish_duration = ["p(95) < 500ms"]"#;
const LIST_FORM: &str = r#"a list such as ["p(95) < 500ms"] or [{ threshold = "p(95) < 500ms", over = "1m" }]"#;
const ELEMENT_FORM: &str = r#"a text such as "p(95) < 500ms", or a table { threshold = "p(95) < 500ms", over = "1m" }"#;
const EXPRESSION_FORM: &str = r#"a text such as "p(95) < 500ms""#;
const OVER_FORM: &str = r#"a time of whole seconds from "1s" to "1h""#;
const FLAG_FORM: &str = "true or false";

/// A window keeps something for each of its seconds.
const LONGEST_OVER: Duration = Duration::from_secs(3600);

const KEYS: [&str; 5] = ["threshold", "over", "abort_on_fail", "delay_abort_eval", "allow_empty"];

/// Reads the table `thresholds` of `root`, in the order in which it is written; none where there is no such table.
///
/// Everything that is wrong is noted in `problems`: with its place within the expression where it is in one, its key,
/// what is accepted, and what was probably meant. What is wrong is left out of the result.
#[must_use]
pub fn read(root: &Table<'_>, problems: &Problems, known: &KnownLabels) -> Vec<Threshold> {
    let form = |value| DeValue::as_table(value).ok_or(Unreadable::Type);
    let Some(table) = root.read("thresholds", TABLE_FORM, form) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = table.value.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut reader = Reader {
        problems,
        read: Vec::new(),
    };
    for (key, list) in entries {
        let name: &str = key.get_ref();
        let selector = Selector::parse(name, known);
        let selector = selector
            .map_err(|errors| {
                let path = format!("{}.{name}", table.key);
                errors
                    .iter()
                    .for_each(|error| reader.misread(&path, &key.span(), name, error));
            })
            .ok();
        reader.list(&format!("{}.{name}", table.key), list, selector.as_ref());
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
    over: Option<(Span, Range<usize>)>,
    abort_on_fail: Option<(bool, Range<usize>)>,
    delay_abort_eval: Option<(Span, Range<usize>)>,
    allow_empty: bool,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    /// `selector` is missing where it could not be read; the rest is looked at nevertheless.
    fn list(&mut self, path: &str, list: &Value<'_>, selector: Option<&Selector>) {
        let elements = match list.get_ref() {
            DeValue::Array(elements) if elements.is_empty() => {
                return self.refuse(list.span(), format!("`{path}` is empty"), &[&accepted(LIST_FORM)]);
            }
            DeValue::Array(elements) => elements,
            DeValue::String(expression) => {
                let hint = format!("write [\"{expression}\"]");
                return self.refuse(
                    list.span(),
                    format!("`{path}` is a string"),
                    &[&accepted(LIST_FORM), &hint],
                );
            }
            other => return self.wrong_type(path, list.span(), other, LIST_FORM),
        };
        for (i, element) in elements.iter().enumerate() {
            let path = format!("{path}.{i}");
            match element.get_ref() {
                DeValue::String(_) => self.threshold(&path, &path, element, &Options::default(), selector),
                DeValue::Table(table) => self.table(&path, element.span(), table, selector),
                other => self.wrong_type(&path, element.span(), other, ELEMENT_FORM),
            }
        }
    }

    fn table(&mut self, path: &str, span: Range<usize>, table: &DeTable<'_>, selector: Option<&Selector>) {
        for (key, _) in table {
            let name: &str = key.get_ref();
            if !KEYS.contains(&name) {
                let help = nearest(name, KEYS).map_or_else(
                    || format!("accepted: {}", KEYS.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                self.refuse(
                    key.span(),
                    format!("`{path}.{name}` is not a key of a threshold"),
                    &[&help],
                );
            }
        }
        let options = self.options(path, table);
        match table.get("threshold") {
            Some(expression) => self.threshold(path, &format!("{path}.threshold"), expression, &options, selector),
            None => self.refuse(
                span,
                format!("`{path}.threshold` is missing"),
                &[&accepted(EXPRESSION_FORM)],
            ),
        }
    }

    fn options(&self, path: &str, table: &DeTable<'_>) -> Options {
        let options = Options {
            over: self.value(path, table, "over", OVER_FORM, over),
            abort_on_fail: self.value(path, table, "abort_on_fail", FLAG_FORM, boolean),
            delay_abort_eval: self.value(path, table, "delay_abort_eval", SPAN_FORM, parsed),
            allow_empty: self
                .value(path, table, "allow_empty", FLAG_FORM, boolean)
                .is_some_and(|(allowed, _)| allowed),
        };
        if let (Some((_, span)), None | Some((false, _))) = (&options.delay_abort_eval, &options.abort_on_fail)
            // What could not be read may well be there.
            && (options.abort_on_fail.is_some() || !table.contains_key("abort_on_fail"))
        {
            let message = format!("`{path}.delay_abort_eval` is of no use without abort_on_fail");
            self.refuse(span.clone(), message, &["accepted: beside abort_on_fail = true"]);
        }
        options
    }

    fn threshold(
        &mut self,
        path: &str,
        expression_path: &str,
        expression: &Value<'_>,
        options: &Options,
        selector: Option<&Selector>,
    ) {
        let Some(written) = expression.get_ref().as_str() else {
            let found = expression.get_ref();
            return self.wrong_type(expression_path, expression.span(), found, EXPRESSION_FORM);
        };
        let Some(selector) = selector else {
            return;
        };
        let parsed = match Expression::parse(written, selector.metric) {
            Ok(parsed) => parsed,
            Err(error) => return self.misread(expression_path, &expression.span(), written, &error),
        };
        if !self.fits(path, selector, &parsed, options) {
            return;
        }
        let threshold = Threshold {
            over_s: options.over.as_ref().map(|(over, _)| over.0.as_secs()),
            abort_on_fail: options.abort_on_fail.as_ref().is_some_and(|(abort, _)| *abort),
            delay_abort_eval: options
                .delay_abort_eval
                .as_ref()
                .map_or(Duration::ZERO, |(delay, _)| delay.0),
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
            return self.refuse(expression.span(), message, &["accepted: each threshold once"]);
        }
        self.read.push((path.to_owned(), threshold));
    }

    /// Notes options that would have no effect on such a threshold.
    fn fits(&self, path: &str, selector: &Selector, expression: &Expression, options: &Options) -> bool {
        let name = selector.metric.name();
        let judged = selector.metric.judged();
        let over = options.over.as_ref().and_then(|(_, span)| {
            let why = match (judged, selector.metric.kind()) {
                (Judged::AfterDrain, _) => format!("`{name}` is known only after the drain"),
                (Judged::OnceKnown, _) => format!("`{name}` has one value"),
                (_, Kind::Gauge) if expression.aggregation == Aggregation::Value => {
                    "`value` is judged in every second already".to_owned()
                }
                _ => return None,
            };
            Some(("over", span, why))
        });
        let abort = options.abort_on_fail.as_ref().and_then(|(abort, span)| {
            let is_late = *abort && judged == Judged::AfterDrain;
            is_late.then(|| ("abort_on_fail", span, format!("`{name}` is known only after the drain")))
        });
        let at_once = options.abort_on_fail.as_ref().and_then(|(abort, span)| {
            let starts_too_low = expression.aggregation == Aggregation::Count && !expression.holds(0.0);
            let has_time = options.over.is_some() || options.delay_abort_eval.is_some();
            (*abort && starts_too_low && !has_time).then_some(span)
        });
        if let Some(span) = at_once {
            let message = format!("`{path}.abort_on_fail` would end the run at once: a count begins at 0");
            self.refuse(
                span.clone(),
                message,
                &["accepted: beside delay_abort_eval = \"5m\", say"],
            );
            return false;
        }
        let mut fits = true;
        for (key, span, why) in over.into_iter().chain(abort) {
            let message = format!("`{path}.{key}` is of no use here: {why}");
            self.refuse(
                span.clone(),
                message,
                &[&format!("accepted: a threshold without {key}")],
            );
            fits = false;
        }
        fits
    }

    fn value<T>(
        &self,
        path: &str,
        table: &DeTable<'_>,
        key: &str,
        form: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Unreadable>,
    ) -> Option<(T, Range<usize>)> {
        let entry = table.get(key)?;
        let path = format!("{path}.{key}");
        match read(entry.get_ref()) {
            Ok(value) => return Some((value, entry.span())),
            Err(Unreadable::Type) => self.wrong_type(&path, entry.span(), entry.get_ref(), form),
            Err(Unreadable::Value(what)) => {
                self.refuse(entry.span(), format!("`{path}`: {what}"), &[&accepted(form)]);
            }
        }
        None
    }

    /// Notes an error in a text that stands at `span`.
    fn misread(&self, path: &str, span: &Range<usize>, text: &str, error: &ThresholdError) {
        let at = place(span, text, &error.at);
        self.problems
            .push(at, format!("`{path}`: {}", error.message), error.help());
    }

    fn wrong_type(&self, path: &str, span: Range<usize>, found: &DeValue<'_>, form: &str) {
        let article = match found {
            DeValue::Integer(_) | DeValue::Array(_) => "an",
            _ => "a",
        };
        let message = format!("`{path}` is {article} {}", found.type_str());
        self.refuse(span, message, &[&accepted(form)]);
    }

    fn refuse(&self, span: Range<usize>, message: String, help: &[&str]) {
        let help = help.iter().map(|line| (*line).to_owned()).collect();
        self.problems.push(span, message, help);
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
