//! What happened to the fleet while it ran, on purpose or by accident, for the report.

use std::collections::BTreeMap;

use fleet_protocol::lines::{Action, Control, Selection};
use fleet_report::report::EventMark;
use fleet_report::thresholds::Second;
use settings::Span;

use super::stages::StageClock;

/// The marks of a run, in the order of their time.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    marks: Vec<EventMark>,
    /// By its id, the mark of an order.
    orders: BTreeMap<u64, usize>,
    stage: Option<u32>,
}

impl EventLog {
    pub(super) fn mark(&mut self, at_s: f64, kind: &str, what: impl Into<String>) {
        self.marks.push(EventMark {
            at_s,
            kind: kind.to_owned(),
            what: what.into(),
            devices: None,
        });
    }

    /// A stage begins, if this second is of another one than the last.
    pub(super) fn stage(&mut self, at_s: f64, second: Second, clock: &StageClock) {
        let number = second.stage.map(|stage| stage.number);
        if let Some(stage) = second.stage.filter(|_| number != self.stage) {
            self.stage = number;
            self.mark(at_s, "stage", clock.words(stage));
        }
    }

    /// An order goes to all processes.
    pub(super) fn order(&mut self, at_s: f64, control: &Control) {
        self.orders.insert(control.id, self.marks.len());
        self.mark(at_s, control.action.word(), words(control));
    }

    /// A process has carried out an order.
    pub(super) fn done(&mut self, id: u64, devices: u32) {
        let mark = self.orders.get(&id).and_then(|index| self.marks.get_mut(*index));
        if let Some(mark) = mark {
            *mark.devices.get_or_insert(0) += u64::from(devices);
        }
    }

    pub(super) fn marks(&self) -> &[EventMark] {
        &self.marks
    }

    pub(super) fn into_marks(self) -> Vec<EventMark> {
        self.marks
    }
}

fn words(control: &Control) -> String {
    let what = match control.action {
        Action::PauseRamp => return "the stages pause".to_owned(),
        Action::ResumeRamp => return "the stages go on".to_owned(),
        action => action.word(),
    };
    let of = match &control.devices {
        None => "all devices".to_owned(),
        Some(Selection::Ids(ids)) => match ids.as_slice() {
            [only] => only.clone(),
            ids => format!("{} devices", ids.len()),
        },
        Some(Selection::Share(of)) => {
            let share = of.share.map_or("all".to_owned(), percent);
            match &of.group {
                Some(group) => format!("{share} of {group}"),
                None => format!("{share} of the fleet"),
            }
        }
    };
    let over = control.over.and_then(|over| over.try_into().ok());
    let over = over.map(|over| format!(" over {}", Span(over))).unwrap_or_default();
    // A churn that can't be is refused by the processes.
    let churn = control.churn().ok().flatten().map(|churn| {
        let (share, lasts, away) = (percent(churn.share_per_minute), Span(churn.lasts), Span(churn.away));
        format!(", {share} a minute for {lasts}, each away for {away}")
    });
    let lasts = control.lasts.filter(|_| control.action != Action::Churn);
    let lasts = lasts.and_then(|lasts| lasts.try_into().ok());
    let lasts = lasts.map(|lasts| format!(" for {}", Span(lasts))).unwrap_or_default();
    format!("{what} {of}{over}{lasts}{}", churn.unwrap_or_default())
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e4).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use fleet_protocol::lines::ShareOf;

    use super::*;

    #[test]
    fn an_order_is_marked_with_all_devices_that_it_reached() {
        let mut log = EventLog::default();
        log.mark(0.5, "interrupted", "interrupted");
        let control = Control {
            id: 7,
            devices: Some(Selection::Share(ShareOf {
                group: Some("thermostats".to_owned()),
                share: Some(0.2),
            })),
            over: jiff::SignedDuration::from_secs(10).into(),
            ..Control::new(Action::Reconnect)
        };
        log.order(1.5, &control);
        log.done(7, 3);
        log.done(7, 2);
        log.done(8, 100);
        let marks = log.into_marks();
        assert_eq!(
            (&*marks[1].kind, &*marks[1].what, marks[1].devices),
            ("reconnect", "reconnect 20 % of thermostats over 10s", Some(5))
        );
        assert_eq!(marks[0].devices, None);
    }

    #[test]
    fn an_order_is_marked_in_words() {
        for (line, words) in [
            (r#"{"id":1,"do":"storm"}"#, "storm all devices"),
            (
                r#"{"id":1,"do":"reboot","devices":{"share":0.1},"over":"5s"}"#,
                "reboot 10 % of the fleet over 5s",
            ),
            (r#"{"id":1,"do":"retry","devices":["a"]}"#, "retry a"),
            (
                r#"{"id":1,"do":"disconnect","over":"5s","for":"1m"}"#,
                "disconnect all devices over 5s for 1m",
            ),
            (
                r#"{"id":1,"do":"churn","devices":{"group":"a"},"share_per_minute":0.1,"for":"5m"}"#,
                "churn all of a, 10 % a minute for 5m, each away for 30s",
            ),
        ] {
            let control: Control = serde_json::from_str(line).unwrap();
            assert_eq!(super::words(&control), words);
        }
    }
}
