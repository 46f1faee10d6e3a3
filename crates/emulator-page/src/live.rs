//! What changes while a view is open. A stream is asked for its next part when the reader has room for it, and then looks
//! at how things are: a slow reader gets less and holds nothing up, and without a reader nothing is done at all.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::Page;
use crate::layout::Fragment;

const EVERY: Duration = Duration::from_secs(1);
/// Views that may be live at a time. Further ones stay as they were when they were opened.
const LIMIT: usize = 64;

/// Sends the fragments that `render` gives whenever they change, for as long as the session lasts.
pub(crate) fn stream(
    page: Page,
    headers: &HeaderMap,
    render: impl Fn(&Page) -> Vec<Fragment> + Send + 'static,
) -> Response {
    let Some(place) = Place::take(&page.shared.watchers) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many live views\n").into_response();
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let view = View {
        session: page.session(headers).unwrap_or_default().to_owned(),
        page,
        render,
        ticks,
        sent: BTreeMap::new(),
        _place: place,
    };
    let events = futures_util::stream::unfold(view, |mut view| async move {
        let event = view.next().await?;
        Some((Ok::<_, Infallible>(event), view))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

struct View<R> {
    page: Page,
    session: String,
    render: R,
    ticks: Interval,
    /// What the reader has: the digest of each fragment.
    sent: BTreeMap<&'static str, String>,
    _place: Place,
}

impl<R: Fn(&Page) -> Vec<Fragment>> View<R> {
    /// Waits for a change; `None` when there is nothing to wait for any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                _ = self.ticks.tick() => {}
                () = self.page.listener.stopped() => return None,
            }
            if !self.page.listener.sign_in().is_session(&self.session, Instant::now()) {
                return None;
            }
            let fragments = (self.render)(&self.page);
            let changed: Vec<_> = fragments.iter().filter_map(|fragment| self.update(fragment)).collect();
            if !changed.is_empty() {
                return Some(Event::default().data(serde_json::Value::from(changed).to_string()));
            }
        }
    }

    /// The fragment as the reader gets it, if it is not what the reader has.
    fn update(&mut self, fragment: &Fragment) -> Option<serde_json::Value> {
        let digest = fragment.digest();
        if self.sent.get(fragment.id) == Some(&digest) {
            return None;
        }
        let update = json!({ "id": fragment.id, "html": fragment.content.0, "digest": digest });
        self.sent.insert(fragment.id, digest);
        Some(update)
    }
}

/// One of the places for live views, given back when it is dropped.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |count: usize| (count < LIMIT).then_some(count + 1);
        taken.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

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
        let taken = Arc::default();
        let mut places: Vec<_> = (0..LIMIT).map(|_| Place::take(&taken).unwrap()).collect();
        assert!(Place::take(&taken).is_none());
        places.pop();
        assert!(Place::take(&taken).is_some());
    }
}
