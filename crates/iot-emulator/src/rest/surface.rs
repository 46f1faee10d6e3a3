//! What a list of routes is: each route with what it is about. A route is served only by standing in such a list, so that whatever
//! walks the list, as a test does, has seen every route.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;

use super::{Rest, middleware};
use crate::central::Resource;

/// Routes, and the router that serves them.
pub(super) struct Surface {
    router: Router<Rest>,
    routes: Vec<Route>,
}

/// A path, as the router writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) resource: Resource,
}

impl Surface {
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            routes: Vec::new(),
        }
    }

    /// Serves a path, to callers whose role allows it.
    pub(super) fn route(mut self, path: &'static str, resource: Resource, methods: MethodRouter<Rest>) -> Self {
        self.routes.push(Route { path, resource });
        let methods = methods.layer(from_fn_with_state(resource, middleware::role));
        self.router = self.router.route(path, methods);
        self
    }

    pub(super) fn into_router(self) -> Router<Rest> {
        self.router
    }

    #[cfg(test)]
    pub(super) fn routes(&self) -> &[Route] {
        &self.routes
    }
}
