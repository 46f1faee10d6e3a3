//! How more is served on the REST listeners than the REST interface. [`Emulator::start_with`](crate::Emulator::start_with)
//! asks an extension for a router once for each listener.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::central::Role;
use crate::gate::Click;
use crate::services::Services;
use crate::view::View;

pub use crate::sign_in::SignIn;

/// The extension that serves nothing.
pub(crate) fn nothing(listener: Listener) -> Router {
    Router::new().fallback(move |request: Request<Body>| async move { listener.unknown(request).await })
}

/// What makes the router for a listener.
pub(crate) type Extend<'a> = &'a dyn Fn(Listener) -> Router;

/// A REST listener, as an extension gets it.
#[derive(Debug, Clone)]
pub struct Listener {
    pub(crate) services: Arc<Services>,
    /// The REST interface, not yet behind its token.
    pub(crate) interface: Router,
    /// The same behind its token, as the listener serves it.
    pub(crate) guarded: Router,
    pub(crate) scheme: &'static str,
    pub(crate) port: u16,
    pub(crate) stop: CancellationToken,
}

impl Listener {
    /// The emulator, to be read.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(Arc::clone(&self.services))
    }

    /// `https`, or `http` for the listener without TLS.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Links and sessions of people. Both listeners share them.
    #[must_use]
    pub fn sign_in(&self) -> &SignIn {
        &self.services.sign_in
    }

    /// Whether this is the API token.
    #[must_use]
    pub fn is_api_token(&self, given: &[u8]) -> bool {
        self.services.token.is(given)
    }

    /// Sends a request to the REST interface in this process. It has the rights of the API token, whether or not it
    /// carries one; neither quotas nor faults are in its way.
    pub async fn call(&self, mut request: Request<Body>) -> Response {
        request.extensions_mut().insert(Role::Administrator);
        request.extensions_mut().insert(Click);
        match self.interface.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }

    /// The answer to a path that nothing serves, for a router's fallback: the token is asked for, then there is no such
    /// resource.
    pub async fn unknown(&self, request: Request<Body>) -> Response {
        match self.guarded.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }

    /// Waits until the emulator stops. An answer that would go on for ever has to end then.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}
