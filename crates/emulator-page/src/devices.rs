//! The list of devices, a page at a time.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use iot_emulator::view::{self, Device};
use maud::{Markup, html};
use serde::Deserialize;

use crate::device_view::{DeviceView, Status, connection};
use crate::layout::{self, Fragment};
use crate::{Page, format, live};

const PAGE: usize = 25;
const LONGEST_FILTER: usize = 128;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wish {
    /// A part of the id.
    #[serde(default)]
    id: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    page: usize,
}

/// What is chosen by one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    All,
    Online,
    Offline,
    Individual,
    Of(Status),
}

impl Choice {
    fn all() -> impl Iterator<Item = Self> {
        let first = [Self::All, Self::Online, Self::Offline];
        first
            .into_iter()
            .chain(Status::ALL.map(Self::Of))
            .chain([Self::Individual])
    }

    fn key(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Individual => "individual",
            Self::Of(status) => status.key(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::All => "Any",
            Self::Online => "Online",
            Self::Offline => "Offline",
            Self::Individual => "Enrolled individually",
            Self::Of(status) => status.word(),
        }
    }

    fn fits(self, device: &Device<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Online => device.is_online(),
            Self::Offline => !device.is_online(),
            Self::Individual => device.is_individual(),
            Self::Of(status) => Status::of(device) == status,
        }
    }
}

impl Wish {
    fn choice(&self) -> Choice {
        Choice::all()
            .find(|choice| choice.key() == self.state)
            .unwrap_or(Choice::All)
    }

    /// This list, at another page, as an address.
    fn query(&self, page: usize) -> String {
        format!(
            "?id={}&state={}&page={page}",
            format::encoded(&self.id),
            format::encoded(&self.state)
        )
    }
}

pub(crate) async fn show(State(page): State<Page>, wish: Result<Query<Wish>, QueryRejection>) -> Markup {
    let wish = wish.map(|Query(wish)| wish).unwrap_or_default();
    let [list] = fragments(&page, &wish);
    let content = html! {
        h1 { "Devices" }
        form.filter method="get" action="/devices" role="search" {
            label for="id" { "Id" }
            input #id name="id" type="search" value=(wish.id) maxlength=(LONGEST_FILTER) placeholder="part of an id";
            label for="state" { "State" }
            select #state name="state" {
                @for choice in Choice::all() {
                    option value=(choice.key()) selected[choice == wish.choice()] { (choice.word()) }
                }
            }
            button type="submit" { "Filter" }
        }
        (list)
    };
    let live = format!("/live/devices{}", wish.query(wish.page));
    layout::inside(&page, "Devices", "/devices", Some(&live), content)
}

pub(crate) async fn live(
    State(page): State<Page>,
    headers: HeaderMap,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Response {
    let wish = wish.map(|Query(wish)| wish).unwrap_or_default();
    live::stream(page, &headers, move |page| fragments(page, &wish).into())
}

fn fragments(page: &Page, wish: &Wish) -> [Fragment; 1] {
    let (first, total, views) = find(page, wish);
    let content = html! {
        p.quiet {
            @if total == 0 { "No device fits." }
            @else { (format::count(first + 1)) "–" (format::count(first + views.len())) " of " (format::count(total)) }
        }
        @if total > 0 { (table(&views)) }
        (pager(wish, first / PAGE, total))
    };
    [Fragment { id: "list", content }]
}

/// The number of the first device shown, how many there are, and the ones to show.
fn find(page: &Page, wish: &Wish) -> (usize, usize, Vec<DeviceView>) {
    let application = page.view.application();
    let (part, choice) = (wish.id.trim().to_ascii_lowercase(), wish.choice());
    let fitting = || {
        let named = application.devices().filter(|(id, _)| id.contains(&part));
        named.filter(|(_, device)| choice.fits(device))
    };
    let total = fitting().count();
    let first = wish.page.min(total.saturating_sub(1) / PAGE) * PAGE;
    let shown = fitting().skip(first).take(PAGE);
    (first, total, shown.map(|(_, device)| DeviceView::at(&device)).collect())
}

fn table(views: &[DeviceView]) -> Markup {
    let now = view::now();
    html! {
        table.devices {
            thead { tr {
                th scope="col" { "Device" }
                th scope="col" { "Connection" }
                th scope="col" { "Status" }
                th scope="col" { "Model" }
                th scope="col" { "Hub" }
                th.number scope="col" { "Temperature" }
                th scope="col" { "Last telemetry" }
            } }
            tbody {
                @for view in views {
                    tr {
                        th scope="row" { a href=(format::device_path(&view.id)) { (view.id) } }
                        td data-label="Connection" { (connection(view.online)) }
                        td data-label="Status" { (view.status.badge()) }
                        td data-label="Model" { (view.model.as_deref().unwrap_or("–")) }
                        td data-label="Hub" { (view.hub.as_deref().unwrap_or("–")) }
                        td.number data-label="Temperature" { @match view.temperature { Some(degrees) => (format::celsius(degrees)), None => "–" } }
                        td data-label="Last telemetry" { @match view.last { Some(at) => (format::moment(at, now)), None => "–" } }
                    }
                }
            }
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
