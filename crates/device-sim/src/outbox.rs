//! Telemetry that a hub has not acknowledged yet: bounded, in order, each message with an id that it keeps.
//!
//! `offered = acknowledged + dropped + outstanding` holds at any time, where outstanding is what is kept here.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// How many messages a device keeps while its hub is away. At the usual interval that is some minutes.
pub const CAPACITY: usize = 64;

/// Room for the messages of a healthy device.
const USUAL: usize = 4;

/// A message that is older than this is no longer sent.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// A message in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Counts a device's messages; the second half of the message id.
    pub seq: u64,
    /// The tick that the message belongs to.
    pub due: Instant,
    /// Which of the model's components sends it.
    pub component: u8,
    /// Its body.
    pub body: Bytes,
    /// When it was first written to a connection, if it was.
    pub first_sent: Option<Instant>,
    in_flight: Option<u16>,
}

/// The messages of one device.
#[derive(Debug, Default)]
pub struct Outbox {
    messages: VecDeque<Message>,
    next_seq: u64,
}

impl Outbox {
    /// Adds a message. When there is no room, the oldest one is removed and returned.
    pub(crate) fn offer(&mut self, due: Instant, component: u8, body: Bytes) -> Option<Message> {
        let dropped = if self.messages.len() == CAPACITY {
            self.messages.pop_front()
        } else {
            None
        };
        self.next_seq += 1;
        self.messages.push_back(Message {
            seq: self.next_seq,
            due,
            component,
            body,
            first_sent: None,
            in_flight: None,
        });
        dropped
    }

    /// The oldest message that waits to be written.
    #[must_use]
    pub fn next(&self) -> Option<&Message> {
        self.messages.iter().find(|message| message.in_flight.is_none())
    }

    /// Notes that the message from [`Outbox::next`] was written `now`, under this MQTT packet id.
    pub fn sent(&mut self, packet_id: u16, now: Instant) {
        if let Some(message) = self.messages.iter_mut().find(|message| message.in_flight.is_none()) {
            message.in_flight = Some(packet_id);
            message.first_sent.get_or_insert(now);
        }
    }

    /// Removes the message that the hub acknowledged. `None` if it has been removed meanwhile.
    pub fn acknowledged(&mut self, packet_id: u16) -> Option<Message> {
        let index = self
            .messages
            .iter()
            .position(|message| message.in_flight == Some(packet_id))?;
        let message = self.messages.remove(index);
        if self.messages.is_empty() {
            // Memory that an outage had filled must not stay with every device for the rest of the run.
            self.messages.shrink_to(USUAL);
        }
        message
    }

    /// The connection is gone: whatever was not acknowledged has to be sent again.
    pub fn connection_lost(&mut self) {
        for message in &mut self.messages {
            message.in_flight = None;
        }
    }

    /// Gives up what is too old, and returns it. A message that is in flight may still be acknowledged.
    pub fn expire(&mut self, now: Instant) -> Vec<Message> {
        let is_too_old = |message: &Message| message.in_flight.is_none() && now - message.due > MAX_AGE;
        // This is called at every tick, and there is hardly ever anything to give up.
        if !self.messages.iter().any(is_too_old) {
            return Vec::new();
        }
        let (expired, kept) = std::mem::take(&mut self.messages).into_iter().partition(is_too_old);
        self.messages = kept;
        Vec::from(expired)
    }

    /// Gives up everything, and returns it. Message ids continue from where they were.
    pub fn clear(&mut self) -> VecDeque<Message> {
        std::mem::take(&mut self.messages)
    }

    /// How many messages are not acknowledged.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.messages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn a_message_stays_until_it_is_acknowledged_and_keeps_its_id() {
        let mut outbox = Outbox::default();
        let now = Instant::now();
        outbox.offer(now, 0, body("a"));
        outbox.offer(now, 0, body("b"));
        let (first, second, third) = (1, 2, 3);
        outbox.sent(first, now);
        outbox.sent(second, now);
        assert_eq!(outbox.next(), None);
        assert_eq!(outbox.acknowledged(second).unwrap().seq, 2);
        outbox.connection_lost();
        let again = outbox.next().unwrap();
        assert_eq!((again.seq, again.first_sent), (1, Some(now)));
        outbox.sent(third, now + Duration::from_secs(9));
        assert_eq!(outbox.acknowledged(first), None, "of the connection before");
        let acknowledged = outbox.acknowledged(third).unwrap();
        assert_eq!(
            (acknowledged.seq, acknowledged.first_sent),
            (1, Some(now)),
            "the first writing counts"
        );
        assert_eq!(outbox.outstanding(), 0);
    }

    #[test]
    fn what_an_outage_filled_is_given_back_when_it_is_over() {
        let mut outbox = Outbox::default();
        for id in 1..=CAPACITY as u16 {
            outbox.offer(Instant::now(), 0, body("x"));
            outbox.sent(id, Instant::now());
        }
        assert!(outbox.messages.capacity() >= CAPACITY);
        for id in 1..=CAPACITY as u16 {
            assert!(outbox.acknowledged(id).is_some());
        }
        assert!(
            outbox.messages.capacity() <= 2 * USUAL,
            "{}",
            outbox.messages.capacity()
        );
    }

    #[test]
    fn what_is_too_old_is_given_up_unless_it_is_on_its_way() {
        let mut outbox = Outbox::default();
        let begin = Instant::now();
        outbox.offer(begin, 0, body("on its way"));
        outbox.sent(1, begin);
        outbox.offer(begin, 0, body("old"));
        outbox.offer(begin + MAX_AGE, 0, body("new"));
        assert_eq!(outbox.expire(begin + MAX_AGE), []);
        let expired = outbox.expire(begin + MAX_AGE * 2);
        assert_eq!(
            expired.iter().map(|message| &message.body[..]).collect::<Vec<_>>(),
            [b"old"]
        );
        assert_eq!(outbox.acknowledged(1).unwrap().body, "on its way");
        assert_eq!(outbox.next().unwrap().body, "new");
    }

    #[test]
    fn the_oldest_falls_out_of_a_full_outbox_and_is_handed_back() {
        let mut outbox = Outbox::default();
        let now = Instant::now();
        let dropped: Vec<u64> = (0..CAPACITY + 3)
            .filter_map(|_| outbox.offer(now, 0, body("x")))
            .map(|message| message.seq)
            .collect();
        assert_eq!(dropped, [1, 2, 3]);
        assert_eq!(outbox.outstanding(), CAPACITY);
        assert_eq!(outbox.next().unwrap().seq, 4, "the order stays");
    }
}
