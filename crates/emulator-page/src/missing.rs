//! What is not there.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::{Page, layout};

/// Answers for a path that nothing serves: with a view for a person, and otherwise as the REST interface does.
pub(crate) async fn path(State(page): State<Page>, request: Request) -> Response {
    if !page.is_signed_in(request.headers()) {
        return page.listener.unknown(request).await;
    }
    let content = html! {
        h1 { "There is no such page" }
        p { "Nothing is at " code { (request.uri().path()) } "." }
        p { a href="/" { "Overview" } }
    };
    let content = layout::inside(&page, "No such page", "", None, content);
    let mut answer = (StatusCode::NOT_FOUND, content).into_response();
    layout::secure(&mut answer);
    answer
}

/// A view that says that the application has no such thing, with a link to all there are.
pub(crate) fn thing(page: &Page, what: &str, id: &str, list: &str, all: &str) -> Response {
    let title = format!("No such {what}");
    let content = html! {
        h1 { (title) }
        p { "The application has no " (what) " " code { (id) } "." }
        p { a href=(list) { (all) } }
    };
    let content = layout::inside(page, &title, list, None, content);
    (StatusCode::NOT_FOUND, content).into_response()
}
