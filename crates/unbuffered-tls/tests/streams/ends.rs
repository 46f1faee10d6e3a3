//! How connections end.

use std::io::ErrorKind;
use std::sync::{Arc, LazyLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;
use unbuffered_tls::ClientStream;

use crate::identities::{Identity, VERSIONS, localhost};

static IDENTITY: LazyLock<Identity> = LazyLock::new(Identity::new);

type Server = tokio_rustls::server::TlsStream<DuplexStream>;

async fn connected(version: usize) -> (ClientStream<DuplexStream>, Server) {
    let (ours, theirs) = duplex(1 << 16);
    let acceptor = TlsAcceptor::from(Arc::new(IDENTITY.server(VERSIONS[version])));
    let client = unbuffered_tls::connect(Arc::new(IDENTITY.client(VERSIONS[version])), localhost(), ours);
    tokio::try_join!(client, acceptor.accept(theirs)).unwrap()
}

#[tokio::test]
async fn an_end_without_close_notify_is_no_end_of_the_data() {
    for version in 0..VERSIONS.len() {
        let (mut client, mut server) = connected(version).await;
        server.write_all(b"last words").await.unwrap();
        server.flush().await.unwrap();
        drop(server);
        let mut heard = Vec::new();
        let error = client.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!(
            (error.kind(), &heard[..]),
            (ErrorKind::UnexpectedEof, &b"last words"[..])
        );
        // It stays so.
        assert_eq!(
            client.read(&mut [0; 8]).await.unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
    }
}

#[tokio::test]
async fn a_close_notify_ends_one_direction_and_the_other_goes_on() {
    for version in 0..VERSIONS.len() {
        let (mut client, mut server) = connected(version).await;
        // Theirs first. tokio-rustls closes the transport as well, which still lets it read.
        server.write_all(b"that is all").await.unwrap();
        server.shutdown().await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"that is all");
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        client.write_all(b"and here").await.unwrap();
        client.shutdown().await.unwrap();
        heard.clear();
        server.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"and here");

        // Ours first.
        let (mut client, mut server) = connected(version).await;
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.write_all(b"later").await.unwrap();
        server.shutdown().await.unwrap();
        heard.clear();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"later");
        let error = client.write(b"too late").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        // Once more changes nothing.
        client.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_handshake_that_the_other_side_leaves_is_an_unexpected_end() {
    let (ours, theirs) = duplex(1 << 16);
    drop(theirs);
    let server = unbuffered_tls::accept(Arc::new(IDENTITY.server(VERSIONS[0])), ours).await;
    assert_eq!(server.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}
