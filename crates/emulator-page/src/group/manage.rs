//! One certificate of a group: its upload, the proof that it is its owner's, and its end.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use iot_emulator::view::{Application, GroupCertificate};
use maud::{Markup, html};
use serde_json::json;

use super::{Slot, resource};
use crate::forms::{Done, Draft, Problem, Sent, ask, copyable, done};
use crate::{Page, certificate, format, layout, missing};

/// The fields, which are also where what is wrong is shown.
const CERTIFICATE: &str = "certificate";
const PROOF: &str = "proof";

pub(crate) async fn show(
    State(page): State<Page>,
    Path(id): Path<String>,
    Extension(slot): Extension<Slot>,
    done: Result<Query<Done>, QueryRejection>,
) -> Response {
    view(&page, &id, slot, &Done::of(done).notice(), None)
}

/// Saves a certificate, verified by word or not.
pub(crate) async fn upload(
    State(page): State<Page>,
    Path(id): Path<String>,
    Extension(slot): Extension<Slot>,
    sent: Result<Sent, Problem>,
) -> Response {
    let outcome = async {
        let sent = sent?;
        let verified = sent.has("verified");
        let body = json!({ "certificate": sent.needed_certificate(CERTIFICATE)?, "verified": verified });
        let answer = page
            .call(Method::PUT, &certificate_of(&id, slot), body.to_string())
            .await;
        Problem::of(CERTIFICATE, &answer)?;
        Ok(if verified { "verified" } else { "unverified" })
    };
    finish(&page, &id, slot, outcome.await)
}

/// Has a code made, for which a verification certificate is to be issued.
pub(crate) async fn generate_code(
    State(page): State<Page>,
    Path(id): Path<String>,
    Extension(slot): Extension<Slot>,
) -> Response {
    let path = format!("{}/generateVerificationCode", certificate_of(&id, slot));
    let answer = page.call(Method::POST, &path, String::new()).await;
    finish(&page, &id, slot, Problem::of("", &answer).map(|()| "code"))
}

/// Proves that the certificate is its owner's.
pub(crate) async fn verify(
    State(page): State<Page>,
    Path(id): Path<String>,
    Extension(slot): Extension<Slot>,
    sent: Result<Sent, Problem>,
) -> Response {
    let outcome = async {
        let body = json!({ "certificate": sent?.needed_certificate(PROOF)? });
        let path = format!("{}/verify", certificate_of(&id, slot));
        let answer = page.call(Method::POST, &path, body.to_string()).await;
        Problem::of(PROOF, &answer).map(|()| "verified")
    };
    finish(&page, &id, slot, outcome.await)
}

pub(crate) async fn delete(
    State(page): State<Page>,
    Path(id): Path<String>,
    Extension(slot): Extension<Slot>,
) -> Response {
    let answer = page
        .call(Method::DELETE, &certificate_of(&id, slot), String::new())
        .await;
    match Problem::of("", &answer) {
        Ok(()) => done(&format::group_path(&id), "certificate-deleted"),
        Err(problem) => refused(&page, &id, slot, &problem),
    }
}

fn certificate_of(id: &str, slot: Slot) -> String {
    format!("{}/certificates/{}", resource(id), slot.key())
}

fn finish(page: &Page, id: &str, slot: Slot, outcome: Result<&str, Problem>) -> Response {
    match outcome {
        Ok(word) => done(&slot.path(id), word),
        Err(problem) => refused(page, id, slot, &problem),
    }
}

fn refused(page: &Page, id: &str, slot: Slot, problem: &Problem) -> Response {
    (problem.status, view(page, id, slot, &html! {}, Some(problem))).into_response()
}

fn view(page: &Page, id: &str, slot: Slot, notice: &Markup, problem: Option<&Problem>) -> Response {
    let draft = Draft::without_content(problem);
    let application = page.view.application();
    let Some(group) = application.group(id) else {
        return missing::thing(page, "group", id, "/groups", "All groups");
    };
    let title = format!("{} certificate", slot.word());
    let content = html! {
        p.trail {
            a href="/groups" { "Device connection groups" } " / "
            a href=(format::group_path(id)) { (group.display_name()) } " /"
        }
        div.title { h1 { (title) } span #proof-status { (super::proof(&group, slot)) } }
        (notice)
        (draft.problem_of(""))
        @match slot.of(&group) {
            None => section.narrow { h2 { "Add a certificate" } (upload_form(draft, id, slot, "Save")) },
            Some(signing) => (present(&application, id, slot, signing, draft)),
        }
    };
    layout::inside(page, &title, "/groups", None, content).into_response()
}

/// What can be done with a certificate that is there.
fn present(
    application: &Application<'_>,
    id: &str,
    slot: Slot,
    signing: GroupCertificate<'_>,
    draft: Draft<'_>,
) -> Markup {
    let words =
        html! { "Devices below it are refused when they register again, unless the other certificate admits them." };
    html! {
        section.narrow {
            h2 { "The certificate" }
            (certificate::of_group(application, signing.certificate))
        }
        @if !signing.is_verified { (proof(id, slot, signing.verification_code, draft)) }
        section.narrow {
            details.ask open[draft.is_wrong(CERTIFICATE)] {
                summary #replace { "Replace it …" }
                (upload_form(draft, id, slot, "Replace"))
            }
            (ask("delete", "Delete it", &format!("{}/delete", slot.path(id)), &words))
        }
    }
}

fn upload_form(draft: Draft<'_>, id: &str, slot: Slot, word: &str) -> Markup {
    html! {
        form method="post" action=(slot.path(id)) enctype="multipart/form-data" {
            (draft.certificate(CERTIFICATE, "Certificate of the CA, root or intermediate"))
            label.tick for="verified" {
                input #verified name="verified" type="checkbox" value="true";
                " Set certificate status to verified on upload"
            }
            p.hint { "Without it, a verification certificate has to prove that you have the CA’s private key." }
            button #upload type="submit" { (word) }
        }
    }
}

/// The two steps of a proof: a code, and a certificate that was issued for it.
fn proof(id: &str, slot: Slot, code: Option<&str>, draft: Draft<'_>) -> Markup {
    let path = slot.path(id);
    html! {
        section.narrow {
            h2 { "Prove that it is yours" }
            @if let Some(code) = code {
                p.label { "Verification code" }
                p { (copyable("code", code)) }
                p.hint {
                    "Have the CA issue a certificate with this code as its common name: "
                    code { "fleet cert verification --ca … --key … --nonce " (code) }
                }
            }
            form method="post" action={ (path) "/code" } {
                button #generate-code.plain[code.is_some()] type="submit" {
                    @if code.is_some() { "Generate another code" } @else { "Generate verification code" }
                }
            }
            @if code.is_some() {
                form.control method="post" action={ (path) "/verify" } enctype="multipart/form-data" {
                    (draft.certificate(PROOF, "Verification certificate"))
                    button #verify type="submit" { "Verify" }
                }
            }
        }
    }
}
