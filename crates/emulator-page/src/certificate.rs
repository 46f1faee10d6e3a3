//! An enrolled certificate as a person reads it.

use iot_emulator::view::{self, Application, Certificate};
use jiff::Timestamp;
use maud::{Markup, html};

use crate::format;

/// How far a chain is followed; no real one is longer.
const LONGEST_CHAIN: usize = 8;

/// What distinguishes it from others, and how long it is good.
pub(crate) fn facts(certificate: Certificate<'_>, now: Timestamp) -> Markup {
    html! {
        dl.facts {
            dt { "Subject" } dd { (certificate.subject()) }
            dt { "Issuer" } dd { (certificate.issuer()) }
            dt { "Thumbprint" } dd { code.thumbprint { (certificate.sha1_thumbprint()) } }
            dt { "Valid from" } dd { @if let Some(begin) = certificate.not_before() { (format::date(begin)) } @else { "–" } }
            dt { "Expires" } dd { @if let Some(end) = certificate.not_after() { (format::expiry(end, now)) } @else { "never" } }
        }
    }
}

/// The same in three cells of a table.
pub(crate) fn cells(certificate: Certificate<'_>, now: Timestamp) -> Markup {
    html! {
        td data-label="Subject" { (certificate.subject()) }
        td.thumbprint data-label="SHA-1 thumbprint" { code { (certificate.sha1_thumbprint()) } }
        td data-label="Expires" {
            @match certificate.not_after() {
                Some(end) => (format::expiry(end, now)),
                None => "never",
            }
        }
    }
}

/// The certificate of a group, and by whom it is signed.
pub(crate) fn of_group(application: &Application<'_>, certificate: Certificate<'_>) -> Markup {
    html! {
        (facts(certificate, view::now()))
        div.chain { p.label { "Chain" } (chain(application, certificate)) }
    }
}

/// The certificates above one, as far as they are enrolled here.
fn chain(application: &Application<'_>, certificate: Certificate<'_>) -> Markup {
    let mut links = vec![html! { (certificate.subject()) }];
    let mut last = certificate;
    while links.len() < LONGEST_CHAIN && !last.is_self_signed() {
        let Some((group, signing)) = application.issuer_of(last) else {
            break;
        };
        last = signing.certificate;
        links
            .push(html! { (last.subject()) " of " a href=(format::group_path(group.id())) { (group.display_name()) } });
    }
    html! {
        @for link in &links { div { (link) } }
        @if last.is_self_signed() { div.quiet { "a root: it has signed itself" } }
        @else { div.quiet { "signed by " (last.issuer()) ", which is not enrolled and need not be" } }
    }
}

/// What is said of a certificate that is not the device's by its name.
pub(crate) fn misnamed(slot: &str, certificate: Certificate<'_>) -> Markup {
    html! {
        div.notice { p {
            "The " (slot) " certificate is for " (certificate.subject())
            ", and its common name is not the device id: DPS refuses a device that shows it."
        } }
    }
}
