//! Pages whose parts are sent again as they change, by server-sent events.
//!
//! A view is a few [`Fragment`]s. [`changes`] answers the request for its stream: it asks a [`Source`] for the next look
//! when the reader has room for it, and sends the fragments that the reader does not have. A slow reader gets less and
//! holds nothing up, and without a reader nothing is done at all. In the browser, [`SCRIPT`] puts them in their places.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use maud::{Markup, Render, html};
use serde_json::json;

/// What keeps the parts of a view up to date. The body of its page has `data-live`, the address of the stream, and
/// `data-over`, the words when there is no more of it; a part is an element with the fragment's id, and an element with
/// the id `pulse` shows whether the view is live.
pub const SCRIPT: &str = include_str!("live.js");

/// Views that may be live at a time. Further ones stay as they were when they were opened.
const LIMIT: usize = 64;

/// A part of a view that is sent again when it changes.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// The id of the element that holds it.
    pub id: &'static str,
    /// What is in there.
    pub content: Arc<Markup>,
    /// Distinguishes this content from another. What the browser has already is not put there again.
    pub digest: String,
}

impl Fragment {
    /// A part that counts as changed when its content is another.
    #[must_use]
    pub fn new(id: &'static str, content: Markup) -> Self {
        let mut hasher = DefaultHasher::new();
        content.0.hash(&mut hasher);
        Self::keyed(id, Arc::new(content), format!("{:x}", hasher.finish()))
    }

    /// One that counts as changed when its key is another.
    #[must_use]
    pub fn keyed(id: &'static str, content: Arc<Markup>, key: String) -> Self {
        Self {
            id,
            content,
            digest: key,
        }
    }
}

impl Render for Fragment {
    fn render(&self) -> Markup {
        html! { div id=(self.id) data-digest=(self.digest) { (*self.content) } }
    }
}

/// What a view shows, look by look.
pub trait Source: Send + 'static {
    /// Waits until there is something to look at, and gives all fragments of the view.
    fn next(&mut self) -> impl Future<Output = Look> + Send;
}

/// A look at a view.
#[derive(Debug)]
pub enum Look {
    /// How it is now.
    Now(Arc<[Fragment]>),
    /// How it stays: nothing follows.
    Last(Arc<[Fragment]>),
    /// There is nothing to look at any more; the reader may ask again.
    Gone,
}

/// The places for live views of a program, which are bounded.
#[derive(Debug, Clone, Default)]
pub struct Places(Arc<AtomicUsize>);

impl Places {
    fn take(&self) -> Option<Place> {
        let more = |count: usize| (count < LIMIT).then_some(count + 1);
        self.0.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Place(Arc::clone(&self.0)))
    }
}

/// Answers with the stream of what changes in a view.
pub fn changes(places: &Places, source: impl Source) -> Response {
    let Some(place) = places.take() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many live views\n").into_response();
    };
    let stream = Stream {
        source,
        sent: BTreeMap::new(),
        state: State::Open,
        _place: place,
    };
    let events = futures_util::stream::unfold(stream, |mut stream| async move {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

struct Stream<S> {
    source: S,
    /// What the reader has: the digest of each fragment.
    sent: BTreeMap<&'static str, String>,
    state: State,
    _place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The last look has been sent, and what says so has not.
    Ending,
    Over,
}

impl<S: Source> Stream<S> {
    /// Waits for a change; nothing when there is none to wait for any more.
    async fn next(&mut self) -> Option<Event> {
        while self.state == State::Open {
            let (fragments, then) = match self.source.next().await {
                Look::Now(fragments) => (fragments, State::Open),
                Look::Last(fragments) => (fragments, State::Ending),
                Look::Gone => return None,
            };
            self.state = then;
            let changed: Vec<_> = fragments.iter().filter_map(|fragment| self.update(fragment)).collect();
            if !changed.is_empty() {
                return Some(Event::default().data(serde_json::Value::from(changed).to_string()));
            }
        }
        let is_ending = std::mem::replace(&mut self.state, State::Over) == State::Ending;
        is_ending.then(|| Event::default().event("end").data("end"))
    }

    /// The fragment as the reader gets it, if it is not what the reader has.
    fn update(&mut self, fragment: &Fragment) -> Option<serde_json::Value> {
        let Fragment { id, content, digest } = fragment;
        if self.sent.get(id) == Some(digest) {
            return None;
        }
        let update = json!({ "id": id, "html": content.0, "digest": digest });
        self.sent.insert(id, digest.clone());
        Some(update)
    }
}

/// One of the places for live views, given back when it is dropped.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let places = Places::default();
        let mut taken: Vec<_> = (0..LIMIT).map(|_| places.take().unwrap()).collect();
        assert!(places.take().is_none());
        taken.pop();
        assert!(places.take().is_some());
    }

    /// Looks that were prepared, the last one first.
    struct Prepared(Vec<Look>);

    impl Source for Prepared {
        async fn next(&mut self) -> Look {
            self.0.pop().unwrap_or(Look::Gone)
        }
    }

    fn fragments(texts: [(&'static str, &str); 2]) -> Arc<[Fragment]> {
        texts.map(|(id, text)| Fragment::new(id, html! { (text) })).into()
    }

    #[tokio::test]
    async fn only_what_changed_is_sent_and_the_last_look_is_followed_by_the_end() {
        let looks = vec![
            Look::Last(fragments([("a", "3"), ("b", "1")])),
            Look::Now(fragments([("a", "2"), ("b", "1")])),
            Look::Now(fragments([("a", "1"), ("b", "1")])),
            Look::Now(fragments([("a", "1"), ("b", "1")])),
        ];
        let response = changes(&Places::default(), Prepared(looks));
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let events: Vec<_> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
        let ids = |event: &str| {
            let data: serde_json::Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
            let all = data.as_array().unwrap().iter();
            all.map(|part| format!("{}={}", part["id"].as_str().unwrap(), part["html"].as_str().unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(events[0]), ["a=1", "b=1"]);
        assert_eq!(ids(events[1]), ["a=2"]);
        assert_eq!(ids(events[2]), ["a=3"]);
        assert_eq!(events[3..], ["event: end\ndata: end"]);
    }
}
