//! Device connection groups: the list, a new one, one with its certificates, and the certificates one by one.

use axum::routing::{get, post};
use axum::{Extension, Router};
use iot_emulator::view::{Group, GroupCertificate};
use maud::{Markup, html};

use crate::{Page, format};

mod list;
mod manage;
mod new;
mod one;

pub(crate) fn router() -> Router<Page> {
    let router = Router::new()
        .route("/groups", get(list::show))
        .route("/live/groups", get(list::live))
        .route("/new/group", get(new::show).post(new::make))
        .route("/groups/{id}", get(one::show))
        .route("/live/groups/{id}", get(one::live))
        .route("/groups/{id}/enabled", post(one::set_enabled))
        .route("/groups/{id}/delete", post(one::delete));
    Slot::ALL
        .into_iter()
        .fold(router, |router, slot| router.merge(certificate(slot)))
}

/// What there is for one of the two certificates.
fn certificate(slot: Slot) -> Router<Page> {
    let path = |more: &str| format!("/groups/{{id}}/{}{more}", slot.key());
    Router::new()
        .route(&path(""), get(manage::show).post(manage::upload))
        .route(&path("/code"), post(manage::generate_code))
        .route(&path("/verify"), post(manage::verify))
        .route(&path("/delete"), post(manage::delete))
        .layer(Extension(slot))
}

/// The two certificates of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Primary,
    Secondary,
}

impl Slot {
    pub(crate) const ALL: [Self; 2] = [Self::Primary, Self::Secondary];

    /// As the interface and addresses call it.
    fn key(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Primary => "Primary",
            Self::Secondary => "Secondary",
        }
    }

    /// The certificate of a group in this place, if there is one.
    pub(crate) fn of<'a>(self, group: &Group<'a>) -> Option<GroupCertificate<'a>> {
        let mut certificates = group.certificates();
        certificates.find(|signing| signing.is_primary == (self == Self::Primary))
    }

    fn path(self, group: &str) -> String {
        format!("{}/{}", format::group_path(group), self.key())
    }
}

/// Whether a group admits devices at all.
pub(crate) fn enabled(group: &Group<'_>) -> Markup {
    html! {
        @if group.is_enabled() { span.badge.good { "enabled" } } @else { span.badge.bad { "disabled" } }
    }
}

/// Whether a certificate is there, and whether it counts.
pub(crate) fn proof(group: &Group<'_>, slot: Slot) -> Markup {
    html! {
        @match slot.of(group) {
            Some(signing) if signing.is_verified => span.badge.good { "verified" },
            Some(_) => span.badge.wait { "not verified" },
            None => span.quiet { "none" },
        }
    }
}

/// A group in the REST interface.
fn resource(id: &str) -> String {
    format!("/api/enrollmentGroups/{}", format::encoded(id))
}
