//! What a device remembers of what it has sent, where its profile or the number of messages asks for it. Pure.

use std::time::Duration;

use fleet_protocol::plan::OnChange;
use tokio::time::Instant;

use crate::model::Model;

/// What a device remembers of what it has sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sending {
    /// How many messages it may still send, where that is limited.
    left: Option<u64>,
    /// Of each component, the last value that was sent, and when.
    last: Vec<Option<(f64, Instant)>>,
    /// Reports of unchanged properties that are due; a whole one is made.
    reports: f64,
}

impl Sending {
    pub(crate) fn new(left: Option<u64>) -> Self {
        Self {
            left,
            ..Self::default()
        }
    }

    /// Whether a measurement differs enough from the last one that was sent, or the heartbeat is due. It counts as sent
    /// then.
    fn is_news(&mut self, rule: OnChange, component: u8, body: &[u8], now: Instant) -> bool {
        let component = usize::from(component);
        if self.last.len() <= component {
            self.last.resize(component + 1, None);
        }
        let Some(value) = value(body) else { return true };
        let heartbeat = Duration::from_millis(rule.heartbeat_ms);
        let is_news = self.last[component].is_none_or(|(last, at)| {
            // Tenths of a kelvin, and not what floating-point arithmetic makes of them.
            (value - last).abs() >= rule.by - 1e-9 || now.saturating_duration_since(at) >= heartbeat
        });
        if is_news {
            self.last[component] = Some((value, now));
        }
        is_news
    }

    /// Whether a measurement becomes a message.
    pub(crate) fn sends(&mut self, rule: Option<OnChange>, component: u8, body: &[u8], now: Instant) -> bool {
        rule.is_none_or(|rule| self.is_news(rule, component, body, now)) && self.take()
    }

    /// Whether it has more messages to send.
    pub(crate) fn has_more(&self) -> bool {
        self.left.is_none_or(|left| left > 0)
    }

    /// The device has restarted, and what was in memory is lost.
    pub(crate) fn forget(&mut self) {
        self.last.clear();
        self.reports = 0.0;
    }

    /// Takes one of the messages that are left. `false` where there is none.
    fn take(&mut self) -> bool {
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// Whether properties are to be reported with this measurement.
    pub(crate) fn reports(&mut self, each_time: f64) -> bool {
        self.reports += each_time;
        let is_due = self.reports >= 1.0 - 1e-9;
        if is_due {
            self.reports = (self.reports - 1.0).clamp(0.0, 1.0);
        }
        is_due
    }
}

/// The share of the measurements of some devices that are news: `measurements` of each, at the nominal interval.
pub fn sent_of(models: impl Iterator<Item = Model>, rule: OnChange, interval_ms: u64, measurements: usize) -> f64 {
    let (start, interval) = (Instant::now(), Duration::from_millis(interval_ms));
    let (mut sent, mut of) = (0_u32, 0_u32);
    for mut model in models {
        let (mut sending, mut now) = (Sending::default(), start);
        for _ in 0..measurements {
            for (component, body) in model
                .measure(interval.as_secs_f64(), jiff::Timestamp::UNIX_EPOCH)
                .telemetry
            {
                sent += u32::from(sending.is_news(rule, component, &body, now));
                of += 1;
            }
            // A century of them is no run.
            now = now.checked_add(interval).unwrap_or(now);
        }
    }
    f64::from(sent) / f64::from(of.max(1))
}

/// The number in a JSON object of one field.
fn value(body: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(body).ok()?;
    text.strip_suffix('}')?.rsplit_once(':')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_is_sent_and_a_heartbeat() {
        let rule = OnChange {
            by: 0.3,
            heartbeat_ms: 60_000,
        };
        let (start, mut sending) = (Instant::now(), Sending::default());
        let mut sends = |seconds, component, value: f64| {
            let body = format!(r#"{{"temperature":{value:.1}}}"#);
            sending.is_news(rule, component, body.as_bytes(), start + Duration::from_secs(seconds))
        };
        for (seconds, component, value, sent) in [
            (0, 0, 21.0, true),
            (5, 0, 21.2, false),
            (10, 0, 21.3, true),
            (15, 0, 21.1, false),
            (20, 1, 21.1, true),
            (69, 0, 21.2, false),
            (70, 0, 21.2, true),
            (75, 0, 20.9, true),
        ] {
            assert_eq!(sends(seconds, component, value), sent, "{seconds} s, {value}");
        }
        assert!(
            sending.is_news(rule, 0, b"text", start),
            "what has no value is always news"
        );
    }

    #[test]
    fn a_device_sends_as_many_messages_as_it_has_and_no_more() {
        let mut sending = Sending::new(Some(2));
        assert_eq!([sending.take(), sending.take(), sending.take()], [true, true, false]);
        assert!(Sending::new(None).take());
    }

    #[test]
    fn properties_are_reported_as_often_as_asked() {
        for (each_time, of) in [(1.0, 30), (0.5, 15), (0.1, 3), (0.0, 0)] {
            let mut sending = Sending::default();
            let reports = (0..30).filter(|_| sending.reports(each_time)).count();
            assert_eq!(reports, of, "{each_time}");
        }
    }
}
