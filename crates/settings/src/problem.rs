//! One problem of a file of settings, described so that it can be fixed immediately.

use std::fmt;
use std::sync::Arc;

use iot_protocol::shown;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

/// One problem, with its position.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What is wrong, beginning with the key where there is one.
    pub message: String,
    /// The accepted form, and what was probably meant.
    pub help: Vec<String>,
    /// The text that contains it: the file, or a `--set` argument.
    pub(crate) source: Arc<NamedSource<String>>,
    /// Where in that text.
    pub(crate) span: SourceSpan,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Problem {
    /// All of it in one line, without its position.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let mut line = self.message.clone();
        for help in &self.help {
            line.push_str("; ");
            line.push_str(help);
        }
        line
    }

    /// About a file as a whole.
    fn of_file(message: String, help: String) -> Self {
        Self {
            message: shown::text(&message).to_string(),
            help: vec![help],
            source: Arc::new(NamedSource::new("", String::new())),
            span: (0..0).into(),
        }
    }

    /// Its line, from 1, where there is a text.
    fn line(&self) -> Option<usize> {
        let text = self.source.inner().as_bytes();
        let before = &text[..self.span.offset()];
        (!text.is_empty()).then(|| before.iter().filter(|byte| **byte == b'\n').count() + 1)
    }
}

/// Settings that can't be used, with all their problems.
#[derive(Debug, Clone)]
pub struct Invalid {
    /// The file, or another name for the settings.
    pub name: String,
    /// What is wrong, in the order of the text.
    pub problems: Vec<Problem>,
}

impl Invalid {
    /// A problem of the settings as a whole; `accepted` is the accepted form.
    #[must_use]
    pub fn whole(name: &str, message: String, accepted: &str) -> Self {
        Self {
            name: name.into(),
            problems: vec![Problem::of_file(message, format!("accepted: {accepted}"))],
        }
    }

    /// The problems, one per line and without positions.
    #[must_use]
    pub fn lines(&self) -> String {
        let lines: Vec<_> = self.problems.iter().map(Problem::in_one_line).collect();
        lines.join("\n")
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = shown::text(&self.name);
        for (i, problem) in self.problems.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{name}:")?;
            if let Some(line) = problem.line() {
                write!(f, "{line}:")?;
            }
            write!(f, " {}", problem.in_one_line())?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(self.help.join("\n")) as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::underline(self.span))))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;
    use crate::reading::text;

    #[test]
    fn each_problem_is_a_line_with_its_place_and_what_would_be_right() {
        let written = "a = 1\n\n[b]\nnmae = \"x\"\n";
        let document = Document::parse("a file of tests", "t\n.toml", written, &[]).unwrap();
        let root = document.root();
        assert!(root.read("a", "a text", text).is_none());
        let inner = root.table("b").unwrap();
        assert!(inner.read_required("name", "a text", text).is_none());
        inner.finish();
        root.finish();
        let wrong = Invalid {
            name: "t\n.toml".into(),
            problems: document.problems.take(),
        };
        assert_eq!(
            wrong.to_string().lines().collect::<Vec<_>>(),
            [
                r"t\n.toml:1: `a` is an integer; accepted: a text",
                r"t\n.toml:3: `b.name` is missing; accepted: a text",
                r"t\n.toml:4: `b.nmae` is not a key of a file of tests; did you mean `name`?",
            ]
        );
        let missing = Invalid::whole("x.toml", "can't be read: gone".into(), "a file");
        assert_eq!(missing.to_string(), "x.toml: can't be read: gone; accepted: a file");
    }
}
