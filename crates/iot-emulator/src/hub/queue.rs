//! The cloud-to-device messages of a device. Pure: the time is passed in.
//!
//! A message that is not completed is delivered again at every connect until it expires: only a device that abandons
//! messages makes the hub count deliveries, and over MQTT no device can.
//!
//! Source: [Cloud-to-device messages](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use iot_protocol::properties::{MESSAGE_ID, PropertyBag};
use jiff::Timestamp;

use crate::documented::MESSAGES_WAITING;

/// How long a message waits, unless its sender sets another time.
pub(crate) const DEFAULT_TTL: Duration = Duration::from_secs(60 * 60);

/// A message from the solution to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CloudMessage {
    pub(crate) properties: PropertyBag,
    pub(crate) body: Bytes,
    /// From when on it is worthless.
    pub(crate) expires: Timestamp,
}

impl CloudMessage {
    pub(crate) fn id(&self) -> Option<&str> {
        self.properties.value(MESSAGE_ID)
    }
}

/// Fifty messages are waiting already.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("50 messages are waiting for the device already")]
pub(crate) struct QueueFull;

/// Messages leave the queue when the device has acknowledged them, or when they expire; one that was sent but not
/// acknowledged is sent again after a reconnect.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    messages: VecDeque<Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    sent: bool,
    message: CloudMessage,
}

impl Queue {
    /// Takes a message in; gives its number.
    pub(crate) fn push(&mut self, message: CloudMessage) -> Result<u64, QueueFull> {
        if self.messages.len() == *MESSAGES_WAITING {
            return Err(QueueFull);
        }
        let number = self.next;
        self.restore(number, message);
        Ok(number)
    }

    /// Takes up a message that was stored; they come in the order of their numbers.
    pub(crate) fn restore(&mut self, number: u64, message: CloudMessage) {
        self.messages.push_back(Waiting {
            number,
            sent: false,
            message,
        });
        self.next = number + 1;
    }

    /// The numbers of all that wait.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.messages.iter().map(|waiting| waiting.number)
    }

    /// Takes out what has expired, with the numbers. What is on its way to the device stays until the device has
    /// acknowledged it, or is gone.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<(u64, CloudMessage)> {
        let is_over = |waiting: &Waiting| !waiting.sent && waiting.message.expires <= now;
        if !self.messages.iter().any(is_over) {
            return Vec::new();
        }
        let (over, left): (VecDeque<_>, VecDeque<_>) = self.messages.drain(..).partition(is_over);
        self.messages = left;
        over.into_iter()
            .map(|waiting| (waiting.number, waiting.message))
            .collect()
    }

    /// The next message that has not been sent on this connection, with its number.
    pub(crate) fn send_next(&mut self) -> Option<(u64, CloudMessage)> {
        let waiting = self.messages.iter_mut().find(|waiting| !waiting.sent)?;
        waiting.sent = true;
        Some((waiting.number, waiting.message.clone()))
    }

    /// A message is done with. Returns whether it was waiting until now.
    pub(crate) fn complete(&mut self, number: u64) -> bool {
        let before = self.messages.len();
        self.messages.retain(|waiting| waiting.number != number);
        self.messages.len() < before
    }

    /// The device is connected anew, or gone: what was not acknowledged waits again.
    pub(crate) fn retry(&mut self) {
        for waiting in &mut self.messages {
            waiting.sent = false;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.messages.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn message(body: &'static str, expires: i64) -> CloudMessage {
        CloudMessage {
            properties: PropertyBag::new(),
            body: Bytes::from_static(body.as_bytes()),
            expires: at(expires),
        }
    }

    #[test]
    fn a_message_stays_until_it_is_acknowledged() {
        let mut queue = Queue::default();
        queue.push(message("a", 9)).unwrap();
        queue.push(message("b", 9)).unwrap();
        let (a, _) = queue.send_next().unwrap();
        let (b, _) = queue.send_next().unwrap();
        assert!(queue.send_next().is_none(), "both are on their way");
        queue.complete(a);
        for _ in 0..20 {
            queue.retry();
            assert_eq!(queue.send_next(), Some((b, message("b", 9))), "deliveries don't count");
        }
        queue.complete(b);
        queue.retry();
        assert_eq!((queue.send_next(), queue.len()), (None, 0));
    }

    #[test]
    fn fifty_messages_fit() {
        let mut queue = Queue::default();
        for _ in 0..50 {
            queue.push(message("x", 9)).unwrap();
        }
        assert_eq!(queue.push(message("x", 9)), Err(QueueFull));
    }

    #[test]
    fn a_message_that_waits_too_long_expires_wherever_it_stands() {
        let mut queue = Queue::default();
        for (body, expires) in [("a", 5), ("b", 2), ("c", 3)] {
            queue.push(message(body, expires)).unwrap();
        }
        assert_eq!(queue.expire(at(1)), []);
        assert_eq!(queue.expire(at(2)), [(1, message("b", 2))]);
        assert_eq!(queue.send_next(), Some((0, message("a", 5))));
        assert_eq!(queue.expire(at(9)), [(2, message("c", 3))], "the first is on its way");
        queue.retry();
        assert_eq!(queue.expire(at(9)), [(0, message("a", 5))]);
        assert_eq!((queue.len(), queue.push(message("d", 9))), (0, Ok(3)));
    }
}
