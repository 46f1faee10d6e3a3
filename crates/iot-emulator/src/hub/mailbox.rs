//! The commands for a session: a channel that takes no room while it is empty. One of tokio's keeps room for its
//! first 32 messages from the start, which is 2.5 KiB for each device that gets no message.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A mailbox: any thread may put messages in, one task takes them out in the same order.
pub(crate) fn mailbox<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared(Mutex::new(Content {
        messages: VecDeque::new(),
        reader: None,
        is_closed: false,
    })));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// Puts messages in. When it is dropped, the receiver still gets what is in, and then the end.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T>(Mutex<Content<T>>);

#[derive(Debug)]
struct Content<T> {
    messages: VecDeque<T>,
    /// Who waits for the next message.
    reader: Option<Waker>,
    /// One of the two ends is gone.
    is_closed: bool,
}

/// The message will not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, message: T) -> Result<(), Closed> {
        let mut content = self.0.lock();
        if content.is_closed {
            return Err(Closed);
        }
        content.messages.push_back(message);
        let reader = content.reader.take();
        drop(content);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut content = self.0.lock();
        content.is_closed = true;
        let reader = content.reader.take();
        drop(content);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl<T> Receiver<T> {
    /// The next message; none when the sender is gone. Nothing is lost if this is cancelled.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut content = self.0.lock();
        if let Some(message) = content.messages.pop_front() {
            if content.messages.is_empty() {
                content.messages = VecDeque::new();
            }
            return Poll::Ready(Some(message));
        }
        if content.is_closed {
            return Poll::Ready(None);
        }
        match &mut content.reader {
            Some(reader) => reader.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut content = self.0.lock();
        content.is_closed = true;
        let unread = std::mem::take(&mut content.messages);
        drop(content);
        // Outside the lock, since a message may do something when it is dropped.
        drop(unread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_in_order_and_the_end_after_the_last() {
        let (sender, mut receiver) = mailbox();
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        drop(sender);
        assert_eq!(receiver.recv().await, Some(1));
        assert_eq!(receiver.recv().await, Some(2));
        assert_eq!(receiver.recv().await, None);
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_a_message_and_by_the_end() {
        let (sender, mut receiver) = mailbox();
        let reader = tokio::spawn(async move { (receiver.recv().await, receiver.recv().await) });
        tokio::task::yield_now().await;
        sender.send("now").unwrap();
        tokio::task::yield_now().await;
        drop(sender);
        assert_eq!(reader.await.unwrap(), (Some("now"), None));
    }

    #[test]
    fn a_message_to_a_receiver_that_is_gone_comes_back_and_is_dropped() {
        let (sender, receiver) = mailbox();
        let message = Arc::new(());
        sender.send(Arc::clone(&message)).unwrap();
        drop(receiver);
        assert_eq!(Arc::strong_count(&message), 1);
        assert_eq!(sender.send(message), Err(Closed));
    }
}
