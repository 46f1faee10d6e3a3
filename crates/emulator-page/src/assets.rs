//! What the page is drawn with. It holds no secret, and the sign-in form needs it.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

use crate::Page;

pub(crate) fn router() -> Router<Page> {
    let file = |kind: &'static str, content: &'static str| get(async move || ([(CONTENT_TYPE, kind)], content));
    Router::new()
        .route(
            "/assets/page.css",
            file("text/css; charset=utf-8", include_str!("assets/page.css")),
        )
        .route(
            "/assets/live.js",
            file("text/javascript; charset=utf-8", live_page::SCRIPT),
        )
        .route(
            "/assets/page.js",
            file("text/javascript; charset=utf-8", include_str!("assets/page.js")),
        )
        .route(
            "/assets/icon.svg",
            file("image/svg+xml", include_str!("assets/icon.svg")),
        )
}
