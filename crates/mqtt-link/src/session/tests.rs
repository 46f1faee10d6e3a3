//! The session in virtual time.

use proptest::prelude::*;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, SubAck, UnsubAck};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Times are seconds since the session began.
struct Rig {
    session: Session,
    start: Instant,
}

impl Rig {
    fn new(keep_alive: u64, window: u16) -> Self {
        let start = Instant::now();
        Self {
            session: Session::new(Duration::from_secs(keep_alive), window, start),
            start,
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn publish(&mut self, seconds: u64) -> Result<u16, PublishError> {
        let now = self.at(seconds);
        let (packet, id) = self
            .session
            .publish("t".to_owned(), Bytes::new(), Qos::AtLeastOnce, false, now)?;
        let Packet::Publish(publish) = packet else {
            panic!("{packet:?}")
        };
        assert_eq!(Some(publish.pkid), id.map(PacketId::get));
        Ok(publish.pkid)
    }

    fn receive(&mut self, packet: Packet, seconds: u64) -> Result<Option<Incoming>, ProtocolError> {
        let now = self.at(seconds);
        self.session.receive(packet, now)
    }

    fn deadline(&self) -> Option<u64> {
        self.session
            .deadline()
            .map(|deadline| (deadline - self.start).as_secs())
    }

    fn tick(&mut self, seconds: u64) -> Result<Option<Packet>, LinkError> {
        let now = self.at(seconds);
        self.session.tick(now)
    }
}

#[test]
fn ping_is_due_after_silence_in_either_direction() {
    let mut rig = Rig::new(60, 10);
    assert_eq!(rig.deadline(), Some(60));
    assert_eq!(rig.tick(59).unwrap(), None);
    // Sending alone does not put it off: the server may have stopped answering.
    rig.publish(10).unwrap();
    assert_eq!(rig.deadline(), Some(60));
    // Nor does receiving alone: the server counts what we send.
    rig.receive(Packet::PubAck(PubAck::new(1)), 20).unwrap();
    assert_eq!(rig.deadline(), Some(70));
    assert_eq!(rig.tick(69).unwrap(), None);
    assert_eq!(rig.tick(70).unwrap(), Some(Packet::PingReq));
    assert_eq!(rig.tick(71).unwrap(), None, "one ping at a time");
}

#[test]
fn answered_ping_starts_the_interval_again() {
    let mut rig = Rig::new(60, 10);
    assert_eq!(rig.tick(60).unwrap(), Some(Packet::PingReq));
    assert_eq!(rig.deadline(), Some(90));
    rig.receive(Packet::PingResp, 62).unwrap();
    assert_eq!(rig.deadline(), Some(120), "60 s after the ping was sent");
    assert_eq!(rig.tick(120).unwrap(), Some(Packet::PingReq));
}

#[test]
fn only_an_answer_to_the_ping_counts_as_one() {
    let mut rig = Rig::new(60, 10);
    rig.tick(60).unwrap();
    rig.receive(Packet::Publish(Publish::new("t", QoS::AtMostOnce, "")), 70)
        .unwrap();
    rig.publish(80).unwrap();
    assert_eq!(rig.tick(89).unwrap(), None);
    assert!(matches!(rig.tick(90), Err(LinkError::PingTimeout { waited }) if waited == 30 * SECOND));
}

#[test]
fn patience_is_half_an_interval_between_one_and_thirty_seconds() {
    for (keep_alive, patience) in [(1, 1), (10, 5), (60, 30), (1_000, 30)] {
        let mut rig = Rig::new(keep_alive, 10);
        rig.tick(keep_alive).unwrap();
        assert_eq!(rig.deadline(), Some(keep_alive + patience), "keepalive {keep_alive}");
    }
}

#[test]
fn zero_keepalive_never_pings() {
    let mut rig = Rig::new(0, 10);
    assert_eq!(rig.deadline(), None);
    assert_eq!(rig.tick(1_000_000).unwrap(), None);
}

#[test]
fn acknowledgement_tells_its_latency_in_any_order() {
    let mut rig = Rig::new(60, 10);
    for at in [1, 2, 3] {
        rig.publish(at).unwrap();
    }
    for (id, at, latency, oldest) in [(2, 5, 3, Some(1)), (1, 7, 6, Some(3)), (3, 13, 10, None)] {
        let event = rig.receive(Packet::PubAck(PubAck::new(id)), at).unwrap();
        let Some(Incoming::Acknowledged {
            packet_id,
            latency: measured,
            ..
        }) = event
        else {
            panic!("{event:?}")
        };
        assert_eq!((packet_id.get(), measured), (id, latency * SECOND));
        assert_eq!(rig.session.oldest_in_flight(), oldest.map(|oldest| rig.at(oldest)));
    }
    assert_eq!(rig.session.in_flight(), 0);
}

#[test]
fn acknowledgement_of_nothing_is_ignored() {
    let mut rig = Rig::new(60, 10);
    let id = rig.publish(0).unwrap();
    for stray in [
        Packet::PubAck(PubAck::new(id + 1)),
        Packet::PubAck(PubAck::new(0)),
        Packet::UnsubAck(UnsubAck::new(id)),
        Packet::PingResp,
    ] {
        assert_eq!(rig.receive(stray, 1).unwrap(), None);
    }
    let stray = SubAck::new(id, vec![SubscribeReasonCode::Failure]);
    assert_eq!(rig.receive(Packet::SubAck(stray), 1).unwrap(), None);
    assert_eq!(rig.session.in_flight(), 1);
}

#[test]
fn twice_acknowledged_counts_once() {
    let mut rig = Rig::new(60, 10);
    let id = rig.publish(0).unwrap();
    assert!(rig.receive(Packet::PubAck(PubAck::new(id)), 1).unwrap().is_some());
    assert!(rig.receive(Packet::PubAck(PubAck::new(id)), 2).unwrap().is_none());
}

#[test]
fn qos_0_needs_no_place_in_the_window() {
    let mut rig = Rig::new(60, 1);
    rig.publish(0).unwrap();
    assert_eq!(rig.publish(0), Err(PublishError::WindowFull { window: 1 }));
    let now = rig.at(0);
    let (_, id) = rig
        .session
        .publish("t".to_owned(), Bytes::new(), Qos::AtMostOnce, false, now)
        .unwrap();
    assert_eq!(id, None);
}

#[test]
fn refused_message_takes_no_place_and_no_id() {
    let mut rig = Rig::new(60, 10);
    let now = rig.at(0);
    let mut publish = |topic: &str, size: usize| {
        rig.session
            .publish(topic.to_owned(), vec![0; size].into(), Qos::AtLeastOnce, false, now)
            .map(|(_, id)| id)
    };
    assert!(matches!(publish("", 0), Err(PublishError::InvalidTopic { .. })));
    assert!(matches!(publish("a/+", 0), Err(PublishError::InvalidTopic { .. })));
    assert!(matches!(publish("a\0", 0), Err(PublishError::InvalidTopic { .. })));
    assert!(matches!(
        publish(&"x".repeat(65_536), 0),
        Err(PublishError::InvalidTopic { .. })
    ));
    // Header 1, length 3, topic 2 + 1, id 2.
    assert_eq!(
        publish("t", MAX_PACKET - 8),
        Err(PublishError::TooLarge { size: MAX_PACKET + 1 })
    );
    assert_eq!(publish("t", MAX_PACKET - 9), Ok(PacketId::new(1)));
    assert_eq!(rig.session.in_flight(), 1);
}

#[test]
fn what_only_a_client_may_send_is_not_expected() {
    let connack = ConnAck::new(ConnectReturnCode::Success, false);
    for packet in [Packet::PingReq, Packet::Disconnect, Packet::ConnAck(connack)] {
        let error = Rig::new(60, 10).receive(packet.clone(), 0).unwrap_err();
        assert!(
            matches!(error, ProtocolError::Unexpected { .. }),
            "{packet:?}: {error:?}"
        );
    }
}

proptest! {
    /// Whatever is published, subscribed and acknowledged in whatever order: no id is in use twice or zero, and what is
    /// in flight is exactly what was not acknowledged.
    #[test]
    fn ids_in_use_never_collide(steps in prop::collection::vec((0..3u8, any::<prop::sample::Index>()), 1..300)) {
        let mut rig = Rig::new(60, 20);
        let (mut messages, mut requests): (Vec<u16>, Vec<u16>) = (Vec::new(), Vec::new());
        for (kind, which) in steps {
            match kind {
                0 => match rig.publish(0) {
                    Ok(id) => {
                        prop_assert!(id != 0 && !messages.contains(&id) && !requests.contains(&id));
                        messages.push(id);
                    }
                    Err(error) => {
                        prop_assert_eq!(error, PublishError::WindowFull { window: 20 });
                        prop_assert_eq!(messages.len(), 20);
                    }
                },
                1 => {
                    let now = rig.at(0);
                    let (_, id) = rig.session.subscribe(&[("t", Qos::AtMostOnce)], now).unwrap();
                    prop_assert!(id.get() != 0 && !messages.contains(&id.get()) && !requests.contains(&id.get()));
                    requests.push(id.get());
                }
                _ if !messages.is_empty() => {
                    let id = messages.swap_remove(which.index(messages.len()));
                    prop_assert!(rig.receive(Packet::PubAck(PubAck::new(id)), 0).unwrap().is_some());
                }
                _ => {}
            }
            prop_assert_eq!(rig.session.in_flight(), messages.len());
        }
    }
}
