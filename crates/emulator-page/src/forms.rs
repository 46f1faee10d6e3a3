//! Forms that lead to another view: what they bring, files among it, and what is wrong with one of their fields.

use std::collections::BTreeMap;

use axum::extract::multipart::MultipartError;
use axum::extract::{Form, FromRequest, Multipart, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

/// What ends the name of the field that holds the text of a file.
const AS_TEXT: &str = "-text";

/// The content of a form's fields by their names.
#[derive(Debug, Default)]
pub(crate) struct Sent(BTreeMap<String, Vec<u8>>);

/// Why a form is refused, and which of its fields is to blame; none if it is the form as a whole.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) field: &'static str,
    pub(crate) text: String,
}

/// What a form shows: what was sent before, and what was wrong with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft<'a> {
    pub(crate) sent: &'a Sent,
    pub(crate) problem: Option<&'a Problem>,
}

/// What was done before a view is shown.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// What is reported to a person as done, by the word in the address.
const DONE: [(&str, &str); 16] = [
    (
        "group",
        "The group is made. It admits devices as soon as it has a verified certificate.",
    ),
    ("group-deleted", "The group is deleted."),
    ("enabled", "The group is enabled."),
    (
        "disabled",
        "The group is disabled: its devices are refused when they register.",
    ),
    (
        "unverified",
        "The certificate is saved. It is not verified yet, so it admits no device.",
    ),
    ("verified", "The certificate is verified: it admits devices."),
    ("code", "The verification code is below."),
    ("certificate-deleted", "The certificate is deleted."),
    (
        "device",
        "The device is made. It may connect as soon as it is enrolled.",
    ),
    ("device-deleted", "The device is deleted."),
    ("enrolled", "The individual enrollment is saved."),
    ("unenrolled", "The individual enrollment is deleted."),
    ("secondary-deleted", "The secondary certificate is deleted."),
    ("template", "The template is saved and published."),
    ("template-deleted", "The template is deleted."),
    ("token-deleted", "The API token is deleted: it opens nothing any more."),
];

impl Sent {
    /// The text of a field, without blanks around it; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        let bytes = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default().trim()
    }

    /// Whether a box was ticked.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What was uploaded, or else written into the field beside it.
    pub(crate) fn content(&self, name: &str) -> &[u8] {
        match self.0.get(name) {
            Some(file) if !file.is_empty() => file,
            _ => self.text(&format!("{name}{AS_TEXT}")).as_bytes(),
        }
    }

    /// The certificate of a field as the interface takes it; none if the field was left empty.
    pub(crate) fn certificate(&self, name: &'static str) -> Result<Option<String>, Problem> {
        let content = self.content(name);
        let refused = |text: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, name, text);
        if content.windows(KEY.len()).any(|part| part == KEY.as_bytes()) {
            return Err(refused(
                "There is a private key in it, which nobody needs but its owner. Upload the certificate alone.",
            ));
        }
        Ok((!content.is_empty()).then(|| BASE64_STANDARD.encode(content)))
    }

    /// The same where there has to be one.
    pub(crate) fn needed_certificate(&self, name: &'static str) -> Result<String, Problem> {
        let missing = || {
            let text = "Choose a file, or paste the text of the certificate.";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, name, text)
        };
        self.certificate(name)?.ok_or_else(missing)
    }
}

/// How each private key in PEM begins and ends.
const KEY: &str = "PRIVATE KEY-----";

impl Problem {
    pub(crate) fn new(status: StatusCode, field: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            field,
            text: text.into(),
        }
    }

    /// What the interface answered to the request that a field led to; nothing if it did as it was asked.
    pub(crate) fn of(field: &'static str, (status, reply): &(StatusCode, Value)) -> Result<(), Self> {
        if status.is_success() {
            return Ok(());
        }
        let message = reply["error"]["message"].as_str().unwrap_or("it gave no reason");
        Err(Self::new(*status, field, format!("That was refused: {message}.")))
    }

    /// The same after something that went well.
    pub(crate) fn after(self, done: &str) -> Self {
        let text = format!("{done} {}", self.text);
        Self { text, ..self }
    }

    fn unreadable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "", "The form can’t be read.")
    }

    fn unreadable_part(error: &MultipartError) -> Self {
        match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(error.status(), "", "What was sent is too large."),
            _ => Self::unreadable(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, self.text).into_response()
    }
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !has_files(request.headers()) {
            let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
            let Form(pairs) = form.map_err(|_| Problem::unreadable())?;
            return Ok(Self(
                pairs
                    .into_iter()
                    .map(|(name, text)| (name, text.into_bytes()))
                    .collect(),
            ));
        }
        let parts = Multipart::from_request(request, state).await;
        let mut parts = parts.map_err(|_| Problem::unreadable())?;
        let mut fields = BTreeMap::new();
        while let Some(part) = parts
            .next_field()
            .await
            .map_err(|error| Problem::unreadable_part(&error))?
        {
            let name = part.name().unwrap_or_default().to_owned();
            let content = part.bytes().await.map_err(|error| Problem::unreadable_part(&error))?;
            fields.insert(name, content.to_vec());
        }
        Ok(Self(fields))
    }
}

fn has_files(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("multipart/form-data"))
}

/// The way to a view after something was done, which stands there in words.
pub(crate) fn done(path: &str, word: &str) -> Response {
    Redirect::to(&format!("{path}?done={word}")).into_response()
}

impl Done {
    pub(crate) fn of(query: Result<Query<Self>, axum::extract::rejection::QueryRejection>) -> Self {
        query.map(|Query(done)| done).unwrap_or_default()
    }

    /// What was done, for the head of the view.
    pub(crate) fn notice(&self) -> Markup {
        let known = DONE.iter().find(|(word, _)| *word == self.done);
        html! { @if let Some((_, text)) = known { p.done role="status" { (text) } } }
    }
}

/// A field for a line of text.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) longest: usize,
    pub(crate) needed: bool,
}

impl Draft<'_> {
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
        let problem = self.problem.filter(|problem| problem.field == name);
        let id = if name.is_empty() { "form" } else { name };
        html! { @if let Some(problem) = problem { p.notice id={ (id) "-problem" } role="alert" { (problem.text) } } }
    }

    fn is_wrong(self, name: &str) -> bool {
        self.problem.is_some_and(|problem| problem.field == name)
    }
}

fn described(name: &str) -> String {
    format!("{name}-hint {name}-problem")
}

/// Asks before something is lost.
pub(crate) fn ask(id: &str, what: &str, action: &str, words: &Markup) -> Markup {
    html! {
        details.ask {
            summary id=(id) { (what) " …" }
            form method="post" action=(action) {
                p { (words) }
                button.danger id={ (id) "-now" } type="submit" { (what) }
            }
        }
    }
}

/// A text to be taken elsewhere, with a button for it where there are scripts.
pub(crate) fn copyable(id: &str, text: &str) -> Markup {
    html! {
        span.copyable {
            code id=(id) { (text) }
            button.plain type="button" data-copy=(id) aria-live="polite" { "Copy" }
        }
    }
}
