//! The orders for a device: a few bits, so that thousands of devices cost next to nothing while there are none.

use std::future::poll_fn;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

const ONLINE: u16 = 1;
const STOP: u16 = 2;
const RECONNECT: u16 = 4;
const REREGISTER: u16 = 8;
const REBOOT: u16 = 16;
const STORM: u16 = 32;
const RETRY: u16 = 64;
/// Absent for a while, whatever the stages want meanwhile.
const AWAY: u16 = 128;
/// Offline for a part of each day, by its profile.
const OFF_DUTY: u16 = 512;
/// Not an order: the device itself notes that it waits after a failure.
const WAITS: u16 = 256;

/// What an order to leave has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// The device is absent now, and was not before.
    pub(crate) is_away: bool,
    /// The stages, or an order, had wanted it online.
    pub(crate) was_wanted: bool,
}

/// The orders of one device. One task reads them, any may give them.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    orders: AtomicU16,
    changed: AtomicBool,
    wanted_since: OnceLock<Instant>,
    waker: AtomicWaker,
}

impl Mailbox {
    /// Wants the device online. Whether that is the first time.
    pub(crate) fn want_online(&self) -> bool {
        self.want(ONLINE)
    }

    /// Wants the device offline.
    pub(crate) fn want_offline(&self) {
        self.withdraw(ONLINE);
    }

    /// Wants the device to drain and stop for good.
    pub(crate) fn stop(&self) {
        self.give(STOP);
    }

    /// Wants a clean disconnect and a new connection; brings an offline device online. Whether it is the first time
    /// that the device is wanted online.
    pub(crate) fn reconnect(&self) -> bool {
        self.orders.fetch_and(!AWAY, Ordering::AcqRel);
        self.want(RECONNECT | ONLINE)
    }

    /// The same without a disconnect, and without waiting for anything.
    pub(crate) fn storm(&self) -> bool {
        self.orders.fetch_and(!AWAY, Ordering::AcqRel);
        self.want(STORM | ONLINE)
    }

    /// Wants a new registration with DPS.
    pub(crate) fn reregister(&self) {
        self.give(REREGISTER);
    }

    /// Wants the device to start again, as after a power cut.
    pub(crate) fn reboot(&self) {
        self.give(REBOOT);
    }

    /// Ends the device's wait after a failure. Whether it waits.
    pub(crate) fn retry(&self) -> bool {
        let waits = self.has(WAITS);
        if waits {
            self.give(RETRY);
        }
        waits
    }

    /// Wants the device to be absent until [`Mailbox::come_back`]. Nothing happens where it is not wanted online, or is
    /// absent already: then it has nothing to leave.
    pub(crate) fn leave(&self) -> Left {
        self.leave_if(|orders| orders & (ONLINE | AWAY | OFF_DUTY) == ONLINE, 0)
    }

    /// Wants the device to be absent until [`Mailbox::come_back`], also where the stages come to want it meanwhile.
    /// Nothing happens where it is absent already.
    pub(crate) fn stay_away(&self) -> Left {
        self.leave_if(|orders| orders & AWAY == 0, 0)
    }

    /// The same where its power is cut.
    pub(crate) fn lose_power(&self) -> Left {
        self.leave_if(|orders| orders & AWAY == 0, REBOOT)
    }

    fn leave_if(&self, leaves: fn(u16) -> bool, how: u16) -> Left {
        let leave = |orders: u16| leaves(orders).then_some(orders | AWAY | how);
        match self.orders.fetch_update(Ordering::AcqRel, Ordering::Acquire, leave) {
            Err(_) => Left::default(),
            Ok(before) => {
                self.notify();
                Left {
                    is_away: true,
                    was_wanted: before & ONLINE != 0,
                }
            }
        }
    }

    /// The device's absence is over. Whether it is online then is for the stages to say.
    pub(crate) fn come_back(&self) {
        self.withdraw(AWAY);
    }

    /// The device waits after a failure, or does so no longer.
    pub(crate) fn waits(&self, waits: bool) {
        match waits {
            true => self.orders.fetch_or(WAITS, Ordering::AcqRel),
            false => self.orders.fetch_and(!WAITS, Ordering::AcqRel),
        };
    }

    /// When the device was first wanted online; `None` if it never was.
    pub(crate) fn wanted_since(&self) -> Option<Instant> {
        self.wanted_since.get().copied()
    }

    /// Whether the device is to be online.
    pub(crate) fn wants_online(&self) -> bool {
        self.orders.load(Ordering::Acquire) & (ONLINE | AWAY | OFF_DUTY) == ONLINE
    }

    /// The part of the day begins in which the device is online. Whether it is wanted now, and was not before; and
    /// whether that is the first time.
    pub(crate) fn begin_duty(&self) -> (bool, bool) {
        if !self.is_off_duty() {
            return (false, false);
        }
        let is_wanted = self.has(ONLINE);
        let first = is_wanted && self.wanted_since.set(Instant::now()).is_ok();
        self.withdraw(OFF_DUTY);
        (is_wanted, first)
    }

    /// It ends. Whether the device is no longer wanted because of that.
    pub(crate) fn end_duty(&self) -> bool {
        let was_on = !self.is_off_duty();
        self.give(OFF_DUTY);
        was_on && self.has(ONLINE)
    }

    /// Whether the device is offline by its profile, whatever the stages want.
    pub(crate) fn is_off_duty(&self) -> bool {
        self.has(OFF_DUTY)
    }

    /// Whether the device is to stop for good.
    pub(crate) fn wants_stop(&self) -> bool {
        self.has(STOP)
    }

    /// Whether an order ends even a session in which the device is online: to register again, it can stay connected.
    pub(crate) fn ends_even_online(&self) -> bool {
        !self.wants_online() || self.has(STOP | RECONNECT | REBOOT | STORM)
    }

    /// Whether a session has to end because of an order.
    pub(crate) fn ends_session(&self) -> bool {
        self.ends_even_online() || self.has(REREGISTER)
    }

    /// Whether a registration has to end because of an order.
    pub(crate) fn ends_registration(&self) -> bool {
        self.has(STOP | REBOOT)
    }

    /// Whether the session is to end as it does when the network or the power goes: nothing is drained, and no
    /// DISCONNECT is sent.
    pub(crate) fn breaks_off(&self) -> bool {
        self.has(REBOOT | STORM) && !self.has(STOP)
    }

    /// Takes the order to connect again, if there is one.
    pub(crate) fn take_reconnect(&self) -> bool {
        self.take(RECONNECT)
    }

    /// Takes the order to register again, if there is one.
    pub(crate) fn take_reregister(&self) -> bool {
        self.take(REREGISTER)
    }

    /// Takes the order to start again, if there is one.
    pub(crate) fn take_reboot(&self) -> bool {
        self.take(REBOOT)
    }

    /// Takes the order to connect again past everything, if there is one.
    pub(crate) fn take_storm(&self) -> bool {
        self.take(STORM)
    }

    /// Takes the order to try again, if there is one.
    pub(crate) fn take_retry(&self) -> bool {
        self.take(RETRY)
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

    fn has(&self, orders: u16) -> bool {
        self.orders.load(Ordering::Acquire) & orders != 0
    }

    fn take(&self, order: u16) -> bool {
        // Asked at each turn of a device, and hardly ever given.
        self.has(order) && self.orders.fetch_and(!order, Ordering::AcqRel) & order != 0
    }

    fn want(&self, orders: u16) -> bool {
        // One that is off duty is not waited for.
        let first = !self.is_off_duty() && self.wanted_since.set(Instant::now()).is_ok();
        self.give(orders);
        first
    }

    fn give(&self, order: u16) {
        self.orders.fetch_or(order, Ordering::AcqRel);
        self.notify();
    }

    fn withdraw(&self, order: u16) {
        self.orders.fetch_and(!order, Ordering::AcqRel);
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

    #[test]
    fn an_absence_hides_what_the_stages_want_and_ends_with_it() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.leave().is_away, "it is not online");
        mailbox.want_online();
        assert!(mailbox.leave().is_away);
        assert!(!mailbox.leave().is_away, "it is away already");
        assert!(!mailbox.wants_online() && mailbox.ends_even_online());
        mailbox.want_online();
        assert!(!mailbox.wants_online(), "the stages don't end it");
        mailbox.want_offline();
        mailbox.come_back();
        assert!(!mailbox.wants_online(), "the stages want it offline");
        mailbox.want_online();
        assert!(mailbox.leave().is_away);
        mailbox.storm();
        assert!(mailbox.wants_online(), "an order to connect ends it");
    }

    #[test]
    fn a_power_cut_keeps_even_a_device_away_that_the_stages_want_meanwhile() {
        let mailbox = Mailbox::default();
        let left = |is_away, was_wanted| Left { is_away, was_wanted };
        assert_eq!(mailbox.stay_away(), left(true, false));
        mailbox.want_online();
        assert!(!mailbox.wants_online());
        assert_eq!(mailbox.lose_power(), Left::default(), "it is away already");
        mailbox.come_back();
        assert!(mailbox.wants_online() && !mailbox.take_reboot());
        assert_eq!(mailbox.lose_power(), left(true, true));
        assert!(mailbox.breaks_off() && !mailbox.wants_online());
        mailbox.come_back();
        assert!(mailbox.wants_online() && mailbox.take_reboot());
    }

    #[test]
    fn a_device_that_is_off_duty_is_wanted_when_its_part_of_the_day_begins() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.end_duty(), "nothing has wanted it");
        assert!(!mailbox.want_online() && !mailbox.wants_online() && !mailbox.leave().is_away);
        assert_eq!(mailbox.wanted_since(), None, "it is not waited for");
        assert_eq!(mailbox.begin_duty(), (true, true));
        assert!(mailbox.wants_online() && mailbox.wanted_since().is_some());
        assert_eq!(mailbox.begin_duty(), (false, false), "it has begun");
        assert!(mailbox.end_duty() && !mailbox.end_duty() && !mailbox.wants_online());
        mailbox.want_offline();
        assert_eq!(mailbox.begin_duty(), (false, false));
        mailbox.storm();
        assert!(mailbox.wants_online());
    }

    #[test]
    fn only_a_device_that_waits_tries_again() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.retry() && !mailbox.take_retry());
        mailbox.waits(true);
        assert!(mailbox.retry() && mailbox.take_retry() && !mailbox.take_retry());
        mailbox.waits(false);
        assert!(!mailbox.retry());
    }

    #[test]
    fn a_session_breaks_off_unless_the_device_is_to_stop() {
        let mailbox = Mailbox::default();
        mailbox.want_online();
        assert!(!mailbox.breaks_off() && !mailbox.ends_session());
        mailbox.reboot();
        assert!(mailbox.breaks_off() && mailbox.ends_even_online() && mailbox.ends_registration());
        mailbox.stop();
        assert!(!mailbox.breaks_off(), "a stop drains");
    }

    #[test]
    fn orders_take_no_more_room_than_one_word_beside_the_waker_and_the_first_instant() {
        let word = size_of::<usize>();
        let most = size_of::<OnceLock<Instant>>() + size_of::<AtomicWaker>() + word;
        assert!(size_of::<Mailbox>() <= most, "{} of {most}", size_of::<Mailbox>());
    }
}
