//! What a device is asked to do: a few bits, so that thousands of devices cost next to nothing while nobody asks.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

const ONLINE: u8 = 1;
const STOP: u8 = 2;
const RECONNECT: u8 = 4;
const REREGISTER: u8 = 8;

/// The orders of one device. One task reads them, anybody may give them.
#[derive(Debug, Default)]
pub struct Mailbox {
    orders: AtomicU8,
    changed: AtomicBool,
    waker: AtomicWaker,
}

impl Mailbox {
    /// Wants the device online, or offline.
    pub fn want_online(&self, online: bool) {
        if online {
            self.give(ONLINE);
        } else {
            self.orders.fetch_and(!ONLINE, Ordering::AcqRel);
            self.notify();
        }
    }

    /// Wants the device to drain and stop for good.
    pub fn stop(&self) {
        self.give(STOP);
    }

    /// Wants a clean disconnect and a new connection; brings an offline device online.
    pub fn reconnect(&self) {
        self.give(RECONNECT | ONLINE);
    }

    /// Wants a new registration with DPS.
    pub fn reregister(&self) {
        self.give(REREGISTER);
    }

    /// Whether the device is to be online.
    pub fn wants_online(&self) -> bool {
        self.has(ONLINE)
    }

    /// Whether the device is to stop for good.
    pub fn wants_stop(&self) -> bool {
        self.has(STOP)
    }

    /// Whether an order ends even a session in which the device is online: to register again it need not leave.
    pub fn ends_even_online(&self) -> bool {
        !self.has(ONLINE) || self.has(STOP | RECONNECT)
    }

    /// Whether a session has to end because of an order.
    pub fn ends_session(&self) -> bool {
        !self.has(ONLINE) || self.has(STOP | RECONNECT | REREGISTER)
    }

    /// Takes the order to connect anew, if there is one.
    pub fn take_reconnect(&self) -> bool {
        self.take(RECONNECT)
    }

    /// Takes the order to register anew, if there is one.
    pub fn take_reregister(&self) -> bool {
        self.take(REREGISTER)
    }

    /// Waits until an order has been given since the last time. Only the device's own task may wait.
    pub async fn changed(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.changed.swap(false, Ordering::AcqRel) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn has(&self, orders: u8) -> bool {
        self.orders.load(Ordering::Acquire) & orders != 0
    }

    fn take(&self, order: u8) -> bool {
        self.orders.fetch_and(!order, Ordering::AcqRel) & order != 0
    }

    fn give(&self, order: u8) {
        self.orders.fetch_or(order, Ordering::AcqRel);
        self.notify();
    }

    fn notify(&self) {
        self.changed.store(true, Ordering::Release);
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn an_order_wakes_the_device_whether_given_before_or_while_it_waits() {
        let mailbox = Arc::new(Mailbox::default());
        mailbox.want_online(true);
        mailbox.changed().await;
        let waiting = tokio::spawn({
            let mailbox = Arc::clone(&mailbox);
            async move { mailbox.changed().await }
        });
        tokio::task::yield_now().await;
        mailbox.stop();
        waiting.await.unwrap();
        assert!(mailbox.wants_online() && mailbox.wants_stop());
    }

    #[test]
    fn one_time_orders_are_taken_once_and_a_reconnect_brings_the_device_online() {
        let mailbox = Mailbox::default();
        assert!(mailbox.ends_session(), "nobody wants it online");
        mailbox.reconnect();
        assert!(mailbox.wants_online() && mailbox.ends_session());
        assert!(mailbox.take_reconnect());
        assert!(!mailbox.take_reconnect());
        assert!(!mailbox.ends_session());
    }
}
