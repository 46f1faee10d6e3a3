//! Settings as they were written: one table in which each value has its position in the text that it comes from.
//!
//! A span counts bytes from the beginning of the file. The `--set` arguments follow its end, one after the other, so
//! that a single number identifies both the text and the position in it.

use std::ops::Range;

use iot_protocol::shown;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::problem::Problem;
use crate::problems::Problems;
use crate::table::Table;

/// A file of settings, or a text that takes its place.
pub struct Document<'a> {
    root: DeTable<'a>,
    /// What readers find wrong.
    pub problems: Problems,
}

/// The keys under which a person might write a secret itself instead of where it is.
const SECRETS: [&str; 2] = ["api_token", "password"];

/// Notes where there is a secret below `value`, the value of `key`.
fn find_secrets(key: &str, value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::String(_) if SECRETS.contains(&key) => spans.push(value.span()),
        DeValue::Table(table) => {
            for (inner, value) in table {
                match value.get_ref() {
                    // If it isn't the name of a variable, it may be the secret itself.
                    DeValue::String(name) if SECRETS.contains(&key) && inner.get_ref() == "env" => {
                        if !shown::is_variable(name) {
                            spans.push(value.span());
                        }
                    }
                    _ => find_secrets(inner.get_ref(), value, spans),
                }
            }
        }
        DeValue::Array(array) => {
            for value in array.iter() {
                find_secrets(key, value, spans);
            }
        }
        _ => {}
    }
}

impl<'a> Document<'a> {
    /// Reads TOML and lays the overrides (`path=value`) over it. `kind` names the kind of file in problems.
    ///
    /// # Errors
    ///
    /// Everything that keeps the text from being TOML. Such a text is not read further: every key of its unreadable
    /// half would be reported as missing.
    pub fn parse(kind: &'static str, name: &str, text: &'a str, overrides: &'a [String]) -> Result<Self, Vec<Problem>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut document = Self {
            root: root.into_inner(),
            problems: Problems::new(kind, name, text),
        };
        document.hide_secrets();
        let readable = errors.is_empty();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            document
                .problems
                .push(span, format!("not TOML: {}", error.message()), Vec::new());
        }
        for argument in overrides {
            document.set(argument);
        }
        if readable {
            Ok(document)
        } else {
            Err(document.problems.take())
        }
    }

    /// The table at the top.
    #[must_use]
    pub fn root(&self) -> Table<'_> {
        Table::root(&self.root, &self.problems)
    }

    /// Problems are shown with the lines around them. A secret in place of its name is refused later, and must not
    /// be shown until then.
    fn hide_secrets(&mut self) {
        let mut spans = Vec::new();
        for (key, value) in &self.root {
            find_secrets(key.get_ref(), value, &mut spans);
        }
        for span in spans {
            self.problems.hide(span);
        }
        self.problems.hide_what_looks_secret();
    }

    fn set(&mut self, argument: &'a str) {
        let begin = self.problems.add_text("--set", argument);
        let span = begin..begin + argument.len();
        self.problems.hide_what_looks_secret();
        if let Some((path, value)) = argument.split_once('=')
            && SECRETS.contains(&path.trim().rsplit('.').next().unwrap_or_default())
            && !value.trim_start().starts_with('{')
        {
            self.problems.hide(begin + path.len() + 1..span.end);
        }
        let refuse = |message: String, help: &str| self.problems.push(span.clone(), message, vec![help.to_owned()]);

        let Some((path, value)) = argument.split_once('=') else {
            refuse(format!("`--set {argument}` has no `=`"), PATH_HELP);
            return;
        };
        let keys: Vec<&str> = path.split('.').map(str::trim).collect();
        let value = DeValue::parse(value.trim())
            .map(Spanned::into_inner)
            // Most values are words with a unit, and quoting them twice in a shell is a nuisance.
            .unwrap_or_else(|_| DeValue::String(value.trim().into()));
        if let Err(place) = insert(&mut self.root, &keys, move_to(value, &span), &span) {
            refuse(format!("`--set {path}`: {place}"), PATH_HELP);
        }
    }
}

const PATH_HELP: &str = "accepted: the path of a key and its value, such as load.register_rate=50/s or \
                         group.thermostats.devices.count=10";

fn insert<'a>(
    table: &mut DeTable<'a>,
    keys: &[&'a str],
    value: DeValue<'a>,
    span: &Range<usize>,
) -> Result<(), String> {
    let spanned = |value| Spanned::new(span.clone(), value);
    let (key, rest) = match keys {
        [] | ["", ..] => return Err("a part of the path is empty".into()),
        [key, rest @ ..] => (*key, rest),
    };
    if rest.is_empty() {
        table.insert(Spanned::new(span.clone(), key.into()), spanned(value));
        return Ok(());
    }
    if !table.contains_key(key) {
        table.insert(
            Spanned::new(span.clone(), key.into()),
            spanned(DeValue::Table(DeTable::new())),
        );
    }
    match table.get_mut(key).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => insert(inner, rest, value, span),
        Some(DeValue::Array(array)) => insert_into_element(array, key, rest, value, span),
        _ => Err(format!("`{key}` is not a table")),
    }
}

/// An element of an array is named by its number from 0, a table in it also by its `id`, `device_id` or `name`.
fn insert_into_element<'a>(
    array: &mut DeArray<'a>,
    name: &str,
    keys: &[&'a str],
    value: DeValue<'a>,
    span: &Range<usize>,
) -> Result<(), String> {
    let Some((key, rest)) = keys.split_first() else {
        return Err("a part of the path is empty".into());
    };
    let named = |element: &Spanned<DeValue<'_>>| {
        ["id", "device_id", "name"]
            .iter()
            .any(|id| element.get_ref().get(*id).and_then(|id| id.get_ref().as_str()) == Some(key))
    };
    let index = array.iter().position(named).or_else(|| key.parse().ok());
    let element = index.and_then(|index| array.get_mut(index)).map(Spanned::get_mut);
    match (element, rest) {
        (None, _) => Err(format!("there is no `{key}` in `{name}`")),
        (Some(DeValue::Table(inner)), [_, ..]) => insert(inner, rest, value, span),
        (Some(element), []) => {
            *element = value;
            Ok(())
        }
        (Some(_), _) => Err(format!("`{name}.{key}` is not a table")),
    }
}

/// The value, with all that is in it, at position `span`.
fn move_to<'a>(value: DeValue<'a>, span: &Range<usize>) -> DeValue<'a> {
    let at = |value: Spanned<DeValue<'a>>| Spanned::new(span.clone(), move_to(value.into_inner(), span));
    match value {
        DeValue::Array(array) => DeValue::Array(array.into_iter().map(at).collect()),
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| (Spanned::new(span.clone(), key.into_inner()), at(value)))
                .collect(),
        ),
        plain => plain,
    }
}
