//! The orders for a device: a few bits, so that thousands of devices cost next to nothing while there are none.

use std::future::poll_fn;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

const ONLINE: u8 = 1;
const STOP: u8 = 2;
const RECONNECT: u8 = 4;
const REREGISTER: u8 = 8;

/// The orders of one device. One task reads them, any may give them.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    orders: AtomicU8,
    wanted_since: OnceLock<Instant>,
    changed: AtomicBool,
    waker: AtomicWaker,
}

impl Mailbox {
    /// Wants the device online. Whether that is the first time.
    pub(crate) fn want_online(&self) -> bool {
        self.want(ONLINE)
    }

    /// Wants the device offline.
    pub(crate) fn want_offline(&self) {
        self.orders.fetch_and(!ONLINE, Ordering::AcqRel);
        self.notify();
    }

    /// Wants the device to drain and stop for good.
    pub(crate) fn stop(&self) {
        self.give(STOP);
    }

    /// Wants a clean disconnect and a new connection; brings an offline device online. Whether it is the first time
    /// that the device is wanted online.
    pub(crate) fn reconnect(&self) -> bool {
        self.want(RECONNECT | ONLINE)
    }

    /// Wants a new registration with DPS.
    pub(crate) fn reregister(&self) {
        self.give(REREGISTER);
    }

    /// When the device was first wanted online; `None` if it never was.
    pub(crate) fn wanted_since(&self) -> Option<Instant> {
        self.wanted_since.get().copied()
    }

    /// Whether the device is to be online.
    pub(crate) fn wants_online(&self) -> bool {
        self.has(ONLINE)
    }

    /// Whether the device is to stop for good.
    pub(crate) fn wants_stop(&self) -> bool {
        self.has(STOP)
    }

    /// Whether an order ends even a session in which the device is online: to register again, it can stay connected.
    pub(crate) fn ends_even_online(&self) -> bool {
        !self.has(ONLINE) || self.has(STOP | RECONNECT)
    }

    /// Whether a session has to end because of an order.
    pub(crate) fn ends_session(&self) -> bool {
        !self.has(ONLINE) || self.has(STOP | RECONNECT | REREGISTER)
    }

    /// Takes the order to connect again, if there is one.
    pub(crate) fn take_reconnect(&self) -> bool {
        self.take(RECONNECT)
    }

    /// Takes the order to register again, if there is one.
    pub(crate) fn take_reregister(&self) -> bool {
        self.take(REREGISTER)
    }

    /// Waits until an order has been given since the last time. Only the device's own task may wait.
    pub(crate) async fn changed(&self) {
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

    fn want(&self, orders: u8) -> bool {
        let first = self.wanted_since.set(Instant::now()).is_ok();
        self.give(orders);
        first
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
        assert!(mailbox.want_online());
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
        assert!(mailbox.ends_session(), "it is not wanted online");
        assert_eq!(mailbox.wanted_since(), None);
        assert!(mailbox.reconnect(), "wanted for the first time");
        mailbox.want_offline();
        assert!(!mailbox.want_online(), "it has been wanted before");
        assert!(mailbox.wanted_since().is_some());
        assert!(mailbox.wants_online() && mailbox.ends_session());
        assert!(mailbox.take_reconnect());
        assert!(!mailbox.take_reconnect());
        assert!(!mailbox.ends_session());
    }
}
