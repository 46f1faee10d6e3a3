//! Connection groups and individual enrollments, with their certificates.

use jiff::Timestamp;
use maud::{Markup, html};

use super::census::Census;
use super::{Page, words};
use crate::central::{Attestation, Entry, Group, GroupType};
use crate::certificate::Certificate;
use crate::clock;

/// Individual enrollments that are shown here. The others can be found among the devices.
const SHOWN: usize = 10;

pub(super) fn all(page: &Page, census: &Census) -> Markup {
    let application = page.services.central.read();
    let now = clock::now();
    let individuals = application.devices.values();
    let individuals = individuals.filter_map(|device| Some((device.id.as_str(), device.attestation.as_ref()?)));
    html! {
        section {
            h2 { "Connection groups" }
            @if application.groups.is_empty() { p.quiet { "None yet." } }
            @for group in application.groups.values() { (one(group, now)) }
        }
        @if census.individuals > 0 {
            section {
                h2 { "Individual enrollments " span.quiet { (words::count(census.individuals)) } }
                table {
                    (head("Device"))
                    tbody { @for (id, attestation) in individuals.take(SHOWN) { (individual(id, attestation, now)) } }
                }
                @if census.individuals > SHOWN {
                    p { a href="/devices?state=individual" { "All " (words::count(census.individuals)) } }
                }
            }
        }
    }
}

fn one(group: &Group, now: Timestamp) -> Markup {
    let (word, class) = if group.enabled {
        ("enabled", "badge good")
    } else {
        ("disabled", "badge bad")
    };
    html! {
        article.group {
            h3 {
                (group.display_name)
                @if group.display_name != group.id { " " span.quiet { (group.id) } }
                " " span class=(class) { (word) }
                @if group.group_type == GroupType::IotEdge { " " span.badge { "IoT Edge" } }
            }
            @if group.certificates().next().is_none() { p.quiet { "It has no certificate, so it lets nobody in." } }
            @else {
                table {
                    (head("Certificate"))
                    tbody {
                        @for (entry, signing) in group.certificates() {
                            tr {
                                th scope="row" { (entry_word(entry)) }
                                (certificate(&signing.certificate, now))
                                td data-label="Proof" {
                                    @if signing.verified { span.badge.good { "verified" } }
                                    @else { span.badge.wait { "not verified" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn head(first: &str) -> Markup {
    html! { thead { tr {
        th scope="col" { (first) }
        th scope="col" { "Subject" }
        th scope="col" { "SHA-1 thumbprint" }
        th scope="col" { "Expires" }
        th scope="col" { "Proof" }
    } } }
}

fn individual(id: &str, attestation: &Attestation, now: Timestamp) -> Markup {
    let mut first = true;
    html! {
        @for shown in attestation.certificates() {
            tr {
                th scope="row" { a href=(words::device_path(id)) { (id) } @if !std::mem::take(&mut first) { " (secondary)" } }
                (certificate(shown, now))
                td data-label="Proof" { span.quiet { "its own key" } }
            }
        }
    }
}

/// The cells of a certificate.
pub(super) fn certificate(certificate: &Certificate, now: Timestamp) -> Markup {
    html! {
        td data-label="Subject" { (certificate.subject()) }
        td.thumbprint data-label="SHA-1 thumbprint" { code { (certificate.sha1_thumbprint()) } }
        td data-label="Expires" {
            @match certificate.not_after() {
                Some(end) => (words::expiry(end, now)),
                None => "never",
            }
        }
    }
}

fn entry_word(entry: Entry) -> &'static str {
    match entry {
        Entry::Primary => "Primary",
        Entry::Secondary => "Secondary",
    }
}
