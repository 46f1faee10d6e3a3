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
    let index = array
        .iter()
        .position(|element| names(element).any(|name| name == *key))
        .or_else(|| key.parse().ok());
    let there = match index.is_some_and(|index| index < array.len()) {
        true => String::new(),
        false => names_of(array),
    };
    let element = index.and_then(|index| array.get_mut(index)).map(Spanned::get_mut);
    match (element, rest) {
        (None, _) => Err(format!("there is no `{key}` in `{name}`; {there}")),
        (Some(DeValue::Table(inner)), [_, ..]) => insert(inner, rest, value, span),
        (Some(element), []) => {
            *element = value;
            Ok(())
        }
        (Some(_), _) => Err(format!("`{name}.{key}` is not a table")),
    }
}

/// What an element of an array may be called.
fn names<'a>(element: &'a Spanned<DeValue<'_>>) -> impl Iterator<Item = &'a str> {
    ["id", "device_id", "name"]
        .into_iter()
        .filter_map(|id| element.get_ref().get(id)?.get_ref().as_str())
}

/// The names of the elements of an array, or their numbers where they have none.
fn names_of(array: &DeArray<'_>) -> String {
    const MOST: usize = 8;
    let found = array.iter().filter_map(|element| names(element).next());
    let found: Vec<_> = found.map(|name| format!("`{}`", shown::text(name))).collect();
    match (found.len(), array.len()) {
        (_, 0) => "it is empty".to_owned(),
        (0, 1) => "its only element is 0".to_owned(),
        (0, several) => format!("its elements are 0 to {}", several - 1),
        (named, _) if named > MOST => format!("there are {} and {} more", found[..MOST].join(", "), named - MOST),
        (1, _) => format!("there is {}", found[0]),
        _ => format!("there are {}", found.join(", ")),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str, argument: &str) -> Option<String> {
        let arguments = [argument.to_owned()];
        let document = Document::parse("settings", "test.toml", text, &arguments).unwrap();
        let problems = document.problems.take();
        problems.into_iter().next().map(|problem| problem.message)
    }

    #[test]
    fn a_name_that_no_element_has_is_refused_with_those_there_are() {
        let two = "[[group]]\nid = \"a\"\n[[group]]\nid = \"b\"\n";
        assert_eq!(refusal(two, "group.b.x=1"), None);
        assert_eq!(refusal(two, "group.0.x=1"), None);
        for (text, argument, words) in [
            (two, "group.c.x=1", "there is no `c` in `group`; there are `a`, `b`"),
            (two, "group.2.x=1", "there is no `2` in `group`; there are `a`, `b`"),
            (
                "[[group]]\nid = \"a\"\n",
                "group.b.x=1",
                "there is no `b` in `group`; there is `a`",
            ),
            (
                "stages = [1, 2]",
                "stages.2=1",
                "there is no `2` in `stages`; its elements are 0 to 1",
            ),
            ("stages = []", "stages.0=1", "there is no `0` in `stages`; it is empty"),
        ] {
            let message = refusal(text, argument).unwrap_or_default();
            assert!(message.ends_with(words), "{message}");
        }
    }
}
