//! The certificates that devices came in with, and by which CA: parts of the views of a device and of the overview.

use std::sync::Arc;

use iot_emulator::view::{self, CameThrough, Device, Group, Presented, Shown, Through};
use jiff::Timestamp;
use maud::{Markup, html};

use crate::{Page, format};

/// What a device came in with last.
pub(crate) fn of_device(device: &Device<'_>) -> Markup {
    let presented = device.in_hub().and_then(|in_hub| in_hub.read().presented());
    let now = view::now();
    html! {
        h3 { "Its certificate" }
        @match &presented {
            Some(presented) => (shown(presented, now)),
            None => p.quiet { "It has not come with a certificate since the emulator's start." },
        }
    }
}

fn shown(presented: &Presented, now: Timestamp) -> Markup {
    let above: Vec<_> = presented.sent().collect();
    html! {
        (facts(&presented.leaf, now, html! {
            dt { "Admitted by" } dd { (through(presented)) }
            dt { "Came" } dd { (format::moment(presented.at, now)) }
            dt { "Different leaves" } dd { (format::count(presented.leaves)) }
        }))
        (chain(&above, now))
    }
}

fn through(presented: &Presented) -> Markup {
    let place = |is_primary| if is_primary { "primary" } else { "secondary" };
    html! {
        @match presented.through() {
            None => "nothing that is enrolled now",
            Some(Through::Individual { is_primary }) => {
                "its individual enrollment, " (place(is_primary)) " certificate"
            },
            Some(Through::Group { id, is_primary, ca, thumbprint }) => {
                "group " strong { (id) } ", " (place(is_primary)) " CA " (ca) " " code.thumbprint { (thumbprint) }
            },
        }
    }
}

/// One certificate, with `more` about it.
pub(crate) fn facts(certificate: &Shown, now: Timestamp, more: Markup) -> Markup {
    html! {
        dl.facts {
            dt { "Subject" } dd { (certificate.subject()) }
            dt { "Issuer" } dd { (certificate.issuer()) }
            dt { "SHA-1" } dd.thumbprint { code { (certificate.sha1_thumbprint()) } }
            dt { "SHA-256" } dd.thumbprint { code { (certificate.sha256_thumbprint()) } }
            dt { "Valid from" } dd { @if let Some(begin) = certificate.not_before() { (format::moment(begin, now)) } }
            dt { "Expires" } dd { @if let Some(end) = certificate.not_after() { (format::expiry(end, now)) } }
            (more)
        }
    }
}

/// What was sent after the leaf.
pub(crate) fn chain(above: &[Shown], now: Timestamp) -> Markup {
    html! {
        @if above.is_empty() { p.quiet { "It sent its leaf only." } }
        @else {
            details {
                summary { "It sent " (format::count(above.len())) " more with it" }
                @for certificate in above { (facts(certificate, now, html! {})) }
            }
        }
    }
}

/// How many devices came through each CA of a group, also through one that is not enrolled any more.
pub(crate) fn of_group(arrivals: &[CameThrough], group: &Group<'_>) -> Markup {
    let of_group: Vec<_> = arrivals.iter().filter(|one| one.group == group.id()).collect();
    let place = |one: &CameThrough| {
        let found = group
            .certificates()
            .find(|it| it.certificate.sha1_thumbprint() == one.thumbprint);
        match found {
            Some(signing) if signing.is_primary => "primary",
            Some(_) => "secondary",
            None => "no longer enrolled",
        }
    };
    html! {
        @for one in of_group {
            p.quiet { (format::count(one.devices)) " came through " (one.ca) " (" (place(one)) ")" }
        }
    }
}

impl Page {
    /// How many devices came through each CA.
    pub(crate) fn arrivals(&self) -> Arc<Vec<CameThrough>> {
        self.shared.arrivals.get(|_| self.view.application().came_through())
    }
}
