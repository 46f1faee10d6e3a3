//! Drives a link: reading, writing and the timer, none of which waits for another.

use std::future::Future;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use rumqttc::mqttbytes::v4::Packet;
use tokio::time::Instant;

use super::{Event, Link, UNSENT_LIMIT};
use crate::limits::{MAX_PACKET, READ_BUFFER};
use crate::session::Incoming;
use crate::{LinkError, Qos};

/// Nothing is read while this much is unsent. Publishing alone never reaches this, only PUBACKs to a server that sends
/// and does not read; so a busy device on a slow network still receives its own PUBACKs.
const UNSENT_LIMIT_FOR_READING: usize = UNSENT_LIMIT + MAX_PACKET + UNSENT_LIMIT;
/// Packets that become ready in one wake-up are sent in one write, unless there is this much of them…
const WRITE_SOON: usize = 4 * 1024;
/// … or this many events were handed out while they waited.
const EVENTS_BEFORE_WRITE: u32 = 32;

impl Link {
    fn may_read(&self) -> bool {
        self.packets.write_buffer().len() < UNSENT_LIMIT_FOR_READING
    }

    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, LinkError>> {
        loop {
            let incoming = match self.waiting.pop_front() {
                Some(incoming) => incoming,
                None => ready!(self.poll_incoming(cx))?,
            };
            match incoming {
                Incoming::Message {
                    topic,
                    payload,
                    retain,
                    duplicate,
                    acknowledge,
                } => {
                    self.handed_out = acknowledge;
                    let qos = if acknowledge.is_some() {
                        Qos::AtLeastOnce
                    } else {
                        Qos::AtMostOnce
                    };
                    return Poll::Ready(Ok(Event::Message {
                        topic,
                        payload,
                        qos,
                        retain,
                        duplicate,
                    }));
                }
                Incoming::Acknowledged {
                    packet_id,
                    sent,
                    latency,
                } => {
                    return Poll::Ready(Ok(Event::Acknowledged {
                        packet_id,
                        sent,
                        latency,
                    }));
                }
                // The answer to a request that was cancelled or had timed out.
                Incoming::Subscribed { .. } | Incoming::Unsubscribed { .. } => {}
            }
        }
    }

    pub(super) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, LinkError>> {
        if self.ended {
            return Poll::Ready(Err(LinkError::Closed));
        }
        let result = ready!(self.poll_live(cx));
        self.ended = result.is_err();
        Poll::Ready(result)
    }

    fn poll_live(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, LinkError>> {
        loop {
            // Reading comes first: what has already arrived may be the very answer whose deadline has just passed.
            let readable = self.may_read();
            if readable {
                match self.packets.poll_next_unpin(cx) {
                    Poll::Ready(Some(packet)) => match self.session.receive(packet?, Instant::now())? {
                        Some(incoming) => {
                            self.write_if_it_is_time(cx)?;
                            return Poll::Ready(Ok(incoming));
                        }
                        None => continue,
                    },
                    Poll::Ready(None) => return Poll::Ready(Err(LinkError::Closed)),
                    Poll::Pending => self.shrink_read_buffer(),
                }
            }
            if let Poll::Ready(written) = self.poll_write(cx) {
                written?;
            }
            if !readable && self.may_read() {
                continue;
            }
            // Nothing is due before the timer says so; a message is two or three wake-ups, none of which needs the clock.
            if self.poll_timer(self.session.deadline(), cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(ping) = self.session.tick(Instant::now())? {
                self.enqueue(ping)?;
            }
        }
    }

    fn write_if_it_is_time(&mut self, cx: &mut Context<'_>) -> Result<(), LinkError> {
        self.events_since_write += 1;
        let soon = self.packets.write_buffer().len() >= WRITE_SOON || self.events_since_write >= EVENTS_BEFORE_WRITE;
        if soon && let Poll::Ready(written) = self.poll_write(cx) {
            written?;
        }
        Ok(())
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.events_since_write = 0;
        if self.unsent {
            let Poll::Ready(flushed) = SinkExt::<Packet>::poll_flush_unpin(&mut *self.packets, cx) else {
                self.session
                    .write_stalled(self.packets.get_ref().written(), Instant::now());
                return Poll::Pending;
            };
            flushed?;
            if self.session.is_stalled() {
                self.session.write_finished(Instant::now());
            }
            self.unsent = false;
            // Most devices are silent most of the time: an empty buffer need not hold memory.
            *self.packets.write_buffer_mut() = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Like [`poll_write`](Self::poll_write), for when nothing else is done: with a server that does not read, it
    /// fails.
    pub(super) fn poll_write_or_give_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        loop {
            if let Poll::Ready(written) = self.poll_write(cx) {
                return Poll::Ready(written);
            }
            self.session.check_writing(Instant::now())?;
            ready!(self.poll_timer(self.session.write_deadline(), cx));
        }
    }

    /// Ready once the deadline has passed. Nearly every packet postpones the session's deadline. The timer is reset
    /// each time: that costs next to nothing, and a stale timer would wake a device that has nothing to do.
    fn poll_timer(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx)
    }

    fn shrink_read_buffer(&mut self) {
        if self.packets.read_buffer().is_empty() && self.packets.codec_mut().take_read_buffer_grew() {
            *self.packets.read_buffer_mut() = BytesMut::with_capacity(READ_BUFFER);
        }
    }
}
