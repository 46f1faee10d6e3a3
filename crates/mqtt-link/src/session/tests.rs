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
        Self::watching(keep_alive, 0, window)
    }

    fn watching(keep_alive: u64, answer_within: u64, window: u16) -> Self {
        let start = Instant::now();
        let (keep_alive, answer_within) = (Duration::from_secs(keep_alive), Duration::from_secs(answer_within));
        Self {
            session: Session::new(keep_alive, answer_within, window, start),
            start,
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn publish(&mut self, seconds: u64) -> Result<u16, PublishError> {
        let now = self.at(seconds);
        let publish = self.session.publish("t", b"", Qos::AtLeastOnce, false, now)?;
        Ok(publish.packet_id.unwrap().get())
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
    // Sending alone does not postpone it: the server may have stopped answering.
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
    rig.receive(Packet::Publish(v4::Publish::new("t", QoS::AtMostOnce, "")), 70)
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
fn acknowledgement_reports_its_latency_in_any_order() {
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
    let publish = rig.session.publish("t", b"", Qos::AtMostOnce, false, now).unwrap();
    assert_eq!(publish.packet_id, None);
}

#[test]
fn refused_message_takes_no_place_and_no_id() {
    let mut rig = Rig::new(60, 10);
    let now = rig.at(0);
    let mut publish = |topic: &str, size: usize| {
        rig.session
            .publish(topic, &vec![0; size], Qos::AtLeastOnce, false, now)
            .map(|publish| publish.packet_id)
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

/// What happens to a watched session, second by second.
enum Step {
    Publishes,
    Receives(Packet),
    Stalls {
        written: u64,
    },
    Drains,
    /// The deadline is this far away, and nothing is due before it.
    Waits,
    /// The deadline passes, with this result.
    Pings,
    Ends(&'static str),
}

/// Runs the steps; `Pings` and `Ends` have to be due exactly then.
fn follow(name: &str, keep_alive: u64, answer_within: u64, steps: Vec<(u64, Step)>) {
    let mut rig = Rig::watching(keep_alive, answer_within, 10);
    for (seconds, step) in steps {
        let now = rig.at(seconds);
        match step {
            Step::Publishes => drop(rig.publish(seconds).unwrap()),
            Step::Receives(packet) => drop(rig.receive(packet, seconds).unwrap()),
            Step::Stalls { written } => rig.session.write_stalled(written, now),
            Step::Drains => rig.session.write_finished(now),
            Step::Waits => {
                assert!(
                    rig.deadline().is_none_or(|deadline| deadline > seconds),
                    "{name}: {seconds} s"
                );
                assert_eq!(rig.tick(seconds).unwrap(), None, "{name}: {seconds} s");
            }
            Step::Pings => {
                assert_eq!(rig.deadline(), Some(seconds), "{name}");
                assert_eq!(rig.tick(seconds).unwrap(), Some(Packet::PingReq), "{name}: {seconds} s");
            }
            Step::Ends(reason) => {
                assert_eq!(rig.deadline(), Some(seconds), "{name}");
                assert_eq!(rig.tick(seconds).unwrap_err().reason(), reason, "{name}: {seconds} s");
            }
        }
    }
}

#[test]
fn server_that_owes_an_answer_is_asked_halfway_and_given_up_at_the_bound() {
    use Step::*;
    let puback = |id| Receives(Packet::PubAck(PubAck::new(id)));
    let message = || Receives(Packet::Publish(v4::Publish::new("t", QoS::AtMostOnce, "")));
    follow("nothing outstanding", 0, 30, vec![(0, Waits), (1_000, Waits)]);
    follow(
        "half-open",
        600,
        30,
        vec![
            (100, Publishes),
            (114, Waits),
            (115, Pings),
            (129, Waits),
            (130, Ends("peer_silent")),
        ],
    );
    follow(
        "without keepalive",
        0,
        30,
        vec![(100, Publishes), (115, Pings), (130, Ends("peer_silent"))],
    );
    follow(
        "further publishing does not put it off",
        600,
        30,
        vec![
            (0, Publishes),
            (14, Publishes),
            (15, Pings),
            (29, Publishes),
            (30, Ends("peer_silent")),
        ],
    );
    follow(
        "acknowledged in time",
        600,
        30,
        vec![(0, Publishes), (14, puback(1)), (15, Waits), (500, Waits)],
    );
    follow(
        "acknowledged after the question",
        600,
        30,
        vec![
            (0, Publishes),
            (15, Pings),
            (16, Receives(Packet::PingResp)),
            (17, puback(1)),
            (400, Waits),
        ],
    );
    follow(
        "throttled: late acknowledgements are no silence",
        600,
        30,
        vec![
            (0, Publishes),
            (15, Pings),
            (16, Receives(Packet::PingResp)),
            (31, Pings),
            (32, Receives(Packet::PingResp)),
            (47, Pings),
            (48, puback(1)),
            (300, Receives(Packet::PingResp)),
            (301, Waits),
        ],
    );
    follow(
        "anything at all is a sign of life",
        600,
        30,
        vec![
            (0, Publishes),
            (10, message()),
            (20, message()),
            (30, message()),
            (45, Pings),
            (60, Ends("peer_silent")),
        ],
    );
    follow(
        "one of two acknowledged",
        600,
        30,
        vec![
            (0, Publishes),
            (1, Publishes),
            (5, puback(1)),
            (20, Pings),
            (35, Ends("peer_silent")),
        ],
    );
    follow(
        "keepalive's question counts as one",
        40,
        20,
        vec![(40, Pings), (59, Waits), (60, Ends("ping_timeout"))],
    );
    follow(
        "and the shorter bound wins",
        60,
        10,
        vec![(60, Pings), (70, Ends("peer_silent"))],
    );
    follow(
        "off",
        0,
        0,
        vec![(0, Publishes), (0, Stalls { written: 0 }), (10_000, Waits)],
    );
}

#[test]
fn server_that_does_not_read_is_given_up_unless_bytes_still_leave() {
    use Step::*;
    let stalls = |written| Stalls { written };
    follow(
        "not a byte",
        0,
        30,
        vec![
            (5, stalls(7)),
            (6, stalls(7)),
            (34, Waits),
            (35, Ends("peer_not_reading")),
        ],
    );
    follow(
        "although it speaks",
        0,
        30,
        vec![
            (0, stalls(7)),
            (29, Receives(Packet::PingResp)),
            (30, Ends("peer_not_reading")),
        ],
    );
    follow(
        "although it owes, too",
        0,
        30,
        vec![
            (0, Publishes),
            (0, stalls(7)),
            (15, Pings),
            (30, Ends("peer_not_reading")),
        ],
    );
    for (stalled, reason) in [(10, "peer_not_reading"), (20, "peer_silent")] {
        let mut steps = vec![(0, Publishes), (stalled, stalls(7)), (15, Pings), (30, Ends(reason))];
        steps.sort_by_key(|(seconds, _)| *seconds);
        follow("silent first, and the question could leave or not", 0, 30, steps);
    }
    follow(
        "slowly",
        0,
        30,
        vec![
            (0, Publishes),
            (0, stalls(1)),
            (14, stalls(2)),
            (28, stalls(3)),
            (42, Drains),
            (56, Waits),
            (57, Pings),
            (72, Ends("peer_silent")),
        ],
    );
    follow("in the end", 0, 30, vec![(0, stalls(1)), (29, Drains), (1_000, Waits)]);
}
