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
        let entry = self.entry(key)?;
        self.take(self.path_of(key), entry, accepted, read)
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
        let entry = self.entry(key)?;
        let path = self.path_of(key);
        let Some(array) = entry.get_ref().as_array() else {
            self.wrong_type(&path, entry, accepted);
            return None;
        };
        let elements: Vec<_> = array
            .iter()
            .enumerate()
            .map(|(i, element)| self.take(format!("{path}.{i}"), element, accepted_element, &read))
            .collect();
        Some(At {
            value: elements.into_iter().collect::<Option<_>>()?,
            span: entry.span(),
            key: path,
        })
    }

    /// The table at `key`.
    #[must_use]
    pub fn table(&self, key: &'static str) -> Option<Table<'a>> {
        let entry = self.entry(key)?;
        self.inner(self.path_of(key), entry, "a table")
    }

    /// The table at `key`, which may be missing; a value of another type is reported without being shown.
    #[must_use]
    pub fn table_of_form(&self, key: &'static str, form: &str) -> Option<Table<'a>> {
        let entry = self.entry(key)?;
        self.inner(self.path_of(key), entry, form)
    }

    /// The table at `key`, which has to be there.
    #[must_use]
    pub fn required_table(&self, key: &'static str, form: &str) -> Option<Table<'a>> {
        self.require(key, form)?;
        let entry = self.entry(key)?;
        self.inner(self.path_of(key), entry, form)
    }

    /// The tables of the array at `key`, which is written `[[key]]`.
    #[must_use]
    pub fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let path = self.path_of(key);
        let Some(array) = entry.get_ref().as_array() else {
            self.wrong_type(&path, entry, &format!("one table [[{key}]] or several"));
            return Vec::new();
        };
        array
            .iter()
            .enumerate()
            .filter_map(|(i, element)| self.inner(format!("{path}.{i}"), element, "a table"))
            .collect()
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
        let (known, refused) = (self.known.into_inner(), self.refused.into_inner());
        for (key, _) in self.entries {
            let name: &str = key.get_ref();
            if known.contains(&name) || refused.contains(&name) {
                continue;
            }
            let path = join(&self.path, name);
            let nearest = known
                .iter()
                .map(|known| (strsim::damerau_levenshtein(name, known), known))
                .filter(|(distance, known)| *distance <= known.len().max(name.len()).div_ceil(3))
                .min_by_key(|(distance, _)| *distance);
            let help = match nearest {
                Some((_, nearest)) => format!("did you mean `{nearest}`?"),
                None => format!("accepted: {}", known.join(", ")),
            };
            self.problems.push(
                key.span(),
                format!("`{path}` is not a key of {}", self.problems.kind),
                vec![help],
            );
        }
    }

    fn entry(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.entries.get(key)
    }

    fn require(&self, key: &'static str, form: &str) -> Option<()> {
        if self.has(key) {
            return Some(());
        }
        self.entry(key);
        self.problem(
            format!("`{}` is missing", self.path_of(key)),
            &format!("accepted: {form}"),
        );
        None
    }

    fn take<T>(
        &self,
        path: String,
        entry: &'a Spanned<DeValue<'a>>,
        accepted: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Unreadable>,
    ) -> Option<At<T>> {
        match read(entry.get_ref()) {
            Ok(value) => {
                return Some(At {
                    value,
                    span: entry.span(),
                    key: path,
                });
            }
            Err(Unreadable::Type) => self.wrong_type(&path, entry, accepted),
            Err(Unreadable::Value(what)) => {
                let help = vec![format!("accepted: {accepted}")];
                self.problems.push(entry.span(), format!("`{path}`: {what}"), help);
            }
        }
        None
    }

    fn inner(&self, path: String, entry: &'a Spanned<DeValue<'a>>, form: &str) -> Option<Table<'a>> {
        let Some(entries) = entry.get_ref().as_table() else {
            self.wrong_type(&path, entry, form);
            return None;
        };
        Some(Table {
            entries,
            span: entry.span(),
            path,
            problems: self.problems,
            known: RefCell::default(),
            refused: RefCell::default(),
        })
    }

    fn wrong_type(&self, path: &str, entry: &Spanned<DeValue<'_>>, form: &str) {
        let article = match entry.get_ref() {
            DeValue::Integer(_) | DeValue::Array(_) => "an",
            _ => "a",
        };
        let found = entry.get_ref().type_str();
        self.problems.push(
            entry.span(),
            format!("`{path}` is {article} {found}"),
            vec![format!("accepted: {form}")],
        );
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
