//! The list of devices, a page at a time.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use iot_emulator::view::{self, RefusedDevice};
use jiff::Timestamp;
use live_page::Fragment;
use maud::{Markup, html};

mod filter;
mod new;
mod sort;

use filter::Wish;

use crate::device_view::{DeviceView, connection};
use crate::forms::Done;
use crate::{Page, format, layout, live, refused};

const PAGE: usize = 25;

/// A row: a device, or a client that called itself so and is not known.
enum Row {
    Known(Box<DeviceView>, Option<RefusedDevice>),
    Stranger(RefusedDevice),
}

pub(crate) fn router() -> Router<Page> {
    Router::new()
        .route("/devices", get(show))
        .route("/live/devices", get(live))
        .route("/new/device", get(new::show).post(new::make))
}

async fn show(
    State(page): State<Page>,
    wish: Result<Query<Wish>, QueryRejection>,
    done: Result<Query<Done>, QueryRejection>,
) -> Markup {
    let wish = wish.map(|Query(wish)| wish).unwrap_or_default();
    let [list] = fragments(&page, &wish);
    let content = html! {
        div.title {
            h1 { "Devices" }
            a.button #new href="/new/device" { "New device" }
        }
        (Done::of(done).notice())
        (wish.form(&page.view.application()))
        (list)
    };
    let live = format!("/live/devices{}", wish.query(wish.page));
    layout::inside(&page, "Devices", "/devices", Some(&live), content)
}

async fn live(State(page): State<Page>, headers: HeaderMap, wish: Result<Query<Wish>, QueryRejection>) -> Response {
    let wish = wish.map(|Query(wish)| wish).unwrap_or_default();
    live::stream(page, &headers, move |page| fragments(page, &wish))
}

fn fragments(page: &Page, wish: &Wish) -> [Fragment; 1] {
    let (first, total, rows) = find(page, wish);
    let content = html! {
        p.quiet {
            @if total == 0 { "No device fits." }
            @else { (format::count(first + 1)) "–" (format::count(first + rows.len())) " of " (format::count(total)) }
        }
        @if total > 0 { (table(&rows, page.view.hubs().nth(1).is_some())) }
        (pager(wish, first / PAGE, total))
    };
    [Fragment::new("list", content)]
}

/// The number of the first row shown, how many there are, and the ones to show.
fn find(page: &Page, wish: &Wish) -> (usize, usize, Vec<Row>) {
    let refusals = page.refusals();
    let application = page.view.application();
    let fits = wish.filter(&refusals);
    let fitting = application.devices().filter(|(id, device)| fits(id, device));
    let mut devices: Vec<_> = fitting.map(|(_, device)| device).collect();
    wish.sort().apply(&mut devices);
    let strangers = wish.strangers(&refusals);
    let strangers = strangers.filter(|(id, _)| application.device(id).is_none());
    let strangers: Vec<_> = strangers.map(|(_, refusal)| refusal).collect();
    let total = devices.len() + strangers.len();
    let first = wish.page.min(total.saturating_sub(1) / PAGE) * PAGE;
    // A look at a device takes its lock, so there is one at each that is shown and at no other.
    let known = devices.iter().skip(first).take(PAGE).map(|device| {
        let refusal = refusals.of(device).cloned();
        Row::Known(Box::new(DeviceView::at(device)), refusal)
    });
    let unknown = strangers.into_iter().skip(first.saturating_sub(devices.len()));
    let unknown = unknown.map(|refusal| Row::Stranger(refusal.clone()));
    (first, total, known.chain(unknown).take(PAGE).collect())
}

fn table(rows: &[Row], with_hub: bool) -> Markup {
    let now = view::now();
    html! {
        table.devices {
            thead { tr {
                th scope="col" { "Device" }
                th scope="col" { "Connection" }
                th scope="col" { "Status" }
                th scope="col" { "Group" }
                th scope="col" { "Model" }
                @if with_hub { th scope="col" { "Hub" } }
                th.number scope="col" { "Temperature" }
                th scope="col" { "Last telemetry" }
            } }
            tbody {
                @for row in rows {
                    @match row {
                        Row::Known(view, refusal) => (known(view, refusal.as_ref(), with_hub, now)),
                        Row::Stranger(refusal) => (stranger(refusal, now)),
                    }
                }
            }
        }
    }
}

fn known(view: &DeviceView, refusal: Option<&RefusedDevice>, with_hub: bool, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href=(format::device_path(&view.id)) { (view.id) }
                @if view.name != view.id { div.quiet { (view.name) } }
            }
            td data-label="Connection" { div { (connection(view.online)) @if let Some(refusal) = refusal { (refused::reason(refusal, now)) } } }
            td data-label="Status" { (view.status.badge()) }
            td data-label="Group" { (view.enrollment()) }
            td data-label="Model" { (view.model.as_deref().unwrap_or("–")) }
            @if with_hub { td data-label="Hub" { (view.hub.as_deref().unwrap_or("–")) } }
            td.number data-label="Temperature" { @match view.temperature { Some(degrees) => (format::celsius(degrees)), None => "–" } }
            td data-label="Last telemetry" { @match view.last { Some(at) => (format::moment(at, now)), None => "–" } }
        }
    }
}

fn stranger(refusal: &RefusedDevice, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(format::device_path(refusal.id())) { (refusal.id()) } }
            td data-label="Connection" { div { (connection(false)) (refused::reason(refusal, now)) } }
            td data-label="Status" { span.badge { "Unknown" } }
        }
    }
}

fn pager(wish: &Wish, page: usize, total: usize) -> Markup {
    let last = total.saturating_sub(1) / PAGE;
    html! {
        @if last > 0 {
            nav.pager aria-label="Pages" {
                @if page > 0 { a #previous href={ "/devices" (wish.query(page - 1)) } rel="prev" { "← Previous" } }
                span { "Page " (format::count(page + 1)) " of " (format::count(last + 1)) }
                @if page < last { a #next href={ "/devices" (wish.query(page + 1)) } rel="next" { "Next →" } }
            }
        }
    }
}
