//! The readers of plain values, from which the readers of richer ones are built.

use toml::de::DeValue;

use crate::table::Unreadable;

/// A text.
///
/// # Errors
///
/// It is of another type.
pub fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Unreadable> {
    value.as_str().ok_or(Unreadable::Type)
}

/// True or false.
///
/// # Errors
///
/// It is of another type.
pub fn boolean(value: &DeValue<'_>) -> Result<bool, Unreadable> {
    value.as_bool().ok_or(Unreadable::Type)
}

/// A whole number of the range `from..=to`.
///
/// # Errors
///
/// It is of another type, or too small or too large.
pub fn whole(value: &DeValue<'_>, from: i128, to: i128) -> Result<i128, Unreadable> {
    let integer = value.as_integer().ok_or(Unreadable::Type)?;
    let number =
        i128::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| format!("{integer} is too large"))?;
    if number < from {
        Err(Unreadable::Value(format!("{number} is too small")))
    } else if number > to {
        Err(Unreadable::Value(format!("{number} is too large")))
    } else {
        Ok(number)
    }
}

/// A number with or without a fraction: also 0 and 1 are such numbers.
///
/// # Errors
///
/// It is of another type.
pub fn number(value: &DeValue<'_>) -> Result<f64, Unreadable> {
    match value {
        DeValue::Float(float) => float.as_str().parse().map_err(|_| Unreadable::Type),
        DeValue::Integer(integer) => integer.as_str().parse().map_err(|_| Unreadable::Type),
        _ => Err(Unreadable::Type),
    }
}

/// A share that is written in percent: `10%` is 0.1. It may be any number, or none at all, as `NaN%` is.
#[must_use]
pub fn from_percent(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
    Some(number / 100.0)
}

/// One of some words.
///
/// # Errors
///
/// It is of another type, or none of the words.
pub fn word<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, Unreadable> {
    let text = text(value)?;
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, found)) => Ok(*found),
        None => Err(Unreadable::Value(format!("`{text}` is not one of them"))),
    }
}

/// What can be parsed from a text, such as a [`Span`](crate::Span) or a [`Rate`](crate::Rate).
///
/// # Errors
///
/// It is of another type, or can't be parsed.
pub fn parsed<T: std::str::FromStr<Err = String>>(value: &DeValue<'_>) -> Result<T, Unreadable> {
    Ok(text(value)?.parse()?)
}
