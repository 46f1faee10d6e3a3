//! Whatever is sent arrives, however it is cut.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, LazyLock};
use std::task::Poll;

use proptest::prelude::*;
use rustls::{HandshakeKind, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex, split};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::chopped::pair;
use crate::identities::{Identity, VERSIONS, localhost};

static IDENTITY: LazyLock<Identity> = LazyLock::new(Identity::new);
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
});

/// Messages of one side: a size each, and a flush after each.
async fn speak(stream: &mut (impl AsyncWrite + Unpin), sizes: &[usize], seed: u8) {
    for (number, size) in sizes.iter().enumerate() {
        stream.write_all(&message(number, *size, seed)).await.unwrap();
        stream.flush().await.unwrap();
    }
    stream.shutdown().await.unwrap();
}

fn message(number: usize, size: usize, seed: u8) -> Vec<u8> {
    (0..size)
        .map(|at| (at.wrapping_mul(31) + number) as u8 ^ seed)
        .collect()
}

fn all(sizes: &[usize], seed: u8) -> Vec<u8> {
    let messages = sizes.iter().enumerate();
    messages
        .flat_map(|(number, size)| message(number, *size, seed))
        .collect()
}

/// Reads to the end in pieces of `room`. Every second poll is given up as if it were cancelled, so nothing may be in the
/// future of a read.
async fn hear(stream: &mut (impl AsyncRead + Unpin), room: usize) -> Vec<u8> {
    let (mut heard, mut piece) = (Vec::new(), vec![0; room]);
    let mut cancel = false;
    loop {
        let read = {
            let mut reading = std::pin::pin!(stream.read(&mut piece));
            poll_fn(|cx| match reading.as_mut().poll(cx) {
                Poll::Ready(read) => Poll::Ready(Some(read.unwrap())),
                Poll::Pending if cancel => Poll::Ready(None),
                Poll::Pending => {
                    cancel = true;
                    Poll::Pending
                }
            })
            .await
        };
        cancel = false;
        match read {
            Some(0) => return heard,
            Some(size) => heard.extend_from_slice(&piece[..size]),
            None => {}
        }
    }
}

/// Both sides from the handshake on, and both directions at once; each side closes when it has sent everything, and reads on.
/// (The server's handshake is over when its tickets are sent, for which the client may have to read.)
async fn converse<A, B>(
    one: impl Future<Output = io::Result<A>>,
    other: impl Future<Output = io::Result<B>>,
    Talk { there, back, room, .. }: &Talk,
) where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let one = async {
        let (mut reads, mut writes) = split(one.await.unwrap());
        tokio::join!(speak(&mut writes, there, 1), hear(&mut reads, *room)).1
    };
    let other = async {
        let (mut reads, mut writes) = split(other.await.unwrap());
        tokio::join!(speak(&mut writes, back, 2), hear(&mut reads, *room)).1
    };
    let (heard_back, heard_there) = tokio::join!(one, other);
    assert!(heard_there == all(there, 1), "what was sent is not what came");
    assert!(heard_back == all(back, 2), "what was sent back is not what came");
}

/// What both sides say, and what the transport does to it.
#[derive(Debug, Clone)]
struct Talk {
    there: Vec<usize>,
    back: Vec<usize>,
    cuts: Vec<usize>,
    capacity: usize,
    room: usize,
}

/// Short messages that come in crumbs, or messages around the limits of a record in larger pieces. A cut of 0 is a poll that
/// finds nothing ready.
fn talks() -> impl Strategy<Value = Talk> {
    let talk = |size: BoxedStrategy<usize>, cut: BoxedStrategy<usize>, capacity: BoxedStrategy<usize>| {
        let sizes = prop::collection::vec(size, 0..4);
        let cuts = prop::collection::vec(prop_oneof![Just(0), cut], 1..9);
        (
            sizes.clone(),
            sizes,
            cuts,
            capacity,
            prop_oneof![1usize..64, Just(30_000)],
        )
    };
    let crumbs = talk((0usize..400).boxed(), (1usize..9).boxed(), (1usize..64).boxed());
    let size = prop_oneof![0usize..80, Just(16_384), Just(16_385), 16_000usize..40_000];
    let pieces = talk(size.boxed(), (500usize..20_000).boxed(), (1_000usize..100_000).boxed());
    prop_oneof![crumbs, pieces].prop_map(|(there, back, cuts, capacity, room)| Talk {
        there,
        back,
        cuts,
        capacity,
        room,
    })
}

fn versions() -> impl Strategy<Value = &'static SupportedProtocolVersion> {
    prop::sample::select(&VERSIONS[..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_client_and_another_server_understand_each_other(
        version in versions(),
        talk in talks(),
    ) {
        RUNTIME.block_on(async {
            let (cut, whole) = pair(&talk.cuts, talk.capacity);
            let acceptor = TlsAcceptor::from(Arc::new(IDENTITY.server(version)));
            let client = unbuffered_tls::connect(Arc::new(IDENTITY.client(version)), localhost(), cut);
            let server = async {
                let server = acceptor.accept(whole).await?;
                assert_eq!(server.get_ref().1.protocol_version(), Some(version.version));
                assert_eq!(server.get_ref().1.peer_certificates().unwrap(), std::slice::from_ref(&IDENTITY.leaf));
                Ok(server)
            };
            converse(client, server, &talk).await;
        });
    }

    #[test]
    fn a_server_and_another_client_understand_each_other(
        version in versions(),
        talk in talks(),
    ) {
        RUNTIME.block_on(async {
            let (cut, whole) = pair(&talk.cuts, talk.capacity);
            let connector = TlsConnector::from(Arc::new(IDENTITY.client(version)));
            let server = async {
                let server = unbuffered_tls::accept(Arc::new(IDENTITY.server(version)), cut).await?;
                assert_eq!(server.peer_certificates().unwrap(), std::slice::from_ref(&IDENTITY.leaf));
                Ok(server)
            };
            converse(server, connector.connect(localhost(), whole), &talk).await;
        });
    }
}

#[tokio::test]
async fn keys_are_updated_from_either_side() {
    let (ours, theirs) = duplex(1 << 16);
    let (client_config, server_config) = (IDENTITY.client(VERSIONS[1]), IDENTITY.server(VERSIONS[1]));
    let connector = TlsConnector::from(Arc::new(client_config));
    let server = unbuffered_tls::accept(Arc::new(server_config), ours);
    let (mut server, mut client) = tokio::try_join!(server, connector.connect(localhost(), theirs)).unwrap();
    let mut piece = [0; 16];
    for round in 0..3 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(b"with new keys").await.unwrap();
        client.flush().await.unwrap();
        let size = server.read(&mut piece).await.unwrap();
        assert_eq!(&piece[..size], b"with new keys", "round {round}");
        // The update asks for one in return, which goes out with what is written next.
        server.write_all(b"and back").await.unwrap();
        let size = client.read(&mut piece).await.unwrap();
        assert_eq!(&piece[..size], b"and back", "round {round}");
    }
}

#[tokio::test]
async fn a_session_is_resumed_with_the_ticket_that_came_after_the_handshake() {
    for version in VERSIONS {
        let mut server_config = IDENTITY.server(version);
        server_config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server_config));
        let client_config = Arc::new(IDENTITY.client(version));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let (ours, theirs) = duplex(1 << 16);
            let client = unbuffered_tls::connect(Arc::clone(&client_config), localhost(), ours);
            let (mut client, mut server) = tokio::try_join!(client, acceptor.accept(theirs)).unwrap();
            server.write_all(b"hello").await.unwrap();
            let mut piece = [0; 5];
            client.read_exact(&mut piece).await.unwrap();
            assert_eq!(&piece, b"hello");
            kinds.push(server.get_ref().1.handshake_kind().unwrap());
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "{version:?}");
    }
}

#[tokio::test]
async fn handshake_messages_of_several_records_are_joined() {
    // More than a record, and more than the buffer that is there for one.
    let identity = Identity::with_ballast(40_000);
    for version in VERSIONS {
        let (cut, whole) = pair(&[1000, 0, 17], 1 << 17);
        let acceptor = TlsAcceptor::from(Arc::new(identity.server(version)));
        let client = async {
            let client = unbuffered_tls::connect(Arc::new(identity.client(version)), localhost(), cut).await?;
            assert_eq!(
                client.peer_certificates().unwrap(),
                std::slice::from_ref(&identity.leaf)
            );
            Ok(client)
        };
        let talk = Talk {
            there: vec![3],
            back: vec![20_000],
            cuts: Vec::new(),
            capacity: 0,
            room: 100,
        };
        converse(client, acceptor.accept(whole), &talk).await;

        let (cut, whole) = pair(&[1000, 0, 17], 1 << 17);
        let connector = TlsConnector::from(Arc::new(identity.client(version)));
        let server = unbuffered_tls::accept(Arc::new(identity.server(version)), cut);
        let (server, _client) = tokio::try_join!(server, connector.connect(localhost(), whole)).unwrap();
        assert_eq!(
            server.peer_certificates().unwrap(),
            std::slice::from_ref(&identity.leaf)
        );
    }
}

#[tokio::test]
async fn what_a_peer_does_not_read_is_kept_up_to_one_record() {
    let (ours, theirs) = duplex(1000);
    let acceptor = TlsAcceptor::from(Arc::new(IDENTITY.server(VERSIONS[0])));
    let client = unbuffered_tls::connect(Arc::new(IDENTITY.client(VERSIONS[0])), localhost(), ours);
    let (mut client, mut server) = tokio::try_join!(client, acceptor.accept(theirs)).unwrap();
    let data = vec![7; 100_000];
    let mut accepted = 0;
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(size) = std::pin::Pin::new(&mut client).poll_write(&mut cx, &data[accepted..]) {
        accepted += size.unwrap();
    }
    assert!((1..=16_384).contains(&accepted), "{accepted} bytes");
    let mut read = vec![0; accepted];
    let (flushed, received) = tokio::join!(client.flush(), server.read_exact(&mut read));
    flushed.unwrap();
    received.unwrap();
    assert_eq!(read, data[..accepted]);

    // A reader without room takes nothing.
    let mut none = ReadBuf::new(&mut []);
    assert!(std::pin::Pin::new(&mut client).poll_read(&mut cx, &mut none).is_ready());
}
