//! What changes while a view is open, looked at each second for as long as the session lasts.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use live_page::{Fragment, Look, Source};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::Page;

const EVERY: Duration = Duration::from_secs(1);

/// Sends the fragments that `render` gives whenever they change, for as long as the session lasts.
pub(crate) fn stream<F: IntoIterator<Item = Fragment>>(
    page: Page,
    headers: &HeaderMap,
    render: impl Fn(&Page) -> F + Send + 'static,
) -> Response {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let places = page.shared.watchers.clone();
    let view = View {
        session: page.session(headers).unwrap_or_default().to_owned(),
        render: move |page: &Page| render(page).into_iter().collect(),
        page,
        ticks,
    };
    live_page::changes(&places, view)
}

struct View<R> {
    page: Page,
    session: String,
    render: R,
    ticks: Interval,
}

impl<R: Fn(&Page) -> Arc<[Fragment]> + Send + 'static> Source for View<R> {
    async fn next(&mut self) -> Look {
        tokio::select! {
            _ = self.ticks.tick() => {}
            () = self.page.listener.stopped() => return Look::Gone,
        }
        if !self.page.listener.sign_in().is_session(&self.session, Instant::now()) {
            return Look::Gone;
        }
        Look::Now((self.render)(&self.page))
    }
}
