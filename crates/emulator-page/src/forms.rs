//! Forms that lead to another view: what they bring, files among it, and what is wrong with one of their fields.

use std::collections::BTreeMap;

use axum::extract::multipart::MultipartError;
use axum::extract::{Form, FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{Markup, html};
use serde_json::Value;

use crate::api_client::reason;

mod done;
mod draft;

pub(crate) use done::{Done, done};
pub(crate) use draft::{Draft, Line};

/// What a person reads of a form that is none.
pub(crate) const UNREADABLE: &str = "The form can’t be read.";

/// What ends the name of the field that holds the text of a file.
const AS_TEXT: &str = "-text";

/// The content of a form's fields by their names.
#[derive(Debug, Default)]
pub(crate) struct Sent(BTreeMap<String, Vec<u8>>);

/// Why a form is refused, and which of its fields is to blame; none if it is the form as a whole.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    field: &'static str,
    text: String,
}

/// Does what a form asks for, or shows the form again with what was sent and what was wrong with it.
pub(crate) async fn submit(
    sent: Result<Sent, Problem>,
    act: impl AsyncFnOnce(&Sent) -> Result<Response, Problem>,
    again: impl AsyncFnOnce(Draft<'_>) -> Markup,
) -> Response {
    let (sent, outcome) = match sent {
        Ok(sent) => {
            let outcome = act(&sent).await;
            (sent, outcome)
        }
        Err(problem) => (Sent::default(), Err(problem)),
    };
    match outcome {
        Ok(response) => response,
        Err(problem) => (problem.status, again(Draft::refused(&sent, &problem)).await).into_response(),
    }
}

impl Sent {
    /// The text of a field, without blanks around it; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        let bytes = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default().trim()
    }

    /// The same where there has to be one; or else `missing`, the words about it.
    pub(crate) fn needed_text(&self, name: &'static str, missing: &str) -> Result<&str, Problem> {
        match self.text(name) {
            "" => Err(Problem::wrong(name, missing)),
            text => Ok(text),
        }
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
        if content.windows(KEY.len()).any(|part| part == KEY.as_bytes()) {
            let text = "There is a private key in it, which nobody needs but its owner. Upload the certificate alone.";
            return Err(Problem::wrong(name, text));
        }
        Ok((!content.is_empty()).then(|| BASE64_STANDARD.encode(content)))
    }

    /// The same where there has to be one.
    pub(crate) fn needed_certificate(&self, name: &'static str) -> Result<String, Problem> {
        self.certificate(name)?.ok_or_else(|| Problem::no_certificate(name))
    }
}

/// How each private key in PEM begins and ends.
const KEY: &str = "PRIVATE KEY-----";

impl Problem {
    fn new(status: StatusCode, field: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            field,
            text: text.into(),
        }
    }

    /// The content of a field is not what the form takes.
    pub(crate) fn wrong(field: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, field, text)
    }

    /// There is such a thing already, and the PUT of a form would write over it.
    pub(crate) fn taken(field: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, field, text)
    }

    pub(crate) fn no_certificate(field: &'static str) -> Self {
        Self::wrong(field, "Choose a file, or paste the text of the certificate.")
    }

    /// What the interface answered to the request that a field led to; nothing if it did as it was asked.
    pub(crate) fn of(field: &'static str, (status, reply): &(StatusCode, Value)) -> Result<(), Self> {
        if status.is_success() {
            return Ok(());
        }
        Err(Self::new(
            *status,
            field,
            format!("That was refused: {}.", reason(reply)),
        ))
    }

    /// The same after something that went well.
    pub(crate) fn after(self, done: &str) -> Self {
        let text = format!("{done} {}", self.text);
        Self { text, ..self }
    }

    /// For the head of a view without such a form.
    pub(crate) fn notice(&self) -> Markup {
        html! { p.notice role="alert" { (self.text) } }
    }

    fn unreadable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "", UNREADABLE)
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
