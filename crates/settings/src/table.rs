//! Small readers that take a table apart and note every problem on the way.
//!
//! A reader returns `None` for a value that is missing or wrong; a wrong one has then been noted. At the end
//! [`Table::finish`] notes every key that no reader asked for.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problems::Problems;

/// What is wrong with a value.
#[derive(Debug)]
pub enum Unreadable {
    /// Another type of TOML.
    Type,
    /// The right type, but not an accepted value; the rest of the sentence "`key`: …".
    Value(String),
}

impl From<String> for Unreadable {
    fn from(message: String) -> Self {
        Self::Value(message)
    }
}

/// A value that was read, with its place.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// What was read.
    pub value: T,
    /// Its position.
    pub span: Range<usize>,
    /// Its path, such as `group.0.devices`.
    pub key: String,
}

/// A value at a place that the document has chosen: an entry of a table whose keys are names, or an element of a list.
#[derive(Clone)]
pub struct Item<'a> {
    path: String,
    entry: &'a Spanned<DeValue<'a>>,
    problems: &'a Problems,
}

impl<'a> Item<'a> {
    /// Its path, such as `group.0.devices`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &'a DeValue<'a> {
        self.entry.get_ref()
    }

    /// The value, if `read` accepts it; `accepted` is the accepted form.
    pub fn read<T>(self, accepted: &str, read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Unreadable>) -> Option<At<T>> {
        match read(self.value()) {
            Ok(value) => {
                return Some(At {
                    value,
                    span: self.entry.span(),
                    key: self.path,
                });
            }
            Err(Unreadable::Type) => self.wrong_type(accepted),
            Err(Unreadable::Value(what)) => {
                let help = vec![format!("accepted: {accepted}")];
                self.problem(format!("`{}`: {what}", self.path), help);
            }
        }
        None
    }

    /// The elements, if it is a list; `form` is the accepted form.
    #[must_use]
    pub fn elements(&self, form: &str) -> Option<Vec<Self>> {
        let Some(array) = self.value().as_array() else {
            self.wrong_type(form);
            return None;
        };
        let element = |(i, entry)| Self {
            path: format!("{}.{i}", self.path),
            entry,
            problems: self.problems,
        };
        Some(array.iter().enumerate().map(element).collect())
    }

    /// The table, if it is one; `form` is the accepted form.
    #[must_use]
    pub fn table(self, form: &str) -> Option<Table<'a>> {
        let Some(entries) = self.value().as_table() else {
            self.wrong_type(form);
            return None;
        };
        Some(Table {
            span: self.entry.span(),
            path: self.path,
            ..Table::root(entries, self.problems)
        })
    }

    /// Notes that it is of another type than the accepted form.
    fn wrong_type(&self, form: &str) {
        let article = match self.value() {
            DeValue::Integer(_) | DeValue::Array(_) => "an",
            _ => "a",
        };
        let message = format!("`{}` is {article} {}", self.path, self.value().type_str());
        self.problem(message, vec![format!("accepted: {form}")]);
    }

    /// Notes a problem of the value.
    pub fn problem(&self, message: String, help: Vec<String>) {
        self.problems.push(self.entry.span(), message, help);
    }
}

/// The name among `names` that `name` was probably meant to be, if one is near.
#[must_use]
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= known.len().max(name.len()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// A table that is being read.
pub struct Table<'a> {
    entries: &'a DeTable<'a>,
    span: Range<usize>,
    path: String,
    problems: &'a Problems,
    /// The keys that a reader has asked for, and those that will be accepted in the future.
    known: RefCell<Vec<&'static str>>,
    refused: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(crate) fn root(entries: &'a DeTable<'a>, problems: &'a Problems) -> Self {
        Self {
            entries,
            span: 0..0,
            path: String::new(),
            problems,
            known: RefCell::default(),
            refused: RefCell::default(),
        }
    }

    /// The value at `key`, if it is there and `read` accepts it; `accepted` is the accepted form.
    pub fn read<T>(
        &self,
        key: &'static str,
        accepted: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Unreadable>,
    ) -> Option<At<T>> {
        self.entry(key)?.read(accepted, read)
    }

    /// The value at `key`, which has to be there.
    pub fn read_required<T>(
        &self,
        key: &'static str,
        accepted: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Unreadable>,
    ) -> Option<At<T>> {
        self.require(key, accepted)?;
        self.read(key, accepted, read)
    }

    /// Every element of the array at `key`; `None` when the key is missing or something in it is wrong.
    pub fn read_list<T>(
        &self,
        key: &'static str,
        accepted: &str,
        accepted_element: &str,
        read: impl Fn(&'a DeValue<'a>) -> Result<T, Unreadable>,
    ) -> Option<At<Vec<At<T>>>> {
        let list = self.entry(key)?;
        let elements = list.elements(accepted)?;
        let elements: Vec<_> = elements
            .into_iter()
            .map(|element| element.read(accepted_element, &read))
            .collect();
        Some(At {
            value: elements.into_iter().collect::<Option<_>>()?,
            span: list.entry.span(),
            key: list.path,
        })
    }

    /// The table at `key`.
    #[must_use]
    pub fn table(&self, key: &'static str) -> Option<Table<'a>> {
        self.entry(key)?.table("a table")
    }

    /// The table at `key`, which may be missing; a value of another type is reported without being shown.
    #[must_use]
    pub fn table_of_form(&self, key: &'static str, form: &str) -> Option<Table<'a>> {
        self.entry(key)?.table(form)
    }

    /// The table at `key`, which has to be there.
    #[must_use]
    pub fn required_table(&self, key: &'static str, form: &str) -> Option<Table<'a>> {
        self.require(key, form)?;
        self.entry(key)?.table(form)
    }

    /// The tables of the array at `key`, which is written `[[key]]`.
    #[must_use]
    pub fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let list = self.entry(key);
        let elements = list.and_then(|list| list.elements(&format!("one table [[{key}]] or several")));
        let elements = elements.into_iter().flatten();
        elements.filter_map(|element| element.table("a table")).collect()
    }

    /// All entries of a table whose keys are names, each with its key and the key's position, in the order of the text.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'a str, Range<usize>, Item<'a>)> {
        let mut entries: Vec<_> = self
            .entries
            .iter()
            .map(|(key, entry)| (&**key.get_ref(), key.span(), self.item(key.get_ref(), entry)))
            .collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Refuses keys that belong to an alternative that was not chosen.
    pub fn out_of_place(&self, keys: &[&'static str], reason: &str) {
        for key in keys {
            self.refused.borrow_mut().push(key);
            if let Some((name, _)) = self.entries.get_key_value(*key) {
                self.problems
                    .push(name.span(), format!("`{}` {reason}", self.path_of(key)), Vec::new());
            }
        }
    }

    /// Notes a problem of the table as a whole.
    pub fn problem(&self, message: String, help: &str) {
        self.problems.push(self.span.clone(), message, vec![help.to_owned()]);
    }

    /// The path of the table itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The table's position.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Notes every key that no reader asked for.
    pub fn finish(self) {
        let kind = self.problems.kind;
        self.finish_as(kind);
    }

    /// The same for a table that is a `kind` of its own, such as "a threshold".
    pub fn finish_as(self, kind: &str) {
        let (known, refused) = (self.known.into_inner(), self.refused.into_inner());
        for (key, _) in self.entries {
            let name: &str = key.get_ref();
            if known.contains(&name) || refused.contains(&name) {
                continue;
            }
            let path = join(&self.path, name);
            let help = match nearest(name, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("accepted: {}", known.join(", ")),
            };
            self.problems
                .push(key.span(), format!("`{path}` is not a key of {kind}"), vec![help]);
        }
    }

    /// The value at `key`, whatever its type.
    #[must_use]
    pub fn entry(&self, key: &'static str) -> Option<Item<'a>> {
        self.accept(key);
        self.entries.get(key).map(|entry| self.item(key, entry))
    }

    fn accept(&self, key: &'static str) {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
    }

    fn item(&self, key: &str, entry: &'a Spanned<DeValue<'a>>) -> Item<'a> {
        Item {
            path: self.path_of(key),
            entry,
            problems: self.problems,
        }
    }

    fn require(&self, key: &'static str, form: &str) -> Option<()> {
        if self.has(key) {
            return Some(());
        }
        self.accept(key);
        self.problem(
            format!("`{}` is missing", self.path_of(key)),
            &format!("accepted: {form}"),
        );
        None
    }

    fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
