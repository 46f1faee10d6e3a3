//! The fields of a form, with what was sent in them and what was wrong with it.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{AS_TEXT, Problem, Sent};

static NOTHING: Sent = Sent(BTreeMap::new());

/// What a form shows: what was sent before, and what was wrong with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft<'a> {
    sent: &'a Sent,
    problem: Option<&'a Problem>,
}

/// A field for a line of text.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) longest: usize,
    pub(crate) needed: bool,
}

impl Draft<'static> {
    /// A form that was not sent yet.
    pub(crate) const EMPTY: Self = Self {
        sent: &NOTHING,
        problem: None,
    };
}

impl<'a> Draft<'a> {
    pub(super) fn refused(sent: &'a Sent, problem: &'a Problem) -> Self {
        Self {
            sent,
            problem: Some(problem),
        }
    }

    /// A form that shows what was wrong, and nothing of what was sent.
    pub(crate) fn without_content(problem: Option<&'a Problem>) -> Self {
        Self {
            problem,
            ..Draft::EMPTY
        }
    }
}

impl Draft<'_> {
    /// Whether this is what was sent in a field.
    pub(crate) fn is(self, name: &str, text: &str) -> bool {
        self.sent.text(name) == text
    }

    /// Whether a box was ticked.
    pub(crate) fn has(self, name: &str) -> bool {
        self.sent.has(name)
    }

    pub(crate) fn line(self, line: &Line) -> Markup {
        let Line {
            name,
            label,
            hint,
            longest,
            needed,
        } = *line;
        html! {
            div.field {
                label for=(name) { (label) }
                input id=(name) name=(name) type="text" value=(self.sent.text(name)) maxlength=(longest) required[needed]
                    autocapitalize="off" spellcheck="false" autocomplete="off" autofocus[self.is_wrong(name)]
                    aria-invalid=[self.is_wrong(name).then_some("true")] aria-describedby=(described(name));
                p.hint id={ (name) "-hint" } { (hint) }
                (self.problem_of(name))
            }
        }
    }

    /// A field for a certificate, as a file or as a text. What was sent is not shown again: it may have been a key.
    pub(crate) fn certificate(self, name: &'static str, label: &str) -> Markup {
        html! {
            fieldset.field {
                legend { (label) }
                (self.file(name, ".pem,.crt,.cer,.der,application/x-x509-ca-cert"))
                label for={ (name) (AS_TEXT) } { "or its text" }
                textarea id={ (name) (AS_TEXT) } name={ (name) (AS_TEXT) } rows="3" spellcheck="false" autocapitalize="off"
                    placeholder="-----BEGIN CERTIFICATE-----" {}
                (self.problem_of(name))
            }
        }
    }

    /// A field for JSON, as a file or as a text.
    pub(crate) fn json(self, name: &'static str, label: &str) -> Markup {
        let text = format!("{name}{AS_TEXT}");
        html! {
            fieldset.field {
                legend { (label) }
                (self.file(name, ".json,application/json"))
                label for=(text) { "or its text" }
                // The first line break in it is not the text's.
                textarea id=(text) name=(text) rows="12" spellcheck="false" autocapitalize="off" { "\n" (self.sent.text(&text)) }
                (self.problem_of(name))
            }
        }
    }

    fn file(self, name: &str, kinds: &str) -> Markup {
        html! {
            label for=(name) { "File" }
            input id=(name) name=(name) type="file" accept=(kinds) autofocus[self.is_wrong(name)]
                aria-invalid=[self.is_wrong(name).then_some("true")] aria-describedby={ (name) "-problem" };
        }
    }

    /// What is wrong with a field, or with the form as a whole.
    pub(crate) fn problem_of(self, name: &str) -> Markup {
        let problem = self.problem.filter(|_| self.is_wrong(name));
        let id = if name.is_empty() { "form" } else { name };
        html! { @if let Some(problem) = problem { p.notice id={ (id) "-problem" } role="alert" { (problem.text) } } }
    }

    pub(crate) fn is_wrong(self, name: &str) -> bool {
        self.problem.is_some_and(|problem| problem.field == name)
    }
}

fn described(name: &str) -> String {
    format!("{name}-hint {name}-problem")
}
