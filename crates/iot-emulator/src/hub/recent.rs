//! The last telemetry messages of a device as they came, for people who look at its raw data. All of it together is
//! small, however many devices there are and whatever they send.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use iot_protocol::properties::WrittenProperties;
use jiff::Timestamp;

/// Messages that are kept of one device.
const KEPT: usize = 20;
/// What is kept of the properties of a message, and of its body, in bytes.
const LONGEST: usize = 2048;
/// What all devices keep together, in bytes: the last message of each of some thousand devices.
const ROOM: usize = 1 << 20;
/// The same with those that a person has looked at, which keep messages even if others have used up the room.
const ROOM_WATCHED: usize = 4 << 20;

/// How many bytes all devices keep.
#[derive(Debug, Default)]
pub(crate) struct Room(AtomicUsize);

/// The last messages of one device, the newest last.
#[derive(Debug)]
pub(crate) struct Recent {
    messages: VecDeque<Message>,
    is_watched: bool,
    room: Arc<Room>,
}

/// A message, of which the properties as they were written and the body may have been cut.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) at: Timestamp,
    /// Bytes of the whole body.
    pub(crate) size: usize,
    /// The properties, and then the body.
    content: Vec<u8>,
    properties: usize,
}

impl Message {
    /// The properties as they stand in the topic.
    pub(crate) fn properties(&self) -> &[u8] {
        &self.content[..self.properties]
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.content[self.properties..]
    }

    fn cost(&self) -> usize {
        cost(self.content.capacity())
    }
}

impl Recent {
    pub(crate) fn new(room: &Arc<Room>) -> Self {
        Self {
            messages: VecDeque::new(),
            is_watched: false,
            room: Arc::clone(room),
        }
    }

    /// Keeps a message, in place of the oldest if there is no room for one more.
    pub(crate) fn keep(&mut self, properties: WrittenProperties<'_>, body: &[u8], now: Timestamp) {
        let [properties, shown] =
            [properties.as_str().as_bytes(), body].map(|bytes| &bytes[..bytes.len().min(LONGEST)]);
        let room = if self.is_watched { ROOM_WATCHED } else { ROOM };
        let size = properties.len() + shown.len();
        // A device's messages are of one size, so that a new one takes the memory of the oldest.
        let mut content = Vec::new();
        // In a large fleet most devices end here, with every message: nothing is copied before.
        while self.messages.len() == KEPT || self.room.0.load(Relaxed) + cost(size) > room {
            let Some(oldest) = self.drop_oldest() else { return };
            content = oldest;
        }
        content.clear();
        content.reserve_exact(size);
        content.extend_from_slice(properties);
        content.extend_from_slice(shown);
        content.shrink_to(size);
        self.messages.reserve_exact(1);
        let message = Message {
            at: now,
            size: body.len(),
            content,
            properties: properties.len(),
        };
        self.room.0.fetch_add(message.cost(), Relaxed);
        self.messages.push_back(message);
    }

    /// The messages, the newest first. Who looks once will look again.
    pub(crate) fn look(&mut self) -> impl Iterator<Item = &Message> {
        self.is_watched = true;
        self.messages.iter().rev()
    }

    /// The memory of the oldest, if there was one.
    fn drop_oldest(&mut self) -> Option<Vec<u8>> {
        let oldest = self.messages.pop_front()?;
        self.room.0.fetch_sub(oldest.cost(), Relaxed);
        Some(oldest.content)
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        while self.drop_oldest().is_some() {}
    }
}

/// What a message takes of which so much is kept.
fn cost(content: usize) -> usize {
    size_of::<Message>() + content
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_last_messages_are_kept_as_they_came_the_newest_first() {
        let mut recent = Recent::new(&Arc::default());
        let properties = WrittenProperties::new("%24.ct=application%2Fjson&a=").unwrap();
        for number in 0..KEPT + 5 {
            let body = format!("message {number}");
            recent.keep(properties, body.as_bytes(), at(i64::try_from(number).unwrap()));
        }
        let shown: Vec<_> = recent.look().map(|message| message.body().to_vec()).collect();
        assert_eq!(
            (shown.len(), &*shown[0], &*shown[KEPT - 1]),
            (KEPT, &b"message 24"[..], &b"message 5"[..])
        );
        let newest = recent.look().next().unwrap();
        assert_eq!(newest.properties(), b"%24.ct=application%2Fjson&a=");
        assert_eq!((newest.at, newest.size), (at(24), 10));
    }

    #[test]
    fn all_devices_together_keep_little_and_one_that_is_looked_at_has_room_all_the_same() {
        let room: Arc<Room> = Arc::default();
        let none = WrittenProperties::new("").unwrap();
        let mut devices: Vec<_> = (0..1000).map(|_| Recent::new(&room)).collect();
        for device in &mut devices {
            for _ in 0..3 {
                device.keep(none, &[b'x'; 100_000], at(0));
            }
        }
        assert!(room.0.load(Relaxed) <= ROOM);
        let late = devices.last_mut().unwrap();
        assert_eq!(late.look().count(), 0, "others have used up the room");
        late.keep(none, &[b'x'; 100_000], at(0));
        let message = late.look().next().unwrap();
        assert_eq!((message.body().len(), message.size), (LONGEST, 100_000));
        drop(devices);
        assert_eq!(room.0.load(Relaxed), 0);
    }
}
