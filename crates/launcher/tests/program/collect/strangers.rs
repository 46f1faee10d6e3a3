//! Peers that are none of a run's sims.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;

use fleet_protocol::collect::{ALPN, Hello, Refusal, ToCollector};
use fleet_protocol::lines::EndReason;

use super::scripted::{Sim, hello, tls};
use super::{World, account};

#[test]
fn sims_of_another_run_or_split_or_shard_are_refused_with_the_reason() {
    let world = World::new();
    let (mut collector, address) = world.collect(&[]);
    let own = hello(&world.run_id, 1, 5);
    let three = own.count;
    for (hello, why, words) in [
        (
            hello("20200101T000000000", 1, 5),
            Refusal::OtherRun,
            "give both the same plan",
        ),
        (
            Hello {
                count: NonZeroU32::new(4).unwrap(),
                ..own.clone()
            },
            Refusal::OtherShards,
            "the fleet is cut into 3 shards here, and the sim has shard 1 of 4",
        ),
        (
            Hello {
                devices: 3,
                ..own.clone()
            },
            Refusal::OtherShards,
            "shard 1/3 has 2 devices here, and 3 in the sim's plan",
        ),
        (Hello { version: 2, ..own }, Refusal::Version, "use the same program"),
        (
            hello(&world.run_id, 2, 5),
            Refusal::NotItsShard,
            "the certificate is of shard 1/3, and the sim has shard 2/3",
        ),
    ] {
        let refused = Sim::connect(address, &world.credentials(1), hello).refused();
        assert_eq!(refused.0, why);
        assert!(refused.1.contains(words), "{}", refused.1);
        let line = collector.wait_for(" is refused: ");
        assert!(line.contains(words) && line.contains("127.0.0.1:"), "{line}");
    }
    assert_eq!(three.get(), 3);
    // None of them is in the way of those that belong here.
    for sim in &mut world.all(address) {
        sim.stats(1, &[1]);
        sim.end(EndReason::StagesOver);
    }
    assert_eq!(collector.end_in_time().0, Some(0));
    assert_eq!(account(&world.fleet.report()), (3, 3));
}

#[test]
fn peers_without_a_certificate_of_the_run_or_that_speak_otherwise_are_named_and_turned_away() {
    let world = World::new();
    let (mut collector, address) = world.collect(&[]);
    // Another CA, with the right names.
    let other = World::new();
    let stranger = tls(&other.credentials(1), ALPN);
    let mut trusting = rustls::RootCertStore::empty();
    trusting
        .add(
            rustls_pki_types::pem::PemObject::from_pem_file(world.credentials(1).join("ca.crt"))
                .map(|ca: rustls_pki_types::CertificateDer<'static>| ca)
                .unwrap(),
        )
        .unwrap();
    let mut config = (*stranger).clone();
    config.dangerous().set_certificate_verifier(
        rustls::client::WebPkiServerVerifier::builder_with_provider(
            trusting.into(),
            rustls::crypto::aws_lc_rs::default_provider().into(),
        )
        .build()
        .unwrap(),
    );
    let mut sim = Sim::reach_with(address, config.into());
    // With TLS 1.3, the client has finished before the server has looked at its certificate.
    let _ = sim.write(b"\n");
    assert!(sim.message().is_none());
    collector.wait_for(" is turned away: no TLS handshake: ");

    // Another protocol within TLS.
    let mut sim = Sim::reach_with(address, tls(&world.credentials(1), b"http/1.1"));
    let _ = sim.write(b"\n");
    assert!(sim.message().is_none());
    collector.wait_for(" is turned away: no TLS handshake: ");

    // Another protocol without.
    let mut plain = TcpStream::connect(address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    plain.set_read_timeout(Some(testing::PATIENCE)).unwrap();
    // It may be reset, too.
    let _ = plain.read_to_end(&mut Vec::new());
    collector.wait_for(" is turned away: no TLS handshake: ");

    for (line, words) in [
        (
            &b"what?\x1b[31m\n"[..],
            "a line that isn't part of the protocol: what?\\u{1b}[31m",
        ),
        (b"{\"type\":\"ended\",\"n\":1}\n", "its first message is no hello"),
        (&[b'x'; 300 << 10], "a line of more than 262144 bytes"),
    ] {
        let mut sim = Sim::reach(address, &world.credentials(1));
        // The rest may find the connection closed.
        let _ = sim.write(line);
        assert!(sim.message().is_none());
        let line = collector.wait_for(" is turned away: ");
        assert!(line.contains(words), "{line}");
    }

    // One that says nothing, before and after its handshake.
    let silent = TcpStream::connect(address).unwrap();
    let mut mute = Sim::reach(address, &world.credentials(1));
    mute.write(b"").unwrap();
    assert!(mute.message().is_none());
    drop(silent);
    let first = collector.wait_for(" within 10 s");
    let second = collector.wait_for(" within 10 s");
    let both = format!("{first}\n{second}");
    assert!(
        both.contains("no TLS handshake within 10 s") && both.contains("no hello within 10 s"),
        "{both}"
    );

    // One that was let in, and then talks nonsense: it can come back.
    let [mut zero, mut one, mut two] = world.all(address);
    one.stats(1, &[1]);
    one.write(b"[]\n").unwrap();
    assert!(one.message().is_none());
    let line = collector.wait_for("shard 1/3 is lost");
    assert!(
        line.contains("a line that isn't part of the protocol: [] at 127.0.0.1:"),
        "{line}"
    );
    let mut one = world.again(address, 1, 11);
    assert_eq!(one.welcome(), 1);
    one.send(&ToCollector::Ended { n: 7, died: None });
    assert!(one.message().is_none());
    collector.wait_for("number 7 after number 1 at 127.0.0.1:");
    let mut one = world.again(address, 1, 11);
    assert_eq!(one.welcome(), 1);
    for sim in [&mut zero, &mut one, &mut two] {
        sim.stats(2, &[2]);
        sim.end(EndReason::StagesOver);
    }
    assert_eq!(collector.end_in_time().0, Some(0));
    assert_eq!(account(&world.fleet.report()), (6, 4));
}

#[test]
fn a_sim_that_does_not_read_is_dropped_and_the_others_go_on() {
    let world = World::new();
    let (mut collector, address) = world.collect(&[]);
    let [mut zero, mut one, mut two] = world.all(address);
    // It asks again and again, by a number that was taken long ago, and reads none of the answers.
    one.stats(1, &[1]);
    let line = b"{\"type\":\"ended\",\"n\":1}\n".repeat(512);
    while one.write(&line).is_ok() {}
    let lost = collector.wait_for("shard 1/3 is lost");
    assert!(lost.contains("the sim does not read what it is sent"), "{lost}");
    let mut one = world.again(address, 1, 11);
    assert_eq!(one.welcome(), 1);
    for sim in [&mut zero, &mut one, &mut two] {
        sim.stats(2, &[2]);
        sim.end(EndReason::StagesOver);
    }
    assert_eq!(collector.end_in_time().0, Some(0));
    assert_eq!(account(&world.fleet.report()), (6, 4));
}
