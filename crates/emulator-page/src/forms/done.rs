//! What was done, in words, on the view that a form leads to.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

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

/// The way to a view after something was done, which stands there in words.
pub(crate) fn done(path: &str, word: &str) -> Response {
    Redirect::to(&format!("{path}?done={word}")).into_response()
}

impl Done {
    pub(crate) fn of(query: Result<Query<Self>, QueryRejection>) -> Self {
        query.map(|Query(done)| done).unwrap_or_default()
    }

    /// What was done, for the head of the view.
    pub(crate) fn notice(&self) -> Markup {
        let known = DONE.iter().find(|(word, _)| *word == self.done);
        html! { @if let Some((_, text)) = known { p.done role="status" { (text) } } }
    }
}
