//! What is enrolled: connection groups and individual enrollments with their certificates, a part of the overview.

use iot_emulator::view::{self, Device, Group};
use jiff::Timestamp;
use maud::{Markup, html};

use crate::counts::Counts;
use crate::group::{self, Slot};
use crate::{Page, certificate, format, presented};

/// Individual enrollments that are shown here. The others can be found among the devices.
const SHOWN: usize = 3;

pub(crate) fn all(page: &Page, counts: &Counts) -> Markup {
    let arrivals = page.arrivals();
    let application = page.view.application();
    let now = view::now();
    let individuals = application.devices().map(|(_, device)| device);
    let individuals = individuals.filter(Device::is_individual);
    html! {
        section {
            h2 { "Connection groups" }
            @if application.groups().next().is_none() { p.quiet { "None yet." } }
            @for group in application.groups() { (one(&group, now)) (presented::of_group(&arrivals, &group)) }
        }
        @if counts.individuals > 0 {
            section {
                h2 { "Individual enrollments " span.quiet { (format::count(counts.individuals)) } }
                table {
                    (head("Device"))
                    tbody { @for device in individuals.take(SHOWN) { (individual(&device, now)) } }
                }
                @if counts.individuals > SHOWN {
                    p { a href="/devices?state=individual" { "All " (format::count(counts.individuals)) } }
                }
            }
        }
    }
}

fn one(group: &Group<'_>, now: Timestamp) -> Markup {
    html! {
        article.group {
            h3 {
                a href=(format::group_path(group.id())) { (group.display_name()) }
                @if group.display_name() != group.id() { " " span.quiet { (group.id()) } }
                " " (group::enabled(group))
                @if group.is_edge() { " " span.badge { "IoT Edge" } }
            }
            @if group.certificates().next().is_none() { p.quiet { "It has no certificate, so it admits no device." } }
            @else {
                table {
                    (head("Certificate"))
                    tbody {
                        @for slot in Slot::ALL {
                            @if let Some(signing) = slot.of(group) {
                                tr {
                                    th scope="row" { (slot.word()) }
                                    (certificate::cells(signing.certificate, now))
                                    td data-label="Proof" { (group::proof(group, slot)) }
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

fn individual(device: &Device<'_>, now: Timestamp) -> Markup {
    let id = device.id().as_str();
    let mut first = true;
    html! {
        @for shown in device.certificates() {
            tr {
                th scope="row" { a href=(format::device_path(id)) { (id) } @if !std::mem::take(&mut first) { " (secondary)" } }
                (certificate::cells(shown, now))
                td data-label="Proof" { span.quiet { "its own key" } }
            }
        }
    }
}
