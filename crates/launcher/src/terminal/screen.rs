//! Everything that is shown, and what a key does to it. Pure: it takes snapshots, lines and keys.

use std::time::Duration;

use fleet_protocol::lines::{Action, Control, Phase, Selection, ShareOf};

use super::history::History;
use super::keys::Key;
use super::snapshot::{Snapshot, Subject};
use crate::progress::Line;

/// So large a part of the fleet is disconnected by a key.
const DISCONNECTED: f64 = 0.1;

/// What is shown.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) subject: Subject,
    /// The run as it was last seen.
    pub(super) snapshot: Option<Snapshot>,
    pub(super) history: History,
    /// The phase whose times are shown, once it has been chosen.
    phase: Option<Phase>,
    pub(super) is_help_shown: bool,
    /// The newest lines of progress.
    pub(super) lines: Vec<Line>,
    /// What is to be said of where things stand.
    pub(super) notes: Vec<String>,
    /// When the processes were started, on the clock of the lines.
    pub(super) started: Duration,
}

/// What the run is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    /// What is ordered, in a word, and the control line.
    Order(&'static str, Control),
    /// Drain and stop, as the first Ctrl-C.
    End,
    /// Leave at once, as the second.
    Leave,
}

impl Screen {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            subject,
            snapshot: None,
            history: History::default(),
            phase: None,
            is_help_shown: false,
            lines: Vec::new(),
            notes: Vec::new(),
            started: Duration::ZERO,
        }
    }

    /// Takes the run as it is `now`, on the clock of the lines.
    pub(super) fn see(&mut self, snapshot: Snapshot, now: Duration) {
        let since = Duration::try_from_secs_f64(snapshot.position.at_s).unwrap_or_default();
        self.started = now.saturating_sub(since);
        self.history.take(&snapshot);
        self.snapshot = Some(snapshot);
    }

    /// What a key asks of the run; what it changes on the screen has changed.
    pub(super) fn press(&mut self, key: Key) -> Option<Command> {
        match key {
            Key::Left => self.choose(Phase::ALL.len() - 1),
            Key::Right => self.choose(1),
            Key::Char('?') => self.is_help_shown = !self.is_help_shown,
            Key::Escape => self.is_help_shown = false,
            Key::Char('p') => {
                let is_paused = self
                    .snapshot
                    .as_ref()
                    .is_some_and(|snapshot| snapshot.position.is_paused);
                return Some(match is_paused {
                    true => order("resume", Action::ResumeRamp, None),
                    false => order("pause", Action::PauseRamp, None),
                });
            }
            Key::Char('s') => return Some(order("storm", Action::Storm, None)),
            Key::Char('r') => return Some(order("retry", Action::Retry, None)),
            Key::Char('d') => return Some(order("disconnect", Action::Disconnect, Some(DISCONNECTED))),
            Key::Char('q') => return Some(Command::End),
            Key::Char('Q') => return Some(Command::Leave),
            Key::Char(_) => {}
        }
        None
    }

    /// The phase whose times are shown: the last of the main ones that devices have come to, unless one was chosen.
    pub(super) fn phase(&self) -> Phase {
        let times = self.snapshot.as_ref().map(|snapshot| &snapshot.times);
        let main = [Phase::Publish, Phase::Connect, Phase::Register];
        let reached = main
            .into_iter()
            .find(|phase| times.is_some_and(|times| times.contains_key(phase)));
        self.phase.or(reached).unwrap_or(Phase::Register)
    }

    /// The phase that comes so many after the one that is shown.
    fn choose(&mut self, after: usize) {
        let shown = self.phase();
        let at = Phase::ALL.iter().position(|phase| *phase == shown).unwrap_or(0);
        self.phase = Some(Phase::ALL[(at + after) % Phase::ALL.len()]);
    }
}

fn order(word: &'static str, action: Action, share: Option<f64>) -> Command {
    let devices = share.map(|share| {
        Selection::Share(ShareOf {
            group: None,
            share: Some(share),
        })
    });
    Command::Order(
        word,
        Control {
            devices,
            ..Control::new(action)
        },
    )
}

#[cfg(test)]
pub(super) mod testing {
    //! A screen to look at.

    use std::collections::BTreeMap;

    use super::*;
    use crate::standing::Position;
    use crate::terminal::snapshot::Counts;

    /// A run of which nothing is known.
    pub(in crate::terminal) fn empty() -> Snapshot {
        Snapshot {
            position: Position {
                at_s: 0.0,
                stage: None,
                stages_elapsed: None,
                is_paused: false,
                is_ending: false,
            },
            groups: BTreeMap::new(),
            counts: Counts::default(),
            times: BTreeMap::new(),
            thresholds: Vec::new(),
            quotas: Vec::new(),
            errors: Vec::new(),
            marks: Vec::new(),
        }
    }

    pub(in crate::terminal) fn subject() -> Subject {
        Subject {
            name: "demo".to_owned(),
            run_id: "20261128T075452123".to_owned(),
            target: "emulator".to_owned(),
            groups: Vec::new(),
            negative: 0,
            stages: Vec::new(),
            connect_rate: 50.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_orders_of_fleet_ctl() {
        let mut screen = Screen::new(testing::subject());
        let mut press = |key| screen.press(Key::Char(key));
        assert_eq!(press('s'), Some(order("storm", Action::Storm, None)));
        assert_eq!(press('r'), Some(order("retry", Action::Retry, None)));
        assert_eq!(press('p'), Some(order("pause", Action::PauseRamp, None)));
        let Some(Command::Order("disconnect", control)) = press('d') else {
            panic!("d is an order")
        };
        let line = serde_json::to_value(&control).unwrap();
        assert_eq!(
            (&line["do"], &line["devices"]["share"]),
            (&"disconnect".into(), &0.1.into()),
            "{line}"
        );
        assert_eq!(
            (press('q'), press('Q'), press('x')),
            (Some(Command::End), Some(Command::Leave), None)
        );
    }

    #[test]
    fn a_pause_ends_by_the_same_key() {
        let mut screen = Screen::new(testing::subject());
        let mut snapshot = testing::empty();
        snapshot.position.is_paused = true;
        screen.see(snapshot, Duration::from_secs(3));
        assert_eq!(
            screen.press(Key::Char('p')),
            Some(order("resume", Action::ResumeRamp, None))
        );
    }

    #[test]
    fn arrows_go_round_the_phases_and_help_comes_and_goes() {
        let mut screen = Screen::new(testing::subject());
        let first = screen.phase();
        screen.press(Key::Right);
        assert_ne!(screen.phase(), first);
        for _ in 0..=Phase::ALL.len() {
            screen.press(Key::Left);
        }
        assert_eq!(screen.phase(), first);
        for (key, is_shown) in [
            (Key::Char('?'), true),
            (Key::Char('?'), false),
            (Key::Escape, false),
            (Key::Char('?'), true),
            (Key::Escape, false),
        ] {
            screen.press(key);
            assert_eq!(screen.is_help_shown, is_shown);
        }
    }
}
