//! The page of a live run: its report as it is so far, in a browser, and the final one in its place at the end.
//!
//! The report is made when a reader asks for it, at most once a second for all of them together.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use fleet_report::html::{self, LiveLinks, Part};
use fleet_report::report::{Circumstances, Report};
use live_page::{Fragment, Look, Places, Source};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::exit::Failure;
use crate::http::{Address, Bounds, Listener, Server};
use crate::standing::Viewer;

/// Figures come each second.
const EVERY: Duration = Duration::from_secs(1);

const LINKS: LiveLinks = LiveLinks {
    script: "/live.js",
    changes: "/live",
};

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Views of a run, each with its stream, and as many requests beside them.
const BOUNDS: Bounds = Bounds {
    connections: 128,
    within: None,
};

/// Where the page is to be, if anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Off,
    At(Address),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::At).map_err(|error: String| error + ", or off"),
        }
    }
}

impl Place {
    /// Takes the port, if there is to be a page.
    ///
    /// # Errors
    ///
    /// It can't be taken.
    pub(crate) async fn listen(self) -> Result<Option<Listener>, Failure> {
        match self {
            Self::Off => Ok(None),
            Self::At(address) => Listener::bind("--web", address).await.map(Some),
        }
    }
}

/// The page while its run lasts.
#[derive(Debug)]
pub(crate) struct Web {
    page: Page,
    server: Server,
}

#[derive(Debug, Clone)]
struct Page(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    viewer: Viewer,
    circumstances: Circumstances,
    places: Places,
    latest: Mutex<Option<Latest>>,
    /// How the page stays when the run is over.
    last: watch::Sender<Option<Arc<[Fragment]>>>,
}

/// The last look, for all readers.
#[derive(Debug, Clone)]
struct Latest {
    at: Instant,
    page: Arc<str>,
    fragments: Arc<[Fragment]>,
}

impl Web {
    /// Serves the page. `circumstances` are those of the run from its beginning.
    pub(crate) fn start(listener: Listener, viewer: Viewer, circumstances: Circumstances) -> Self {
        let page = Page(Arc::new(Shared {
            viewer,
            circumstances,
            places: Places::default(),
            latest: Mutex::new(None),
            last: watch::Sender::new(None),
        }));
        let script = || async { ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], live_page::SCRIPT) };
        let router = Router::new()
            .route("/", get(show))
            .route(LINKS.changes, get(changes))
            .route(LINKS.script, get(script))
            .with_state(page.clone())
            .layer(axum::middleware::map_response(async |mut response: Response| {
                response.headers_mut().extend(HEADERS);
                response
            }));
        let server = listener.serve(router, BOUNDS);
        Self { page, server }
    }

    /// Puts the final report into the place of the live one, and ends.
    pub(crate) async fn end(self, report: &Report) {
        let last = fragments(html::parts(report, None));
        self.page.0.last.send_replace(Some(last));
        self.server.end().await;
    }
}

fn fragments(parts: Vec<Part>) -> Arc<[Fragment]> {
    let fragment = |Part { id, content }| Fragment::new(id, content);
    parts.into_iter().map(fragment).collect()
}

impl Page {
    /// How the run is, or was when its devices stopped; nothing before the first line of its processes.
    async fn latest(&self) -> Option<Latest> {
        let Shared {
            viewer,
            circumstances,
            latest,
            ..
        } = &*self.0;
        let mut latest = latest.lock().await;
        if latest.as_ref().is_some_and(|latest| latest.at.elapsed() < EVERY) {
            return latest.clone();
        }
        let circumstances = circumstances.clone();
        let look = viewer.look(move |standing| (standing.report(circumstances), standing.words.clone()));
        if let Some((report, now)) = look.await {
            let parts = html::parts(&report, Some(&now));
            *latest = Some(Latest {
                at: Instant::now(),
                page: html::document(&report, &parts, Some(LINKS)).into(),
                fragments: fragments(parts),
            });
        }
        latest.clone()
    }
}

async fn show(State(page): State<Page>) -> Response {
    match page.latest().await {
        Some(latest) => Html(latest.page.to_string()).into_response(),
        None => (axum::http::StatusCode::SERVICE_UNAVAILABLE, "the run is ending\n").into_response(),
    }
}

async fn changes(State(page): State<Page>) -> Response {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let readers = page.0.places.clone();
    let last = page.0.last.subscribe();
    live_page::changes(&readers, Reader { page, ticks, last })
}

/// A browser that has the page open.
struct Reader {
    page: Page,
    ticks: Interval,
    last: watch::Receiver<Option<Arc<[Fragment]>>>,
}

impl Source for Reader {
    async fn next(&mut self) -> Look {
        loop {
            tokio::select! {
                last = self.last.wait_for(Option::is_some) => return match last.as_deref() {
                    Ok(Some(last)) => Look::Last(Arc::clone(last)),
                    _ => Look::Gone,
                },
                _ = self.ticks.tick() => {}
            }
            if let Some(latest) = self.page.latest().await {
                return Look::Now(latest.fragments);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_none() {
        assert_eq!("off".parse(), Ok(Place::Off));
        assert_eq!("0".parse(), Ok(Place::At(Address::any())));
        let error = "on".parse::<Place>().unwrap_err();
        assert!(error.ends_with("such as 0.0.0.0:9464, or off"), "{error}");
    }
}
