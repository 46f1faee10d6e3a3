//! What is around the content of every view.

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

use crate::Page;

/// Nothing of the page is for a cache.
const NO_STORE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Only what this server serves, and no script or style within a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Hubs that are named at the foot.
const HUBS: usize = 4;

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Not `no-referrer`, under which a browser would not show us that a form is our own.
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    NO_STORE,
];

pub(crate) async fn security_headers(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    secure(&mut answer);
    answer
}

/// Gives an answer the headers that each of the page has.
pub(crate) fn secure(answer: &mut Response) {
    answer.headers_mut().extend(HEADERS);
}

/// A view for a session. `live` is where its changes come from, if any do.
pub(crate) fn inside(page: &Page, title: &str, here: &str, live: Option<&str>, content: Markup) -> Markup {
    let views = [
        ("/", "Overview"),
        ("/groups", "Groups"),
        ("/devices", "Devices"),
        ("/templates", "Templates"),
        ("/tokens", "API tokens"),
        ("/journal", "Journal"),
        ("/faults", "Faults"),
    ];
    document(
        title,
        live,
        false,
        html! {
            header.bar {
                a.brand href="/" { img src="/assets/icon.svg" alt="" width="22" height="22"; span { "IoT emulator" } }
                nav aria-label="Views" {
                    @for (path, name) in views {
                        a href=(path) aria-current=[(path == here).then_some("page")] { (name) }
                    }
                }
                span.pulse id="pulse" role="status" { }
                form method="post" action="/sign-out" { button.plain type="submit" { "Sign out" } }
            }
            main { (content) }
            footer {
                @for hub in page.view.hubs().take(HUBS) { "Hub " strong { (hub) } " · " }
                "Id scope " strong { (page.view.id_scope()) }
                " · times are UTC · an emulator for tests, not Azure"
            }
        },
    )
}

/// A view without a session.
pub(crate) fn outside(title: &str, go_on: bool, content: Markup) -> Markup {
    document(
        title,
        None,
        go_on,
        html! {
            main.door {
                img src="/assets/icon.svg" alt="" width="40" height="40";
                h1 { "IoT emulator" }
                (content)
            }
        },
    )
}

fn document(title: &str, live: Option<&str>, go_on: bool, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if go_on { meta http-equiv="refresh" content="0; url=/"; }
                title { (title) " · IoT emulator" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/page.css";
                script src="/assets/live.js" defer { }
                script src="/assets/page.js" defer { }
            }
            body data-live=[live] data-over="not live: reload to sign in" { (content) }
        }
    }
}
