//! What a metric must reach, such as `p(95) < 500ms`.
//!
//! The grammar is k6's, an aggregation, an operator and a number
//! (<https://grafana.com/docs/k6/latest/using-k6/thresholds/#threshold-syntax>), and units: k6 counts all times in
//! milliseconds, here a time says its unit.
//!
//! ```text
//! expression  = aggregation operator number [unit]
//! aggregation = avg | min | max | med | p(number) | count | rate | value
//! operator    = < | <= | > | >= | == | === | !=
//! number      = digits [. digits]
//! unit        = us | ms | s | m | h | % | /s | /min
//! ```

use std::fmt;
use std::ops::Range;

use settings::nearest;

use super::aggregation::Aggregation;
use super::bound::{Bound, Quantity, Suffix, check, noun, unit_missing, unit_slip};
use super::error::ThresholdError;
use super::operator::Operator;
use crate::metric::{Kind, Metric, Unit};

/// What a metric must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expression {
    /// How the figures become one value.
    pub aggregation: Aggregation,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub bound: Bound,
    /// What the value and the bound are counted in.
    pub unit: Unit,
}

/// The operators, the longer ones before those with which they begin.
const OPERATORS: [(&str, Operator); 7] = [
    ("===", Operator::Equal),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];
const OPERATORS_FORM: &str = "one of < <= > >= == !=";
const EXPRESSION_FORM: &str = "an aggregation, an operator and a number";

/// What people write for an operator elsewhere.
const SLIPS: [(&str, &str); 6] = [
    ("=", "=="),
    ("=<", "<="),
    ("=>", ">="),
    ("<>", "!="),
    ("!", "!="),
    ("!==", "!="),
];

/// What aggregations are called elsewhere.
const SYNONYMS: [(&str, &str); 5] = [
    ("mean", "avg"),
    ("average", "avg"),
    ("median", "med"),
    ("minimum", "min"),
    ("maximum", "max"),
];

impl Expression {
    /// Reads an expression about `metric`.
    ///
    /// # Errors
    ///
    /// The first thing in it that can't be read or that the metric does not have, such as a time without a unit or the
    /// average of a counter.
    pub fn parse(text: &str, metric: Metric) -> Result<Self, ThresholdError> {
        let mut scanner = Scanner { text, at: 0 };
        let aggregation = scanner.aggregation(metric)?;
        let operator = scanner.operator()?;
        let bound = scanner.bound(Quantity::of(metric, aggregation), metric)?;
        Ok(Self {
            aggregation,
            operator,
            bound,
            unit: match (metric.kind(), aggregation) {
                (_, Aggregation::Count) => Unit::Count,
                (Kind::Counter, _) => Unit::PerSecond,
                (Kind::Gauge, _) if bound.suffix == Suffix::Percent => Unit::Ratio,
                _ => metric.unit(),
            },
        })
    }

    /// Whether `value` is where it should be; it is counted in the expression's unit.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.operator.holds(value, self.bound.value())
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Everything from here for which `of` holds, after the blanks before it.
    fn take(&mut self, of: impl Fn(char) -> bool) -> (&'a str, Range<usize>) {
        self.skip_blanks();
        let rest = self.rest();
        let length = rest.find(|c| !of(c)).unwrap_or(rest.len());
        let at = self.at..self.at + length;
        self.at = at.end;
        (&rest[..length], at)
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// That something is missing here.
    fn missing(&self, what: &str, accepted: impl Into<String>) -> ThresholdError {
        match self.rest().chars().next() {
            None => ThresholdError::new(self.at..self.at, format!("it ends where {what} belongs"), accepted),
            Some(found) => {
                let at = self.at..self.at + found.len_utf8();
                ThresholdError::new(at, format!("`{found}` stands where {what} belongs"), accepted)
            }
        }
    }

    fn aggregation(&mut self, metric: Metric) -> Result<Aggregation, ThresholdError> {
        let names = metric.kind().aggregations();
        let accepted = || format!("{} of {}", names.join(", "), metric.name());
        let (word, at) = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        if word.is_empty() {
            if self.rest().is_empty() {
                return Err(ThresholdError::new(at, "it is empty", EXPRESSION_FORM));
            }
            return Err(self.missing("an aggregation", accepted()));
        }
        let found = match word {
            "avg" => Aggregation::Avg,
            "min" => Aggregation::Min,
            "max" => Aggregation::Max,
            "med" => Aggregation::Med,
            "count" => Aggregation::Count,
            "rate" => Aggregation::Rate,
            "value" => Aggregation::Value,
            "p" => self.percentile()?,
            _ => {
                let hint = percentile_slip(word)
                    .or_else(|| synonym(word))
                    .or_else(|| nearest(word, names.iter().copied()).map(|name| format!("did you mean `{name}`?")));
                let message = format!("`{word}` is not an aggregation");
                return Err(ThresholdError::new(at, message, accepted()).hint(hint));
            }
        };
        let name = if word == "p" { "p(N)" } else { word };
        if !names.contains(&name) {
            let noun = metric.kind().noun();
            let message = format!("`{}` is {noun}, which has no `{name}`", metric.name());
            return Err(ThresholdError::new(at, message, accepted()));
        }
        Ok(found)
    }

    /// The `(95)` of `p(95)`.
    fn percentile(&mut self) -> Result<Aggregation, ThresholdError> {
        const FORM: &str = "a percentile such as p(95), from p(0) to p(100)";
        self.skip_blanks();
        if !self.rest().starts_with('(') {
            return Err(self.missing("`(`", FORM));
        }
        self.at += 1;
        let (inside, at) = self.take(|c| c != ')');
        if self.rest().is_empty() {
            return Err(self.missing("`)`", FORM));
        }
        self.at += 1;
        let number = number(inside.trim_end()).filter(|number| *number <= 100.0);
        number.map(Aggregation::P).ok_or_else(|| {
            let message = match inside.trim_end() {
                "" => "the parentheses are empty".to_owned(),
                inside => format!("`{inside}` is not a percentile"),
            };
            ThresholdError::new(at.start..at.start + inside.trim_end().len(), message, FORM)
        })
    }

    fn operator(&mut self) -> Result<Operator, ThresholdError> {
        let (word, at) = self.take(|c| "<>=!~".contains(c));
        if word.is_empty() {
            return Err(self.missing("an operator", OPERATORS_FORM));
        }
        if let Some((_, operator)) = OPERATORS.iter().find(|(known, _)| *known == word) {
            return Ok(*operator);
        }
        let hint = SLIPS.iter().find(|(slip, _)| *slip == word);
        let hint = hint.map(|(_, meant)| format!("write {meant}"));
        Err(ThresholdError::new(at, format!("`{word}` is not an operator"), OPERATORS_FORM).hint(hint))
    }

    fn bound(&mut self, quantity: Quantity, metric: Metric) -> Result<Bound, ThresholdError> {
        let (digits, at) = self.take(|c| c.is_ascii_digit() || c == '.');
        if digits.is_empty() {
            let negative = self.rest().starts_with('-');
            let hint = negative.then(|| "nothing that is measured is below 0".to_owned());
            return Err(self.missing("a number", quantity.form()).hint(hint));
        }
        let Some(number) = number(digits) else {
            return Err(ThresholdError::new(
                at,
                format!("`{digits}` is not a number"),
                quantity.form(),
            ));
        };
        let (suffix, suffix_at) = self.take(|_| true);
        let suffix = suffix.trim_end();
        let whole = at.start..suffix_at.start + suffix.len();
        let known = match suffix {
            "" => Some(Suffix::Nothing),
            _ => Suffix::ALL
                .iter()
                .find(|(text, _)| *text == suffix)
                .map(|(_, known)| *known),
        };
        match known {
            Some(known) if quantity.takes(known) => check(quantity, metric, Bound { number, suffix: known }, whole),
            Some(Suffix::Nothing) => Err(
                ThresholdError::new(at, format!("`{digits}` has no unit"), quantity.form())
                    .hint(unit_missing(quantity, digits)),
            ),
            _ => {
                let at = suffix_at.start..suffix_at.start + suffix.len();
                let message = match known {
                    Some(_) => format!("`{suffix}` is not a unit of {}", noun(quantity)),
                    None => format!("`{suffix}` stands where a unit or the end belongs"),
                };
                Err(ThresholdError::new(at, message, quantity.form()).hint(unit_slip(quantity, digits, suffix)))
            }
        }
    }
}

/// Digits, with a fraction or without; `f64` would also take `1e3`, `inf` and `.5`.
fn number(text: &str) -> Option<f64> {
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text, None), |(whole, part)| (whole, Some(part)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let valid = digits(whole) && fraction.is_none_or(digits);
    let number: f64 = text.parse().ok()?;
    (valid && number.is_finite()).then_some(number)
}

/// `p95`, as other tools have it.
fn percentile_slip(word: &str) -> Option<String> {
    let digits = word.strip_prefix('p').or_else(|| word.strip_prefix('P'))?;
    number(digits).map(|_| format!("write p({digits})"))
}

fn synonym(word: &str) -> Option<String> {
    let (_, meant) = SYNONYMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word))?;
    Some(format!("write {meant}"))
}

/// In the one form that reports use: `p(95) < 500ms`.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.aggregation, self.operator, self.bound)
    }
}

#[cfg(test)]
mod tests;
