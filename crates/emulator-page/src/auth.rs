//! The way in and out, and who is turned away.

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, Request, State};
use axum::http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{Page, layout};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[derive(Deserialize)]
pub(crate) struct Link {
    code: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    #[serde(default)]
    token: String,
}

/// Stops requests without a session, and asks for one instead.
pub(crate) async fn signed_in(State(page): State<Page>, request: Request, next: Next) -> Response {
    if page.is_signed_in(request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, form(None)).into_response()
}

/// Refuses forms that another site made a browser send. A browser names the origin of a form.
pub(crate) async fn own_forms_only(State(page): State<Page>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD)
        || comes_from_here(request.headers(), page.listener.scheme())
    {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "the request does not come from this page\n").into_response()
}

fn comes_from_here(headers: &HeaderMap, scheme: &str) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(SEC_FETCH_SITE), text(ORIGIN), text(HOST)) {
        (Some(site), ..) => site == "same-origin",
        (None, Some(origin), Some(host)) => {
            origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) == Some(host)
        }
        (None, ..) => false,
    }
}

/// Shows the form, or follows a one-time link.
pub(crate) async fn ask(
    State(page): State<Page>,
    method: Method,
    link: Result<Query<Link>, QueryRejection>,
) -> Response {
    let code = link.ok().and_then(|Query(link)| link.code);
    // What previews a link asks with HEAD, and must not use it up.
    let Some(code) = code.filter(|_| method == Method::GET) else {
        return form(None).into_response();
    };
    match page.listener.sign_in().exchange(&code, Instant::now()) {
        Some(session) => page.welcome(&session),
        None => refused(
            "This link has been used, or its ten minutes are over. A new one comes with the next start, or for the API token.",
        ),
    }
}

/// Opens a session for the holder of the API token.
pub(crate) async fn sign_in(
    State(page): State<Page>,
    credentials: Result<Form<Credentials>, FormRejection>,
) -> Response {
    let given = credentials
        .map(|Form(credentials)| credentials.token)
        .unwrap_or_default();
    let now = Instant::now();
    if !page.listener.sign_in().may_try(now) {
        let notice = "There were too many wrong tokens. Try again in a minute; a link still lets you in.";
        return (StatusCode::TOO_MANY_REQUESTS, form(Some(notice))).into_response();
    }
    if page.listener.is_api_token(given.trim().as_bytes()) {
        let session = page.listener.sign_in().begin(now);
        return page.welcome(&session);
    }
    page.listener.sign_in().failed(now);
    refused("That is not the API token of this emulator.")
}

pub(crate) async fn sign_out(State(page): State<Page>, headers: HeaderMap) -> Response {
    if let Some(session) = page.session(&headers) {
        page.listener.sign_in().end(session, Instant::now());
    }
    let content = form(Some("You are signed out."));
    (page.cookie("", "; Max-Age=0"), content).into_response()
}

impl Page {
    pub(crate) fn is_signed_in(&self, headers: &HeaderMap) -> bool {
        let session = self.session(headers);
        session.is_some_and(|session| self.listener.sign_in().is_session(session, Instant::now()))
    }

    /// What the browser brings as its session.
    pub(crate) fn session<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.cookie_name();
        let cookies = headers.get_all(COOKIE).into_iter();
        let mut pairs = cookies
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Browsers keep cookies by host and not by port, and a machine may have several emulators.
    fn cookie_name(&self) -> String {
        format!("iot-emulator-{}", self.listener.port())
    }

    fn cookie(&self, value: &str, more: &str) -> [(HeaderName, String); 1] {
        let secure = if self.listener.scheme() == "https" {
            "; Secure"
        } else {
            ""
        };
        let name = self.cookie_name();
        [(
            SET_COOKIE,
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}"),
        )]
    }

    /// Hands out a session. The way on is a link of this page and not a redirection: to a browser that came from
    /// elsewhere, a redirection is a part of that journey, on which it does not show the cookie.
    fn welcome(&self, session: &str) -> Response {
        let content = layout::outside(
            "Signed in",
            true,
            html! {
                p role="status" { "You are signed in." }
                p { a href="/" { "Go on" } }
            },
        );
        (self.cookie(session, ""), content).into_response()
    }
}

fn refused(why: &str) -> Response {
    (StatusCode::UNAUTHORIZED, form(Some(why))).into_response()
}

fn form(notice: Option<&str>) -> Markup {
    layout::outside(
        "Sign in",
        false,
        html! {
            @if let Some(notice) = notice { p.notice role="alert" { (notice) } }
            form method="post" action="/sign-in" {
                label for="token" { "API token" }
                input #token name="token" type="password" autocomplete="off" required autofocus;
                button type="submit" { "Sign in" }
            }
            p.quiet {
                "The program that started the emulator printed a link that needs no token. The token is in the file "
                code { "api_token" } " of the emulator’s state folder."
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_distinguished_from_our_own() {
        let from = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        axum::http::HeaderValue::from_static(value),
                    )
                })
                .collect();
            comes_from_here(&headers, "http")
        };
        assert!(from(&[("sec-fetch-site", "same-origin")]));
        assert!(from(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]));
        for foreign in [
            &[][..],
            &[("host", "127.0.0.1:8080")],
            &[("sec-fetch-site", "cross-site")],
            // The same machine at another port is the same site, and not us.
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://127.0.0.1:9090"), ("host", "127.0.0.1:8080")],
            &[("origin", "https://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
            &[("origin", "null"), ("host", "127.0.0.1:8080")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://127.0.0.1:8080"),
                ("host", "127.0.0.1:8080"),
            ],
        ] {
            assert!(!from(foreign), "{foreign:?}");
        }
    }
}
