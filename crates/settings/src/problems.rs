//! All problems of a document, and the texts that contain them.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use iot_protocol::shown;
use miette::NamedSource;

use crate::problem::Problem;

/// The problems of a document, collected while it is read.
pub struct Problems {
    /// What kind of file it is, such as "a manifest".
    pub(crate) kind: &'static str,
    texts: Vec<Text>,
    found: RefCell<Vec<(Range<usize>, Problem)>>,
}

struct Text {
    begin: usize,
    length: usize,
    source: Arc<NamedSource<String>>,
}

/// As many stars as there are bytes, in as many lines.
fn stars(secret: &str) -> String {
    let star = |byte| if byte == b'\n' { '\n' } else { '*' };
    secret.bytes().map(star).collect()
}

/// The text without terminal control characters. Positions in it are counted in bytes, so each byte becomes one byte.
fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let ends_line = c == '\r' && chars.peek() == Some(&'\n');
        if !c.is_control() || ends_line || matches!(c, '\n' | '\t') {
            tamed.push(c);
        } else {
            tamed.extend(std::iter::repeat_n('?', c.len_utf8()));
        }
    }
    tamed
}

impl Text {
    fn new(begin: usize, name: &str, text: &str) -> Self {
        Self {
            begin,
            length: text.len(),
            source: Arc::new(NamedSource::new(shown::text(name).to_string(), tame(text))),
        }
    }
}

impl Problems {
    pub(crate) fn new(kind: &'static str, name: &str, text: &str) -> Self {
        Self {
            kind,
            texts: vec![Text::new(0, name, text)],
            found: RefCell::default(),
        }
    }

    /// Adds another text after the last one, and returns where it begins.
    pub(crate) fn add_text(&mut self, name: &str, text: &str) -> usize {
        // One byte between the texts, so that an end and a beginning are never the same number.
        let begin = self.texts.last().map_or(0, |last| last.begin + last.length + 1);
        self.texts.push(Text::new(begin, name, text));
        begin
    }

    /// Replaces the text at `span` with stars wherever problems show it.
    pub(crate) fn hide(&mut self, span: Range<usize>) {
        for text in &mut self.texts {
            let (begin, end) = (text.begin, text.begin + text.length);
            if (begin..=end).contains(&span.start) && span.end <= end {
                let mut shown = text.source.inner().clone();
                let hidden = span.start - begin..span.end - begin;
                shown.replace_range(hidden.clone(), &stars(&shown[hidden]));
                text.source = Arc::new(NamedSource::new(text.source.name(), shown));
            }
        }
    }

    /// For example the text of a key in place of its path, or a token in a comment.
    pub(crate) fn hide_what_looks_secret(&mut self) {
        let spans = |text: &Text| {
            shown::secrets(text.source.inner())
                .into_iter()
                .map(|at| (text.begin, at))
                .collect()
        };
        let spans: Vec<(usize, Range<usize>)> = self.texts.iter().flat_map(|text| -> Vec<_> { spans(text) }).collect();
        for (begin, at) in spans {
            self.hide(begin + at.start..begin + at.end);
        }
    }

    /// Notes a problem at a position in the document.
    pub fn push(&self, span: Range<usize>, message: String, help: Vec<String>) {
        let text = self
            .texts
            .iter()
            .rev()
            .find(|text| text.begin <= span.start)
            .expect("the first text begins at 0");
        let begin = (span.start - text.begin).min(text.length);
        let end = (span.end - text.begin).clamp(begin, text.length);
        let problem = Problem {
            message: shown::text(&message).to_string(),
            help: help.iter().map(|help| shown::lines(help).to_string()).collect(),
            source: Arc::clone(&text.source),
            span: (begin..end).into(),
        };
        self.found.borrow_mut().push((span, problem));
    }

    /// Everything that was found, in the order of the text.
    #[must_use]
    pub fn take(&self) -> Vec<Problem> {
        let mut found = self.found.take();
        found.sort_by_key(|(span, _)| span.start);
        found.into_iter().map(|(_, problem)| problem).collect()
    }
}
