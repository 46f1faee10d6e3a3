//! The driver: carries packets between the [`Session`] and the socket, and owns the timer.

mod polling;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, StreamExt};
use rumqttc::mqttbytes::v4::Packet;
use rumqttc::mqttbytes::valid_filter;
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use crate::connect::{self, Packets};
use crate::limits::MAX_PACKET;
use crate::options::LONGEST_TIMEOUT;
use crate::session::{Incoming, Session};
use crate::wire::WireError;
use crate::{
    ConnectError, ConnectOptions, ConnectTimings, Credentials, Endpoint, LinkError, PacketId, ProtocolError,
    PublishError, Qos, SubscribeError,
};

/// No message is accepted for sending while this much is unsent. One packet may exceed it.
const UNSENT_LIMIT: usize = 64 * 1024;
/// How many messages are kept for [`Link::next`] while an answer to SUBSCRIBE is waited for.
const WAITING_LIMIT: usize = 256;
/// How long a server may take to close its side after our DISCONNECT.
const FAREWELL: Duration = Duration::from_millis(500);

/// What happened on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server sent a message.
    ///
    /// With QoS 1 it is acknowledged as soon as the caller comes back for something else ([`Link::next`],
    /// [`Link::subscribe`], [`Link::unsubscribe`], [`Link::close`]), so a caller that fails over a message and drops
    /// the link gets it again.
    Message {
        /// Where it was published.
        topic: String,
        /// Its body. It shares memory with the read buffer: copy what is to be kept for long.
        payload: Bytes,
        /// How it was delivered.
        qos: Qos,
        /// Whether the server had kept it from before the subscription.
        retain: bool,
        /// Whether it may have been delivered before.
        duplicate: bool,
    },
    /// The server acknowledged (PUBACK) a message that was published with QoS 1.
    Acknowledged {
        /// What [`Link::publish`] returned for it.
        packet_id: PacketId,
        /// When it was published.
        sent: Instant,
        /// From publishing to PUBACK.
        latency: Duration,
    },
}

/// An open connection. Dropping it closes the socket without a DISCONNECT, so that the server publishes the will.
#[derive(Debug)]
pub struct Link {
    packets: Box<Packets>,
    session: Session,
    timer: Pin<Box<Sleep>>,
    /// What arrived while an answer was waited for.
    waiting: VecDeque<Incoming>,
    /// The message that was handed out last, if it needs a PUBACK.
    handed_out: Option<PacketId>,
    events_since_write: u32,
    unsent: bool,
    ended: bool,
    request_limit: Duration,
}

impl Link {
    /// Connects within [`ConnectOptions::timeout`], from the DNS look-up to CONNACK.
    pub async fn connect(
        endpoint: &Endpoint,
        credentials: &Credentials,
        options: &ConnectOptions,
    ) -> Result<(Self, ConnectTimings), ConnectError> {
        // On the heap, so that the caller's own future does not carry a handshake's worth of space forever.
        let (packets, timings) = Box::pin(connect::open(endpoint, credentials, options)).await?;
        let now = Instant::now();
        let (keep_alive, answer_within) = (options.bounded_keep_alive(), options.bounded_answer_within());
        let session = Session::new(keep_alive, answer_within, options.window, now);
        let link = Self {
            packets: Box::new(packets),
            timer: Box::pin(sleep_until(session.deadline().unwrap_or(now))),
            session,
            waiting: VecDeque::new(),
            handed_out: None,
            events_since_write: 0,
            unsent: false,
            ended: false,
            request_limit: options.bounded_timeout(),
        };
        Ok((link, timings))
    }

    /// Accepts a message for sending, without waiting: it is sent by the next [`Link::next`] or [`Link::flush`].
    ///
    /// With QoS 1 the packet id comes back in [`Event::Acknowledged`]. There is none with QoS 0.
    pub fn publish(
        &mut self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: Qos,
    ) -> Result<Option<PacketId>, PublishError> {
        self.enqueue_message(topic, payload.as_ref(), qos, false)
    }

    /// The same for a QoS 1 message that an earlier connection may have delivered: it is marked as a duplicate.
    pub fn publish_again(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Result<Option<PacketId>, PublishError> {
        self.enqueue_message(topic, payload.as_ref(), Qos::AtLeastOnce, true)
    }

    /// Whether a QoS 1 message would be accepted now.
    pub fn can_publish(&self) -> bool {
        !self.ended && self.session.window_is_open() && !self.is_congested()
    }

    /// How many QoS 1 messages are not acknowledged yet.
    pub fn in_flight(&self) -> usize {
        self.session.in_flight()
    }

    /// When the oldest unacknowledged QoS 1 message was published. A hub that throttles acknowledges late.
    pub fn oldest_in_flight(&self) -> Option<Instant> {
        self.session.oldest_in_flight()
    }

    /// Subscribes and waits for the answer; it may take as long as connecting may. A filter that was granted with a
    /// lower QoS counts as granted. Messages that arrive meanwhile wait for [`Link::next`].
    ///
    /// If this is cancelled, the server may or may not have subscribed; the connection goes on.
    pub async fn subscribe(&mut self, filters: &[(&str, Qos)]) -> Result<(), SubscribeError> {
        check_filters(filters.iter().map(|(filter, _)| *filter))?;
        self.acknowledge_handed_out();
        let now = Instant::now();
        let (packet, request) = self.session.subscribe(filters, now).ok_or(SubscribeError::NoPacketId)?;
        self.enqueue(packet).map_err(LinkError::from)?;
        let granted = self
            .answer(now, |incoming| match incoming {
                Incoming::Subscribed { request: id, granted } if *id == request => Some(std::mem::take(granted)),
                _ => None,
            })
            .await?;
        let refused: Vec<String> = filters
            .iter()
            .zip(granted)
            .filter(|(_, granted)| !granted)
            .map(|((filter, _), _)| (*filter).to_owned())
            .collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(SubscribeError::Refused { filters: refused })
        }
    }

    /// Ends subscriptions and waits for the answer, otherwise like [`Link::subscribe`].
    pub async fn unsubscribe(&mut self, filters: &[&str]) -> Result<(), SubscribeError> {
        check_filters(filters.iter().copied())?;
        self.acknowledge_handed_out();
        let now = Instant::now();
        let (packet, request) = self
            .session
            .unsubscribe(filters, now)
            .ok_or(SubscribeError::NoPacketId)?;
        self.enqueue(packet).map_err(LinkError::from)?;
        self.answer(now, |incoming| match incoming {
            Incoming::Unsubscribed { request: id } if *id == request => Some(()),
            _ => None,
        })
        .await
    }

    /// Sends what is waiting to be sent, keeps the connection alive, and waits for the next event.
    ///
    /// This call drives the connection, so a caller has to be in it nearly always. It is cancel-safe: in a
    /// `select!` that takes another branch, nothing is lost.
    ///
    /// After an error the connection has ended, and every further call returns [`LinkError::Closed`].
    pub async fn next(&mut self) -> Result<Event, LinkError> {
        self.acknowledge_handed_out();
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Waits until everything accepted for sending has been given to the system, at most
    /// [`ConnectOptions::answer_within`] without any of it leaving. [`Link::next`] does so by itself.
    pub async fn flush(&mut self) -> Result<(), LinkError> {
        let written = poll_fn(|cx| self.poll_write_or_give_up(cx)).await;
        self.ended |= written.is_err();
        written
    }

    /// Closes in order: DISCONNECT (so no will is published), a WebSocket's close frame, TLS close_notify, and a moment
    /// for the server to close its side, all within `limit`. What is not acknowledged yet stays so; wait for it with
    /// [`Link::next`] before.
    pub async fn close(mut self, limit: Duration) -> Result<(), LinkError> {
        self.acknowledge_handed_out();
        let deadline = Instant::now() + limit.min(LONGEST_TIMEOUT);
        self.enqueue(Packet::Disconnect).map_err(LinkError::from)?;
        timeout_at(deadline, SinkExt::<Packet>::close(&mut *self.packets))
            .await
            .map_err(|elapsed| LinkError::Io(elapsed.into()))??;
        // A socket that is closed while unread bytes lie in it is reset, and the reset may overtake our DISCONNECT.
        // Whatever the server still sends is ignored, and it is not an error if it takes too long.
        let farewell = timeout(FAREWELL, async { while let Some(Ok(_)) = self.packets.next().await {} });
        let _ = timeout_at(deadline, farewell).await;
        // Likewise: the connection ends with this drop anyway.
        let _ = timeout_at(deadline, self.packets.get_mut().finish()).await;
        Ok(())
    }

    fn enqueue_message(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        duplicate: bool,
    ) -> Result<Option<PacketId>, PublishError> {
        if self.ended {
            return Err(PublishError::Ended);
        }
        if self.is_congested() {
            return Err(PublishError::BufferFull { limit: UNSENT_LIMIT });
        }
        let publish = self.session.publish(topic, payload, qos, duplicate, Instant::now())?;
        // The session has checked all that the codec could object to.
        self.enqueue(publish).map_err(|_| PublishError::Ended)?;
        Ok(publish.packet_id)
    }

    fn enqueue<P>(&mut self, packet: P) -> Result<(), WireError>
    where
        Packets: Sink<P, Error = WireError> + Unpin,
    {
        // Encodes into the write buffer; whether there is room was the caller's decision.
        self.packets.start_send_unpin(packet)?;
        self.unsent = true;
        Ok(())
    }

    fn is_congested(&self) -> bool {
        self.packets.write_buffer().len() >= UNSENT_LIMIT
    }

    fn acknowledge_handed_out(&mut self) {
        if let Some(packet_id) = self.handed_out.take() {
            let packet = self.session.acknowledge(packet_id, Instant::now());
            // Four bytes are within every limit; and if the connection has ended, the server sends the message again.
            let _ = self.enqueue(packet);
        }
    }
}

impl Link {
    /// Waits for the answer that `pick` accepts, and keeps everything else for [`Link::next`].
    async fn answer<T>(
        &mut self,
        asked: Instant,
        mut pick: impl FnMut(&mut Incoming) -> Option<T>,
    ) -> Result<T, SubscribeError> {
        let limit = self.request_limit;
        let wait = async {
            loop {
                let mut incoming = poll_fn(|cx| self.poll_incoming(cx)).await?;
                if let Some(answer) = pick(&mut incoming) {
                    return Ok(answer);
                }
                if self.waiting.len() == WAITING_LIMIT {
                    self.ended = true;
                    return Err(LinkError::Protocol(ProtocolError::Flooded { limit: WAITING_LIMIT }));
                }
                self.waiting.push_back(incoming);
            }
        };
        match timeout_at(asked + limit, wait).await {
            Ok(result) => result.map_err(SubscribeError::Link),
            Err(_) => Err(SubscribeError::TimedOut { limit }),
        }
    }
}

fn check_filters<'a>(mut filters: impl ExactSizeIterator<Item = &'a str> + Clone) -> Result<(), SubscribeError> {
    let invalid = |filter: &str| SubscribeError::InvalidFilter {
        filter: filter.to_owned(),
    };
    if filters.len() == 0 {
        return Err(invalid(""));
    }
    let usable = |filter: &str| valid_filter(filter) && filter.len() <= usize::from(u16::MAX) && !filter.contains('\0');
    // The header, the packet id, and for each filter its length and QoS.
    let size = 7 + filters.clone().map(|filter| filter.len() + 3).sum::<usize>();
    if size > MAX_PACKET {
        return Err(SubscribeError::TooLarge { size });
    }
    filters
        .find(|filter| !usable(filter))
        .map_or(Ok(()), |filter| Err(invalid(filter)))
}

#[cfg(all(test, feature = "testing"))]
mod tests;
