//! How a device connects: its ids, what lets it in, and its individual enrollment, to be made, changed and removed.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use iot_emulator::view::{self, Device};
use live_page::Fragment;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::frame::{self, Tab};
use crate::device_view::DeviceView;
use crate::forms::{Done, Draft, Problem, Sent, ask, copyable, done};
use crate::refused::{self, Refusals};
use crate::{Page, certificate, format, live};

/// The fields of the two certificates.
const PRIMARY: &str = "primary";
const SECONDARY: &str = "secondary";

/// What of an individual enrollment is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    Secondary,
    All,
}

pub(crate) async fn show(
    State(page): State<Page>,
    Path(id): Path<String>,
    done: Result<Query<Done>, QueryRejection>,
) -> Response {
    view(&page, &id, &Done::of(done).notice(), None)
}

pub(crate) async fn live(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, move |page| fragments(page, &id).into_iter().flatten())
}

/// Saves the certificates that were sent.
pub(crate) async fn save(State(page): State<Page>, Path(id): Path<String>, sent: Result<Sent, Problem>) -> Response {
    let outcome = async { put(&page, &id, &sent?).await };
    finish(&page, &id, outcome.await.map(|()| "enrolled"))
}

pub(crate) async fn remove(
    State(page): State<Page>,
    Path(id): Path<String>,
    Extension(removal): Extension<Removal>,
) -> Response {
    let (answer, word) = match removal {
        Removal::Secondary => {
            let body = body(json!({ SECONDARY: null }));
            (
                page.call(Method::PATCH, &attestation(&id), body).await,
                "secondary-deleted",
            )
        }
        Removal::All => {
            let answer = page.call(Method::DELETE, &attestation(&id), String::new()).await;
            (answer, "unenrolled")
        }
    };
    finish(&page, &id, Problem::of("", &answer).map(|()| word))
}

/// One after the other, so that it is known which of the two is refused.
async fn put(page: &Page, id: &str, sent: &Sent) -> Result<(), Problem> {
    let is_enrolled = page
        .view
        .application()
        .device(id)
        .is_some_and(|device| device.is_individual());
    let (primary, secondary) = (sent.certificate(PRIMARY)?, sent.certificate(SECONDARY)?);
    if primary.is_none() && (secondary.is_none() || !is_enrolled) {
        return Err(Problem::no_certificate(PRIMARY));
    }
    let mut saved = false;
    for (field, certificate) in [(PRIMARY, primary), (SECONDARY, secondary)] {
        let Some(certificate) = certificate else { continue };
        let method = match field == PRIMARY && !is_enrolled {
            true => Method::PUT,
            false => Method::PATCH,
        };
        let body = body(json!({ field: { "certificate": certificate } }));
        let answer = page.call(method, &attestation(id), body).await;
        Problem::of(field, &answer).map_err(|problem| match saved {
            true => problem.after("The primary certificate is saved."),
            false => problem,
        })?;
        saved = true;
    }
    Ok(())
}

fn attestation(id: &str) -> String {
    format!("/api/devices/{}/attestation", format::encoded(id))
}

fn body(certificates: Value) -> String {
    json!({ "type": "x509", "x509": { "clientCertificates": certificates } }).to_string()
}

fn finish(page: &Page, id: &str, outcome: Result<&str, Problem>) -> Response {
    match outcome {
        Ok(word) => done(&format!("{}/connect", format::device_path(id)), word),
        Err(problem) => (problem.status, view(page, id, &html! {}, Some(&problem))).into_response(),
    }
}

fn view(page: &Page, id: &str, notice: &Markup, problem: Option<&Problem>) -> Response {
    let refusals = page.refusals();
    let application = page.view.application();
    let Some(device) = application.device(id) else {
        return frame::unknown(page, id);
    };
    let [standing, admission, certificates] = parts(&device, &refusals);
    let draft = Draft::without_content(problem);
    let (is_individual, has_secondary) = (device.is_individual(), device.certificates().count() > 1);
    let content = html! {
        (notice)
        (draft.problem_of(""))
        div.columns {
            div {
                section.first { h2 { "What lets it in" } (admission) }
                section {
                    h2 { "Individual enrollment" }
                    p.quiet { "DPS then identifies the device by its own certificates, which may be self-signed, and by no group’s CA." }
                    (certificates)
                    (form(draft, id, is_individual))
                    @if is_individual { (removal(id, has_secondary)) }
                }
            }
            div { section.second { h2 { "Connection" } (facts(page, id)) } }
        }
    };
    frame::around(page, id, Tab::Connect, &standing, &content).into_response()
}

fn fragments(page: &Page, id: &str) -> Option<[Fragment; 3]> {
    let refusals = page.refusals();
    let application = page.view.application();
    Some(parts(&application.device(id)?, &refusals))
}

/// What changes in the view.
fn parts(device: &Device<'_>, refusals: &Refusals) -> [Fragment; 3] {
    let view = DeviceView::at(device);
    let admission = html! {
        dl.facts {
            dt { "Authentication" } dd { (authentication(&view)) }
            dt { "Hub" } dd { (view.hub.as_deref().unwrap_or("not assigned yet")) }
        }
        @if let Some(refusal) = refusals.of(device) { (refused::reason(refusal, view::now())) }
    };
    [
        frame::standing(&view),
        Fragment::new("admission", admission),
        Fragment::new("certificates", certificates(device, &view.id)),
    ]
}

fn authentication(view: &DeviceView) -> Markup {
    html! {
        @if view.individual { "Individual enrollment, certificates (X.509)" }
        @else if view.group.is_some() { "Device connection group " (view.enrollment()) ", certificates (X.509)" }
        @else { "None yet: any device connection group that trusts its CA lets it in when it registers." }
    }
}

/// The certificates of the individual enrollment, and what DPS will have against them.
fn certificates(device: &Device<'_>, id: &str) -> Markup {
    let now = view::now();
    html! {
        @if device.is_individual() {
            div.slots {
                @for (word, shown) in ["Primary", "Secondary"].into_iter().zip(device.certificates()) {
                    div {
                        h3 { (word) }
                        (certificate::facts(shown, now))
                        @if !shown.is_named(id) { (certificate::misnamed(&word.to_lowercase(), shown)) }
                    }
                }
            }
        }
    }
}

fn form(draft: Draft<'_>, id: &str, is_individual: bool) -> Markup {
    let fields = html! {
        (draft.certificate(PRIMARY, "Primary certificate"))
        (draft.certificate(SECONDARY, "Secondary certificate, if there is one"))
        button #save type="submit" { "Save" }
    };
    let path = format!("{}/connect", format::device_path(id));
    html! {
        @if is_individual {
            details.ask open[draft.is_wrong(PRIMARY) || draft.is_wrong(SECONDARY)] {
                summary #replace { "Change the certificates …" }
                form method="post" action=(path) enctype="multipart/form-data" {
                    p.hint { "A certificate whose field is left empty stays." }
                    (fields)
                }
            }
        }
        @else { form.control method="post" action=(path) enctype="multipart/form-data" { (fields) } }
    }
}

fn removal(id: &str, has_secondary: bool) -> Markup {
    let path = format!("{}/connect", format::device_path(id));
    let all =
        html! { "Only a device connection group lets the device in then. Its live connection stays until it ends." };
    let one = html! { "A device that shows it is refused when it registers again." };
    html! {
        @if has_secondary {
            (ask("delete-secondary", "Delete the secondary certificate", &format!("{path}/delete-secondary"), &one))
        }
        (ask("unenroll", "Delete the individual enrollment", &format!("{path}/delete"), &all))
    }
}

fn facts(page: &Page, id: &str) -> Markup {
    html! {
        dl.facts {
            dt { "ID scope" } dd { (copyable("id-scope", page.view.id_scope().as_str())) }
            dt { "Device ID" } dd { (copyable("device-id", id)) }
            dt { "Registration ID" } dd { "the device ID, and the common name of its certificate" }
            dt { "Protocol" } dd { "MQTT over TLS" }
        }
    }
}
