//! The pure core of a connection: packet ids, what is in flight, keepalive, and whether the server is still there. It
//! does no I/O and reads no clock: packets and `now` come in, packets and the next deadline go out.

mod keep_alive;
mod peer_watch;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{self, Packet, PubAck, Subscribe, SubscribeFilter, SubscribeReasonCode, Unsubscribe};
use tokio::time::Instant;
use tracing::debug;

use self::keep_alive::{Due, KeepAlive};
use self::peer_watch::{PeerWatch, Verdict};
use crate::limits::MAX_PACKET;
use crate::packet_ids::{PacketId, PacketIds};
use crate::publish::{self, Publish};
use crate::wire::Qos;
use crate::{LinkError, ProtocolError, PublishError};

/// Capacity beyond this many records is freed when nothing is in flight any more.
const IN_FLIGHT_KEPT: usize = 8;

/// A packet that the caller has to handle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// `acknowledge` is set for QoS 1.
    Message {
        topic: String,
        payload: Bytes,
        retain: bool,
        duplicate: bool,
        acknowledge: Option<PacketId>,
    },
    Acknowledged {
        packet_id: PacketId,
        sent: Instant,
        latency: Duration,
    },
    /// One answer per filter of the SUBSCRIBE; false is a refusal.
    Subscribed {
        request: PacketId,
        granted: Vec<bool>,
    },
    Unsubscribed {
        request: PacketId,
    },
}

#[derive(Debug)]
struct InFlight {
    packet_id: PacketId,
    sent: Instant,
}

/// A SUBSCRIBE or UNSUBSCRIBE without an answer so far.
#[derive(Debug)]
struct Request {
    packet_id: PacketId,
    /// How many answers a SUBACK has to have; none for UNSUBSCRIBE.
    filters: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Session {
    window: u16,
    ids: PacketIds,
    /// Oldest first: servers acknowledge in this order, so a look-up ends early.
    in_flight: VecDeque<InFlight>,
    requests: Vec<Request>,
    keep_alive: KeepAlive,
    peer_watch: PeerWatch,
}

impl Session {
    /// The session of a connection that CONNACK has just opened.
    pub(crate) fn new(keep_alive: Duration, answer_within: Duration, window: u16, now: Instant) -> Self {
        Self {
            window,
            ids: PacketIds::new(),
            in_flight: VecDeque::new(),
            requests: Vec::new(),
            keep_alive: KeepAlive::new(keep_alive, now),
            peer_watch: PeerWatch::new(answer_within, now),
        }
    }

    pub(crate) fn publish<'a>(
        &mut self,
        topic: &'a str,
        payload: &'a [u8],
        qos: Qos,
        duplicate: bool,
        now: Instant,
    ) -> Result<Publish<'a>, PublishError> {
        if !is_topic(topic) {
            let topic = topic.to_owned();
            return Err(PublishError::InvalidTopic { topic });
        }
        let size = publish::size(topic, payload, qos);
        if size > MAX_PACKET {
            return Err(PublishError::TooLarge { size });
        }
        let packet_id = match qos {
            Qos::AtMostOnce => None,
            Qos::AtLeastOnce => {
                let full = PublishError::WindowFull { window: self.window };
                if !self.window_is_open() {
                    return Err(full);
                }
                let packet_id = self.free_id().ok_or(full)?;
                self.in_flight.push_back(InFlight { packet_id, sent: now });
                Some(packet_id)
            }
        };
        self.keep_alive.sent(now);
        Ok(Publish {
            topic,
            payload,
            packet_id,
            duplicate,
        })
    }

    /// `None` when every id is in use.
    pub(crate) fn subscribe(&mut self, filters: &[(&str, Qos)], now: Instant) -> Option<(Packet, PacketId)> {
        let packet_id = self.free_id()?;
        let mut packet = Subscribe::new_many(
            filters
                .iter()
                .map(|(filter, qos)| SubscribeFilter::new((*filter).to_owned(), (*qos).into())),
        );
        packet.pkid = packet_id.get();
        self.requests.push(Request {
            packet_id,
            filters: Some(filters.len()),
        });
        self.keep_alive.sent(now);
        Some((Packet::Subscribe(packet), packet_id))
    }

    /// `None` when every id is in use.
    pub(crate) fn unsubscribe(&mut self, filters: &[&str], now: Instant) -> Option<(Packet, PacketId)> {
        let packet_id = self.free_id()?;
        let topics = filters.iter().map(|filter| (*filter).to_owned()).collect();
        self.requests.push(Request {
            packet_id,
            filters: None,
        });
        self.keep_alive.sent(now);
        Some((
            Packet::Unsubscribe(Unsubscribe {
                pkid: packet_id.get(),
                topics,
            }),
            packet_id,
        ))
    }

    /// The PUBACK for a message that was handed out.
    pub(crate) fn acknowledge(&mut self, packet_id: PacketId, now: Instant) -> Packet {
        self.keep_alive.sent(now);
        Packet::PubAck(PubAck::new(packet_id.get()))
    }

    pub(crate) fn receive(&mut self, packet: Packet, now: Instant) -> Result<Option<Incoming>, ProtocolError> {
        self.keep_alive.received(now);
        self.peer_watch.received(now);
        match packet {
            Packet::Publish(publish) => self.message(publish).map(Some),
            Packet::PubAck(ack) => Ok(self.acknowledged(ack.pkid, now)),
            Packet::SubAck(ack) => {
                let Some(request) = self.answered(ack.pkid, |filters| filters.is_some()) else {
                    debug!(packet_id = ack.pkid, "suback belongs to no subscribe");
                    return Ok(None);
                };
                let (asked, received) = (request.filters.unwrap_or_default(), ack.return_codes.len());
                if asked != received {
                    return Err(ProtocolError::SubackLength { asked, received });
                }
                let granted = ack
                    .return_codes
                    .iter()
                    .map(|code| *code != SubscribeReasonCode::Failure)
                    .collect();
                Ok(Some(Incoming::Subscribed {
                    request: request.packet_id,
                    granted,
                }))
            }
            Packet::UnsubAck(ack) => {
                let Some(request) = self.answered(ack.pkid, |filters| filters.is_none()) else {
                    debug!(packet_id = ack.pkid, "unsuback belongs to no unsubscribe");
                    return Ok(None);
                };
                Ok(Some(Incoming::Unsubscribed {
                    request: request.packet_id,
                }))
            }
            Packet::PingResp => {
                self.keep_alive.answered();
                Ok(None)
            }
            other => Err(ProtocolError::Unexpected {
                packet: packet_name(&other),
            }),
        }
    }

    /// What is due at this time: a PINGREQ, or the end of a connection whose server is gone.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<Option<Packet>, LinkError> {
        self.check_writing(now)?;
        match self.keep_alive.due(now) {
            Due::Nothing => {}
            Due::Ping => return Ok(Some(self.ping(now))),
            Due::Silence { waited } => return Err(LinkError::PingTimeout { waited }),
        }
        match self.verdict(now) {
            Verdict::Alive => Ok(None),
            Verdict::Ask => Ok(Some(self.ping(now))),
            Verdict::Silent { waited } => Err(LinkError::PeerSilent { waited }),
            Verdict::NotReading { waited } => Err(LinkError::PeerNotReading { waited }),
        }
    }

    /// When [`tick`](Self::tick) next has something to do, unless a packet is received or sent before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let watch = self.peer_watch.deadline(self.outstanding(), self.is_asked());
        [self.keep_alive.deadline(), watch].into_iter().flatten().min()
    }

    /// Bytes are waiting that the network does not accept; `written` have been sent so far.
    pub(crate) fn write_stalled(&mut self, written: u64, now: Instant) {
        self.peer_watch.write_stalled(written, now);
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.peer_watch.is_stalled()
    }

    pub(crate) fn write_finished(&mut self, now: Instant) {
        self.peer_watch.write_finished(now);
    }

    /// The part of [`tick`](Self::tick) that still applies when nothing is being read.
    pub(crate) fn check_writing(&self, now: Instant) -> Result<(), LinkError> {
        match self.peer_watch.verdict(None, false, now) {
            Verdict::NotReading { waited } => Err(LinkError::PeerNotReading { waited }),
            _ => Ok(()),
        }
    }

    /// When [`check_writing`](Self::check_writing) is next due.
    pub(crate) fn write_deadline(&self) -> Option<Instant> {
        self.peer_watch.stall_deadline()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn window_is_open(&self) -> bool {
        self.in_flight.len() < usize::from(self.window)
    }

    /// When the oldest message without a PUBACK was sent.
    pub(crate) fn oldest_in_flight(&self) -> Option<Instant> {
        self.in_flight.front().map(|oldest| oldest.sent)
    }

    fn ping(&mut self, now: Instant) -> Packet {
        self.keep_alive.pinged(now);
        Packet::PingReq
    }

    fn is_asked(&self) -> bool {
        self.keep_alive.ping_sent().is_some()
    }

    /// Since when the server owes something: a PUBACK or a PINGRESP. SUBSCRIBE has its own time limit.
    fn outstanding(&self) -> Option<Instant> {
        let owed = [self.oldest_in_flight(), self.keep_alive.ping_sent()];
        owed.into_iter().flatten().min()
    }

    fn verdict(&self, now: Instant) -> Verdict {
        self.peer_watch.verdict(self.outstanding(), self.is_asked(), now)
    }

    fn free_id(&mut self) -> Option<PacketId> {
        let Self {
            ids,
            in_flight,
            requests,
            ..
        } = self;
        ids.allocate(|id| {
            in_flight.iter().any(|message| message.packet_id == id)
                || requests.iter().any(|request| request.packet_id == id)
        })
    }

    fn message(&self, publish: v4::Publish) -> Result<Incoming, ProtocolError> {
        let acknowledge = match publish.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => PacketId::new(publish.pkid),
            QoS::ExactlyOnce => return Err(ProtocolError::QosNotGranted),
        };
        Ok(Incoming::Message {
            topic: publish.topic,
            payload: publish.payload,
            retain: publish.retain,
            duplicate: publish.dup,
            acknowledge,
        })
    }

    fn acknowledged(&mut self, packet_id: u16, now: Instant) -> Option<Incoming> {
        let Some(index) = self
            .in_flight
            .iter()
            .position(|message| message.packet_id.get() == packet_id)
        else {
            debug!(packet_id, "puback belongs to no message in flight");
            return None;
        };
        let InFlight { packet_id, sent } = self.in_flight.remove(index)?;
        if self.in_flight.is_empty() {
            self.in_flight.shrink_to(IN_FLIGHT_KEPT);
        }
        Some(Incoming::Acknowledged {
            packet_id,
            sent,
            latency: now.saturating_duration_since(sent),
        })
    }

    fn answered(&mut self, packet_id: u16, kind: impl Fn(Option<usize>) -> bool) -> Option<Request> {
        let index = self
            .requests
            .iter()
            .position(|request| request.packet_id.get() == packet_id && kind(request.filters))?;
        let request = self.requests.swap_remove(index);
        if self.requests.is_empty() {
            // Devices subscribe once in the life of a connection.
            self.requests = Vec::new();
        }
        Some(request)
    }
}

/// A topic that a message may be published to.
pub(crate) fn is_topic(topic: &str) -> bool {
    // Without branches, which lets the compiler look at many bytes at once.
    let is_odd = |byte: u8| (byte == b'+') | (byte == b'#') | (byte == b'\0');
    let has_odd = topic.bytes().fold(false, |odd, byte| odd | is_odd(byte));
    !topic.is_empty() && topic.len() <= usize::from(u16::MAX) && !has_odd
}

fn packet_name(packet: &Packet) -> &'static str {
    match packet {
        Packet::Connect(_) => "CONNECT",
        Packet::ConnAck(_) => "CONNACK",
        Packet::Publish(_) => "PUBLISH",
        Packet::PubAck(_) => "PUBACK",
        Packet::PubRec(_) => "PUBREC",
        Packet::PubRel(_) => "PUBREL",
        Packet::PubComp(_) => "PUBCOMP",
        Packet::Subscribe(_) => "SUBSCRIBE",
        Packet::SubAck(_) => "SUBACK",
        Packet::Unsubscribe(_) => "UNSUBSCRIBE",
        Packet::UnsubAck(_) => "UNSUBACK",
        Packet::PingReq => "PINGREQ",
        Packet::PingResp => "PINGRESP",
        Packet::Disconnect => "DISCONNECT",
    }
}

#[cfg(test)]
mod tests;
