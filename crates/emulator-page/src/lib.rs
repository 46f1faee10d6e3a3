//! The page that a person looks at: what is enrolled, which devices there are and how they are, and a look at each.
//!
//! It is plain HTML, made here. While a view is open, the parts that change are sent again as they change; while
//! none is, it costs nothing. What a person does here goes through the REST interface, so that it is refused for the
//! same reasons and leaves the same traces; only quotas and faults are not in its way.
//!
//! # Layout
//!
//! | module | holds |
//! | --- | --- |
//! | [`start`] | an emulator with the page on each of its REST listeners |
//! | [`cli`], [`terminal`] | the command line of the `iot-emulator` program, and its words to people |
//! | `auth` | links, the sign-in form and sessions |
//! | `overview`, `devices`, `device`, `refused`, `journal`, `faults` | the views, each with its live part |
//! | `templates`, `tokens` | device templates and API tokens |
//! | `group` | device connection groups: the list, a new one, one with its certificates, and each certificate |
//! | `forms` | forms that lead to another view, and what is wrong with their fields |
//! | `missing` | what is not there |
//! | `actions`, `retry` | what a person asks of a device |
//! | `api_client` | how what a person does reaches the REST interface |
//! | `live` | the stream of what has changed |
//! | `device_view`, `counts` | what is read of one device, and of all |
//! | `history`, `samples` | what is kept of the few devices that are looked at, and of the totals |
//! | `latest` | what is put together once a second for all who look |
//! | `layout`, `assets` | what is around every view |
//! | `fleet`, `enrollments`, `chart`, `properties`, `telemetry`, `commands` | parts of views |
//! | `certificate`, `presented` | certificates that are enrolled, and those that devices came in with |
//! | `format`, `rule_text` | values and rules as people read them |
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = emulator_page::start(iot_emulator::Config::default()).await?;
//! assert!(emulator.sign_in_link(None).is_some_and(|link| link.starts_with("http://127.0.0.1:")));
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "either may be closed or full, and these panic then; use `terminal`"
)]

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use iot_emulator::extension::Listener;
use iot_emulator::view::{CameThrough, View};
use iot_emulator::{Config, Emulator, StartError};
use live_page::Places;

use counts::Counts;
use fleet::Fleet;
use latest::Latest;
use refused::Refusals;

pub mod cli;
pub mod terminal;

mod actions;
mod api_client;
mod assets;
mod auth;
mod certificate;
mod chart;
mod commands;
mod counts;
mod device;
mod device_view;
mod devices;
mod enrollments;
mod faults;
mod fleet;
mod format;
mod forms;
mod group;
mod history;
mod journal;
mod latest;
mod layout;
mod live;
mod missing;
mod overview;
mod presented;
mod properties;
mod refused;
mod retry;
mod rule_text;
mod samples;
mod telemetry;
mod templates;
mod tokens;
mod unmodeled;

/// Largest form that a person may send. The largest there are hold rules for faults.
const MAX_FORM: usize = 64 * 1024;

/// Starts an emulator with the page on each of its REST listeners.
///
/// # Errors
///
/// As [`Emulator::start`].
pub async fn start(config: Config) -> Result<Emulator, StartError> {
    start_for(config, None).await
}

/// The same, for the devices of the run with this control socket.
///
/// # Errors
///
/// As [`Emulator::start`].
pub async fn start_for(config: Config, run: Option<PathBuf>) -> Result<Emulator, StartError> {
    let shared = Arc::new(Shared {
        run,
        ..Shared::default()
    });
    Emulator::start_with(config, |listener| {
        samples::begin(&listener, &shared);
        router(Page {
            view: listener.view(),
            listener,
            shared: Arc::clone(&shared),
        })
    })
    .await
}

/// What all requests for the page share, whichever port they come to.
#[derive(Debug, Default)]
struct Shared {
    histories: history::Histories,
    counts: Latest<Counts>,
    refusals: Latest<Refusals>,
    fleet: Latest<Fleet>,
    samples: samples::Samples,
    arrivals: Latest<Vec<CameThrough>>,
    watchers: Places,
    /// The control socket of the run whose devices these are, if it is known.
    run: Option<PathBuf>,
}

/// What every handler of the page gets.
#[derive(Debug, Clone)]
struct Page {
    view: View,
    listener: Listener,
    shared: Arc<Shared>,
}

/// The page, its live parts and its door.
fn router(page: Page) -> Router {
    let inside = Router::new()
        .route("/", get(overview::show))
        .route("/live", get(overview::live))
        .route("/devices/{id}/target", post(actions::set_target))
        .route("/devices/{id}/report", post(actions::run_report))
        .route("/devices/{id}/command", post(actions::run_command))
        .route("/devices/{id}/enabled", post(actions::set_enabled))
        .route("/devices/{id}/retry", post(retry::retry))
        .route("/refused", get(refused::show))
        .route("/live/refused", get(refused::live))
        .route("/refused/{id}", get(refused::show_one))
        .route("/live/refused/{id}", get(refused::live_one))
        .route("/journal", get(journal::show))
        .route("/live/journal", get(journal::live))
        .route("/faults", get(faults::show))
        .route("/live/faults", get(faults::live))
        .route("/faults/preset", post(faults::add_preset))
        .route("/faults/rules", post(faults::add_rules))
        .route("/faults/remove", post(faults::remove))
        .route("/sign-out", post(auth::sign_out))
        .merge(group::router())
        .merge(devices::router())
        .merge(device::router())
        .merge(templates::router())
        .merge(tokens::router())
        .layer(middleware::from_fn_with_state(page.clone(), auth::signed_in));
    Router::new()
        .route("/sign-in", get(auth::ask).post(auth::sign_in))
        .merge(assets::router())
        .merge(inside)
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(middleware::from_fn_with_state(page.clone(), auth::own_forms_only))
        .layer(middleware::from_fn(layout::security_headers))
        .fallback(missing::path)
        .with_state(page)
}
