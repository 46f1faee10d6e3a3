//! Reported properties that are sent to the twin: coalesced, the newest value wins, one patch at a time.

use std::time::Duration;

use iot_protocol::twin::merge;
use serde_json::{Map, Value};
use tokio::time::Instant;

/// A patch that is not answered within this time is sent again: it went with QoS 0, so it may never have arrived.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What a device has to report.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    pending: Map<String, Value>,
    in_flight: Option<InFlight>,
    /// When the oldest patch was first sent that has not been answered.
    unanswered_since: Option<Instant>,
}

#[derive(Debug)]
struct InFlight {
    request_id: u64,
    patch: Map<String, Value>,
    sent: Instant,
}

impl Reporter {
    /// Adds properties; a newer value replaces one that has not been sent. Those of one component are kept together.
    pub(crate) fn report(&mut self, properties: &Map<String, Value>) {
        merge(&mut self.pending, properties);
    }

    /// Whether [`Reporter::next`] may have something, now or later.
    pub(crate) fn is_waiting(&self) -> bool {
        self.in_flight.is_some() || !self.pending.is_empty()
    }

    /// The patch to send now, under `request_id`; none while one is in flight or there is nothing to report.
    pub(crate) fn next(&mut self, request_id: u64, now: Instant) -> Option<&Map<String, Value>> {
        if self
            .in_flight
            .as_ref()
            .is_some_and(|in_flight| now - in_flight.sent > ANSWER_WITHIN)
        {
            self.connection_lost();
        }
        if self.in_flight.is_some() || self.pending.is_empty() {
            return None;
        }
        let patch = std::mem::take(&mut self.pending);
        self.unanswered_since.get_or_insert(now);
        Some(
            &self
                .in_flight
                .insert(InFlight {
                    request_id,
                    patch,
                    sent: now,
                })
                .patch,
        )
    }

    /// The hub has answered. Returns when the patch was first sent; `None` when the answer is for something else.
    pub(crate) fn answered(&mut self, request_id: u64) -> Option<Instant> {
        self.in_flight
            .take_if(|in_flight| in_flight.request_id == request_id)
            .and_then(|_| self.unanswered_since.take())
    }

    /// When the patch was first sent that has not been answered, if there is one.
    #[must_use]
    pub(crate) fn unanswered_since(&self) -> Option<Instant> {
        self.unanswered_since
    }

    /// The connection is gone: what was not answered has to be sent again, unless something newer replaces it.
    pub(crate) fn connection_lost(&mut self) {
        if let Some(InFlight { mut patch, .. }) = self.in_flight.take() {
            merge(&mut patch, &self.pending);
            self.pending = patch;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn properties(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_newest_value_wins_while_another_patch_is_on_its_way() {
        let mut reporter = Reporter::default();
        let now = Instant::now();
        reporter.report(&properties(&json!({"a": 1})));
        assert_eq!(reporter.next(1, now), Some(&properties(&json!({"a": 1}))));
        reporter.report(&properties(&json!({"a": 2})));
        reporter.report(&properties(&json!({"a": 3, "b": 1})));
        assert_eq!(reporter.next(2, now), None, "one at a time");
        assert_eq!(reporter.answered(7), None, "of something else");
        assert_eq!(reporter.answered(1), Some(now));
        assert_eq!(reporter.next(2, now), Some(&properties(&json!({"a": 3, "b": 1}))));
    }

    #[test]
    fn properties_of_one_component_are_reported_together() {
        let mut reporter = Reporter::default();
        reporter.report(&properties(&json!({"thermostat1": {"__t": "c", "a": 1}})));
        reporter.report(&properties(&json!({"thermostat1": {"__t": "c", "b": 2}})));
        let together = properties(&json!({"thermostat1": {"__t": "c", "a": 1, "b": 2}}));
        assert_eq!(reporter.next(1, Instant::now()), Some(&together));
    }

    #[test]
    fn a_patch_without_an_answer_is_sent_again_after_a_while() {
        let mut reporter = Reporter::default();
        let now = Instant::now();
        reporter.report(&properties(&json!({"a": 1})));
        assert!(reporter.next(1, now).is_some());
        assert_eq!(reporter.next(2, now + ANSWER_WITHIN), None);
        assert_eq!(
            reporter.next(2, now + ANSWER_WITHIN * 2),
            Some(&properties(&json!({"a": 1})))
        );
        assert_eq!(reporter.answered(1), None, "too late");
    }

    #[test]
    fn an_unanswered_patch_is_sent_again_but_does_not_undo_a_newer_value() {
        let mut reporter = Reporter::default();
        let now = Instant::now();
        reporter.report(&properties(&json!({"a": 1, "b": 1})));
        assert!(reporter.next(1, now).is_some());
        reporter.report(&properties(&json!({"a": 2})));
        reporter.connection_lost();
        assert_eq!(reporter.next(2, now), Some(&properties(&json!({"a": 2, "b": 1}))));
    }

    #[test]
    fn a_patch_that_was_sent_again_has_waited_since_the_first_time() {
        let mut reporter = Reporter::default();
        let now = Instant::now();
        reporter.report(&properties(&json!({"a": 1})));
        assert_eq!(reporter.unanswered_since(), None, "not sent yet");
        reporter.next(1, now);
        reporter.connection_lost();
        assert_eq!(reporter.unanswered_since(), Some(now));
        reporter.next(2, now + Duration::from_secs(9));
        assert_eq!(reporter.answered(2), Some(now));
        assert_eq!(reporter.unanswered_since(), None);
    }
}
