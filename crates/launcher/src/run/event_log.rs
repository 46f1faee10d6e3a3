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
        let kind = word(control.action);
        self.orders.insert(control.id, self.marks.len());
        self.mark(at_s, kind, words(kind, control));
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

/// An order as it is written on the lines.
fn word(action: Action) -> &'static str {
    match action {
        Action::Reconnect => "reconnect",
        Action::Reregister => "reregister",
        Action::Disconnect => "disconnect",
        Action::Stop => "stop",
        Action::PauseRamp => "pause_ramp",
        Action::ResumeRamp => "resume_ramp",
    }
}

fn words(kind: &str, control: &Control) -> String {
    let what = match control.action {
        Action::PauseRamp => return "the stages pause".to_owned(),
        Action::ResumeRamp => return "the stages go on".to_owned(),
        _ => kind,
    };
    let of = match &control.devices {
        None => " all devices".to_owned(),
        Some(Selection::Ids(ids)) => match ids.as_slice() {
            [only] => format!(" {only}"),
            ids => format!(" {} devices", ids.len()),
        },
        Some(Selection::Share(of)) => {
            let share = of
                .share
                .map_or("all".to_owned(), |share| format!("{} %", (share * 1e4).round() / 100.0));
            match &of.group {
                Some(group) => format!(" {share} of {group}"),
                None => format!(" {share} of the fleet"),
            }
        }
    };
    let over = control.over.and_then(|over| over.try_into().ok());
    let over = over.map(|over| format!(" over {}", Span(over))).unwrap_or_default();
    format!("{what}{of}{over}")
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
            action: Action::Reconnect,
            devices: Some(Selection::Share(ShareOf {
                group: Some("thermostats".to_owned()),
                share: Some(0.2),
            })),
            over: jiff::SignedDuration::from_secs(10).into(),
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
    fn orders_are_named_as_on_the_lines() {
        for action in [
            Action::Reconnect,
            Action::Reregister,
            Action::Disconnect,
            Action::Stop,
            Action::PauseRamp,
            Action::ResumeRamp,
        ] {
            assert_eq!(serde_json::to_value(action).unwrap(), word(action));
        }
    }
}
