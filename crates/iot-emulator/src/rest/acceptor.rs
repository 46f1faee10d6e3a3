//! TLS that keeps the certificates that a client has shown, for the handlers that authenticate by them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tower::Layer;

use crate::dps::https::Shown;
use crate::tls;

/// Makes TLS, and adds [`Shown`] to each request.
#[derive(Debug, Clone)]
pub(super) struct Acceptor(RustlsAcceptor);

impl Acceptor {
    pub(super) fn new(tls: Arc<ServerConfig>) -> Self {
        Self(RustlsAcceptor::new(RustlsConfig::from_config(tls)))
    }
}

type Inner<S> = <RustlsAcceptor as Accept<TcpStream, S>>::Service;

impl<S: Send + 'static> Accept<TcpStream, S> for Acceptor {
    type Stream = TlsStream<TcpStream>;
    type Service = AddExtension<Inner<S>, Shown>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let acceptor = self.0.clone();
        Box::pin(async move {
            let (stream, service) = acceptor.accept(stream, service).await?;
            let shown = Shown(tls::shown(stream.get_ref().1).into());
            Ok((stream, Extension(shown).layer(service)))
        })
    }
}
