//! Device connection groups: the list, a new one, one with its certificates, and the certificates one by one.

use axum::routing::{get, post};
use axum::{Extension, Router};

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
    const ALL: [Self; 2] = [Self::Primary, Self::Secondary];

    /// As the interface and addresses call it.
    fn key(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Primary => "Primary",
            Self::Secondary => "Secondary",
        }
    }

    fn path(self, group: &str) -> String {
        format!("{}/{}", format::group_path(group), self.key())
    }
}

/// A group in the REST interface.
fn resource(id: &str) -> String {
    format!("/api/enrollmentGroups/{}", format::encoded(id))
}
