//! What goes wrong, and how the other side learns of it.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use rustls::{AlertDescription, CertificateError, Error};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::identities::{Identity, VERSIONS, localhost};

static IDENTITY: LazyLock<Identity> = LazyLock::new(Identity::new);
static STRANGER: LazyLock<Identity> = LazyLock::new(Identity::new);

fn tls(error: io::Error) -> Error {
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    error.downcast().unwrap()
}

#[tokio::test]
async fn a_client_refuses_a_strange_server_and_the_server_gets_the_alert() {
    for version in VERSIONS {
        let (ours, theirs) = duplex(1 << 16);
        let acceptor = TlsAcceptor::from(Arc::new(IDENTITY.server(version)));
        let client = unbuffered_tls::connect(Arc::new(STRANGER.client(version)), localhost(), ours);
        let (client, server) = tokio::join!(client, acceptor.accept(theirs));
        let error = tls(client.unwrap_err());
        assert_eq!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert_eq!(
            tls(server.unwrap_err()),
            Error::AlertReceived(AlertDescription::UnknownCA)
        );
    }
}

#[tokio::test]
async fn a_server_refuses_a_strange_client_and_the_client_gets_the_alert() {
    for version in VERSIONS {
        let (ours, theirs) = duplex(1 << 16);
        let mut config = STRANGER.client(version);
        // It trusts the server, and is not trusted.
        config.dangerous().set_certificate_verifier(
            rustls::client::WebPkiServerVerifier::builder_with_provider(
                Arc::clone(&IDENTITY.roots),
                Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            )
            .build()
            .unwrap(),
        );
        let connector = TlsConnector::from(Arc::new(config));
        let server = unbuffered_tls::accept(Arc::new(IDENTITY.server(version)), ours);
        let client = async {
            // With TLS 1.3 a client is done before the server has seen its certificate.
            let mut stream = connector.connect(localhost(), theirs).await?;
            stream.read(&mut [0; 8]).await
        };
        let (server, client) = tokio::join!(server, client);
        assert_eq!(
            tls(server.unwrap_err()),
            Error::InvalidCertificate(CertificateError::UnknownIssuer)
        );
        assert_eq!(
            tls(client.unwrap_err()),
            Error::AlertReceived(AlertDescription::UnknownCA)
        );
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_the_server_s_alert() {
    for version in VERSIONS {
        let (ours, theirs) = duplex(1 << 16);
        let acceptor = TlsAcceptor::from(Arc::new(IDENTITY.server(version)));
        let client = async {
            let config = Arc::new(IDENTITY.anonymous(version));
            let mut stream = unbuffered_tls::connect(config, localhost(), ours).await?;
            stream.read(&mut [0; 8]).await
        };
        let (client, server) = tokio::join!(client, acceptor.accept(theirs));
        server.unwrap_err();
        let alert = tls(client.unwrap_err());
        let expected = [
            AlertDescription::CertificateRequired,
            AlertDescription::HandshakeFailure,
        ];
        assert!(
            matches!(&alert, Error::AlertReceived(alert) if expected.contains(alert)),
            "{alert:?}"
        );
    }
}

/// A transport into which the test puts bytes of its own.
struct Disturbed {
    inner: DuplexStream,
    injected: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Disturbed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let injected = std::mem::take(&mut *self.injected.lock().unwrap());
        if !injected.is_empty() {
            buf.put_slice(&injected);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Disturbed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn what_came_before_a_forged_record_is_read_and_then_it_is_an_error_with_an_alert() {
    for version in VERSIONS {
        let (inner, theirs) = duplex(1 << 16);
        let injected = Arc::default();
        let ours = Disturbed {
            inner,
            injected: Arc::clone(&injected),
        };
        let connector = TlsConnector::from(Arc::new(IDENTITY.client(version)));
        let server = unbuffered_tls::accept(Arc::new(IDENTITY.server(version)), ours);
        let (mut server, mut client) = tokio::try_join!(server, connector.connect(localhost(), theirs)).unwrap();
        client.write_all(b"true").await.unwrap();
        let mut piece = [0; 64];
        // A reader with less room than there is plaintext: the rest is kept.
        assert_eq!(server.read(&mut piece[..2]).await.unwrap(), 2);
        let forged = [&[23, 3, 3, 0, 40][..], &[9; 40]].concat();
        injected.lock().unwrap().extend(forged);
        assert_eq!(server.read(&mut piece[2..]).await.unwrap(), 2);
        assert_eq!(&piece[..4], b"true");
        for _ in 0..2 {
            assert_eq!(tls(server.read(&mut piece).await.unwrap_err()), Error::DecryptError);
        }
        assert_eq!(tls(server.write(b"x").await.unwrap_err()), Error::DecryptError);
        let alert = tls(client.read(&mut piece).await.unwrap_err());
        assert_eq!(alert, Error::AlertReceived(AlertDescription::BadRecordMac));
        // It can still be closed; there is nothing to say any more.
        server.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn bytes_that_are_no_tls_end_a_handshake_with_an_alert() {
    let (ours, mut theirs) = duplex(1 << 16);
    theirs
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let server = unbuffered_tls::accept(Arc::new(IDENTITY.server(VERSIONS[1])), ours).await;
    assert!(matches!(tls(server.unwrap_err()), Error::InvalidMessage(_)));
    let mut heard = Vec::new();
    theirs.read_to_end(&mut heard).await.unwrap();
    // An alert record: fatal, decode_error.
    assert_eq!((heard.len(), heard[0], &heard[5..]), (7, 21, &[2, 50][..]));
}

#[tokio::test]
async fn a_handshake_message_that_never_ends_is_refused() {
    let (ours, mut theirs) = duplex(1 << 16);
    let server = tokio::spawn(unbuffered_tls::accept(Arc::new(IDENTITY.server(VERSIONS[1])), ours));
    // A ClientHello of 16 MB, in records as large as they can be.
    let mut record = vec![22, 3, 1, 0x40, 0];
    record.extend([1, 0xFF, 0xFF, 0xFF]);
    record.resize(5 + 0x4000, 0);
    let mut sent = 0;
    while theirs.write_all(&record).await.is_ok() {
        sent += record.len();
        record[5..9].fill(0);
        assert!(sent < 1 << 20, "{sent} bytes are taken");
    }
    assert_eq!(server.await.unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
}
