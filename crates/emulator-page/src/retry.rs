//! Asks a device that waits after a failure to try again now. Azure has no such thing, and neither has the emulator: the
//! run that simulates the device is asked, over its control socket, as `fleet ctl` does.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};

use crate::{Page, format};

/// The button, for a device that is not online.
pub(crate) fn button(id: &str) -> Markup {
    html! {
        form method="post" action={ (format::device_path(id)) "/retry" } data-answer="answer" {
            button.plain type="submit" { "Ask it to try again" }
        }
    }
}

pub(crate) async fn retry(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let (status, words) = match page.shared.run.as_deref() {
        Some(socket) => asked(run::retry(socket, &id).await),
        None => (
            StatusCode::CONFLICT,
            "No run of fleet has started this emulator.".to_owned(),
        ),
    };
    let is_done = status.is_success();
    let answer = html! {
        p.bad[!is_done] role=[(!is_done).then_some("alert")] { (words) }
        @if !is_done {
            p.quiet {
                "Where " code { "fleet device-sim" } " runs in a terminal, Enter makes it try again, and elsewhere SIGUSR1. For a \
                 fleet: " code { "fleet ctl MANIFEST retry --device " (id) } ". Any other device is restarted."
            }
        }
    };
    page.answer(&id, &headers, status, answer)
}

fn asked(answer: Result<u32, String>) -> (StatusCode, String) {
    match answer {
        Ok(0) => (
            StatusCode::CONFLICT,
            "The run has no such device that waits after a failure.".to_owned(),
        ),
        Ok(_) => (StatusCode::OK, "It tries again now.".to_owned()),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("The run can’t be asked: {error}.")),
    }
}

#[cfg(unix)]
mod run {
    use std::path::Path;
    use std::time::Duration;

    use serde::Deserialize;
    use serde_json::json;
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::UnixStream;
    use tokio::time::timeout;

    /// Processes answer at once, and this is for a person who waits.
    const WITHIN: Duration = Duration::from_secs(5);
    const LONGEST_ANSWER: u64 = 64 * 1024;

    /// A line of a run's control socket, as far as it answers an order.
    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Answer {
        Done { devices: u32 },
        Refused { message: String },
    }

    /// How many devices were reached, which is one or none; or why it is unknown.
    pub(super) async fn retry(socket: &Path, id: &str) -> Result<u32, String> {
        let asking = async {
            let mut stream = UnixStream::connect(socket).await?;
            let line = json!({"id": 1, "do": "retry", "devices": [id]});
            stream.write_all(format!("{line}\n").as_bytes()).await?;
            let mut answer = String::new();
            BufReader::new(stream.take(LONGEST_ANSWER))
                .read_line(&mut answer)
                .await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(WITHIN, asking)
            .await
            .map_err(|_| "it does not answer".to_owned())?
            .map_err(|error| error.to_string())?;
        match serde_json::from_str(&answer) {
            Ok(Answer::Done { devices }) => Ok(devices),
            Ok(Answer::Refused { message }) => Err(message),
            Err(_) => Err("it has ended".to_owned()),
        }
    }
}

#[cfg(not(unix))]
mod run {
    /// There are no such sockets here.
    pub(super) async fn retry(_: &std::path::Path, _: &str) -> Result<u32, String> {
        Err("runs have no control socket on this system".to_owned())
    }
}
