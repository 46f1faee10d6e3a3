//! The cloud-to-device messages of a device.

use std::collections::VecDeque;

use bytes::Bytes;
use iot_protocol::properties::PropertyBag;

/// Messages that may wait for one device.
///
/// Source: [Cloud-to-device messages](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d).
const CAPACITY: usize = 50;

/// A message from the solution to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CloudMessage {
    pub(crate) properties: PropertyBag,
    pub(crate) body: Bytes,
}

/// Fifty messages are waiting already.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("50 messages are waiting for the device already")]
pub(crate) struct QueueFull;

/// Messages leave the queue when the device has acknowledged them; one that was sent but not acknowledged is sent again
/// after a reconnect.
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
    pub(super) fn push(&mut self, message: CloudMessage) -> Result<u64, QueueFull> {
        if self.messages.len() == CAPACITY {
            return Err(QueueFull);
        }
        let number = self.next;
        self.restore(number, message);
        Ok(number)
    }

    /// Takes up a message that was stored; they come in the order of their numbers.
    pub(super) fn restore(&mut self, number: u64, message: CloudMessage) {
        self.messages.push_back(Waiting {
            number,
            sent: false,
            message,
        });
        self.next = number + 1;
    }

    /// The numbers of all that wait.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.messages.iter().map(|waiting| waiting.number)
    }

    /// The next message that has not been sent on this connection, with its number.
    pub(super) fn send_next(&mut self) -> Option<(u64, CloudMessage)> {
        let waiting = self.messages.iter_mut().find(|waiting| !waiting.sent)?;
        waiting.sent = true;
        Some((waiting.number, waiting.message.clone()))
    }

    /// A message is done with. Says whether it was waiting until now.
    pub(super) fn complete(&mut self, number: u64) -> bool {
        let before = self.messages.len();
        self.messages.retain(|waiting| waiting.number != number);
        self.messages.len() < before
    }

    /// A new connection: what was not acknowledged goes out again.
    pub(super) fn retry(&mut self) {
        for waiting in &mut self.messages {
            waiting.sent = false;
        }
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &'static str) -> CloudMessage {
        CloudMessage {
            properties: PropertyBag::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn a_message_stays_until_it_is_acknowledged() {
        let mut queue = Queue::default();
        queue.push(message("a")).unwrap();
        queue.push(message("b")).unwrap();
        let (a, _) = queue.send_next().unwrap();
        let (b, _) = queue.send_next().unwrap();
        assert!(queue.send_next().is_none(), "both are on their way");
        queue.complete(a);
        queue.retry();
        assert_eq!(queue.send_next(), Some((b, message("b"))));
        queue.complete(b);
        queue.retry();
        assert_eq!((queue.send_next(), queue.len()), (None, 0));
    }

    #[test]
    fn fifty_messages_fit() {
        let mut queue = Queue::default();
        for _ in 0..50 {
            queue.push(message("x")).unwrap();
        }
        assert_eq!(queue.push(message("x")), Err(QueueFull));
    }
}
