use std::fs;
use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};
use rustls::ServerConnection;
use tempfile::TempDir;
use testing::soon;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::collect::address::Host;

const SHARDS: u32 = 3;

fn shard(index: u32) -> Shard {
    let count = NonZeroU32::new(SHARDS).unwrap();
    Shard { index, count }
}

fn now() -> Timestamp {
    Timestamp::now()
}

fn made(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<Host> = names.iter().map(|name| name.parse().unwrap()).collect();
    make(folder.path(), &names, shard(0).count, now()).unwrap();
    folder
}

fn client(folder: &Path, shard: Shard, now: Timestamp) -> anyhow::Result<std::sync::Arc<rustls::ClientConfig>> {
    clients(folder, [shard], now).map(|mut all| all.remove(&shard.index).unwrap())
}

/// What both sides make of a handshake over a real socket: the client sends a byte once it is through.
async fn handshake(
    client: std::sync::Arc<rustls::ClientConfig>,
    server: std::sync::Arc<rustls::ServerConfig>,
    host: &str,
) -> (Result<(), String>, Result<Shard, String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(server)
            .accept(socket)
            .await
            .map_err(|e| e.to_string())?;
        stream.read_u8().await.map_err(|error| error.to_string())?;
        let connection: &ServerConnection = stream.get_ref().1;
        let shard = shard_of(connection).map_err(|error| error.to_string());
        stream.write_u8(1).await.map_err(|error| error.to_string())?;
        shard
    };
    let name = host.parse::<Host>().unwrap().name();
    let connect = async {
        let socket = TcpStream::connect(address).await.unwrap();
        let mut stream = TlsConnector::from(client)
            .connect(name, socket)
            .await
            .map_err(|error| error.to_string())?;
        stream.write_u8(1).await.map_err(|error| error.to_string())?;
        stream.read_u8().await.map(drop).map_err(|error| error.to_string())
    };
    soon("a handshake", async { tokio::join!(connect, serve) }).await
}

#[tokio::test]
async fn a_sim_reaches_its_collector_under_each_of_its_names_and_is_known_by_its_shard() {
    let folder = made(&["collector.example.net", "192.0.2.7", "2001:db8::7"]);
    let server = server(folder.path(), SHARDS, now()).unwrap();
    let all = clients(folder.path(), (0..SHARDS).map(shard), now()).unwrap();
    for name in [
        "collector.example.net",
        "192.0.2.7",
        "2001:db8::7",
        "localhost",
        "127.0.0.1",
        "::1",
    ] {
        let (client, known) = handshake(all[&1].clone(), server.clone(), name).await;
        assert_eq!((client, known), (Ok(()), Ok(shard(1))), "{name}");
    }
    let (client, _) = handshake(all[&1].clone(), server, "other.example.net").await;
    let client = client.unwrap_err();
    assert!(client.contains("not valid for name"), "{client}");
}

#[tokio::test]
async fn a_folder_of_one_shard_is_enough_on_its_machine() {
    let folder = made(&[]);
    let own = folder_of_sim(folder.path(), shard(2));
    let client = client(&own, shard(2), now()).unwrap();
    let server = server(folder.path(), SHARDS, now()).unwrap();
    let (client, known) = handshake(client, server, "localhost").await;
    assert_eq!((client, known), (Ok(()), Ok(shard(2))));
}

#[tokio::test]
async fn neither_side_takes_one_of_another_fleet() {
    let (ours, theirs) = (made(&[]), made(&[]));
    let client = client(ours.path(), shard(0), now()).unwrap();
    let foreign = server(theirs.path(), SHARDS, now()).unwrap();
    let (client, known) = handshake(client, foreign, "localhost").await;
    let client = client.unwrap_err();
    assert!(client.contains("BadSignature"), "{client}");
    known.unwrap_err();
}

#[tokio::test]
async fn a_client_without_a_certificate_or_with_another_protocol_is_turned_away() {
    let folder = made(&[]);
    let server = server(folder.path(), SHARDS, now()).unwrap();
    let good = client(folder.path(), shard(0), now()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let ca = provisioning::certificate::load::certificates(&folder.path().join(CA)).unwrap();
    roots.add(ca[0].clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let bare = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (client, known) = handshake(bare.into(), server.clone(), "localhost").await;
    client.unwrap_err();
    assert!(known.unwrap_err().contains("no certificates"));
    for (protocols, words) in [(vec![b"h2".to_vec()], "ALPN"), (vec![], "the protocol of a sim")] {
        let mut other = (*good).clone();
        other.alpn_protocols = protocols;
        let (_, known) = handshake(other.into(), server.clone(), "localhost").await;
        let known = known.unwrap_err();
        assert!(known.contains(words) || known.contains("protocol"), "{known}");
    }
}

#[test]
fn all_that_is_wrong_is_reported_with_what_helps() {
    let folder = made(&[]);
    let own = |index| Pair::of_sim(&folder_of_sim(folder.path(), shard(index)));
    fs::remove_file(own(0).key).unwrap();
    fs::copy(own(2).certificate, own(1).certificate).unwrap();
    fs::copy(own(2).key, own(1).key).unwrap();
    let text = clients(folder.path(), (0..SHARDS).map(shard), now())
        .unwrap_err()
        .to_string();
    let text = text.replace(&folder.path().display().to_string(), "DIR");
    assert_eq!(
        text,
        "the credentials of the collector and its sims in `DIR` can't be used:\n  \
         `DIR/sim-0-of-3/sim.key` is missing\n  \
         `DIR/sim-1-of-3/sim.crt` is of shard 2/3, and shard 1/3 is to be simulated\n\
         hint: `fleet prepare MANIFEST --plan FILE --collector NAME --shards 3` makes them; a sim needs `ca.crt`, `sim.crt` \
         and `sim.key` of its shard, or the whole folder"
    );
}

#[test]
fn what_can_not_be_used_is_refused_by_name() {
    let folder = made(&[]);
    let path = folder.path();
    let refused = |now| {
        let [client, server] = [
            client(path, shard(0), now).map(drop),
            server(path, SHARDS, now).map(drop),
        ];
        [client.unwrap_err().to_string(), server.unwrap_err().to_string()]
    };
    let year = SignedDuration::from_hours(366 * 24);
    for text in refused(now() + year) {
        assert!(text.contains("expired on"), "{text}");
    }
    let other = made(&[]);
    fs::copy(other.path().join(CA), path.join(CA)).unwrap();
    for text in refused(now()) {
        assert!(text.contains("is not signed by the CA of `ca.crt`"), "{text}");
    }
    fs::write(path.join(CA), "nothing").unwrap();
    for text in refused(now()) {
        assert!(text.contains("ca.crt"), "{text}");
    }
    fs::remove_file(path.join(CA)).unwrap();
    for text in refused(now()) {
        assert!(text.contains("ca.crt` is missing"), "{text}");
    }
    let nowhere = path.join("nowhere");
    let text = client(&nowhere, shard(0), now()).unwrap_err().to_string();
    assert!(text.contains("there is no folder"), "{text}");
}

#[test]
fn made_anew_they_take_the_place_of_all_and_their_number_is_bounded() {
    let folder = made(&[]);
    let before = fs::read(folder.path().join(CA)).unwrap();
    make(folder.path(), &[], shard(0).count, now()).unwrap();
    assert_ne!(fs::read(folder.path().join(CA)).unwrap(), before);
    client(folder.path(), shard(1), now()).unwrap();
    let many = NonZeroU32::new(MOST_SHARDS + 1).unwrap();
    make(folder.path(), &[], many, now()).unwrap_err();
}

#[cfg(unix)]
#[test]
fn no_other_user_reads_a_key_and_the_key_of_the_ca_is_nowhere() {
    use std::os::unix::fs::PermissionsExt;
    let folder = made(&[]);
    let mut folders = vec![folder.path().to_path_buf()];
    let mut keys = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read_to_string(&path).unwrap().contains("PRIVATE") {
                keys += 1;
                assert_eq!(
                    fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                    0o600,
                    "{path:?}"
                );
                assert_eq!(path.extension().unwrap(), "key");
                assert_ne!(path.file_stem().unwrap(), "ca");
            }
        }
    }
    assert_eq!(keys, SHARDS + 1);
}
