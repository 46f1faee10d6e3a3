//! What is wrong with a model, or is left out of it, and where.

use std::fmt;

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The document, as its reader calls it: a file, or a template of an application.
    pub source: String,
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
}

/// Something that is wrong, or left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and what is accepted.
    pub message: String,
}

/// Everything that is wrong with a model: one problem at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Place {
    /// The whole of a document.
    pub(crate) fn top(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            pointer: String::new(),
        }
    }

    /// A member of the object, or an element of the array, that is at this place.
    pub(crate) fn at(&self, step: impl fmt::Display) -> Self {
        let step = step.to_string().replace('~', "~0").replace('/', "~1");
        Self {
            source: self.source.clone(),
            pointer: format!("{}/{step}", self.pointer),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        match self.pointer.as_str() {
            "" => Ok(()),
            pointer => write!(f, "#{pointer}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl Problems {
    /// `None` where there is nothing wrong.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Option<Self> {
        // What is used in several places is wrong once.
        let mut seen = std::collections::BTreeSet::new();
        problems.retain(|problem| seen.insert(problem.clone()));
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// Each of them, in the order of the model.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The end of a message: what was probably meant.
pub(crate) fn meant<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    settings::nearest(name, names)
        .map(|nearest| format!("; did you mean `{nearest}`?"))
        .unwrap_or_default()
}
