//! The devices of a live run during a roll: which certificate each uses, and a wave of them that comes over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet_protocol::lines::{Action, Control, DeviceLine, Selection, State};
use fleet_protocol::reason::Reason;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};

use crate::control::{LiveError, RunHandle};
use crate::progress::ProgressLog;

/// While a roll waits, it reports for which devices.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// The devices, as far as they have reported.
#[derive(Debug)]
pub(crate) struct LiveDevices {
    live: RunHandle,
    lines: mpsc::UnboundedReceiver<DeviceLine>,
    seen: BTreeMap<String, DeviceLine>,
}

/// What became of a wave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Who has come over, and how long it was offline, if it was online at all.
    pub(crate) over: BTreeMap<String, Option<u64>>,
    /// Which have not, and why as far as it was reported.
    pub(crate) missing: BTreeMap<String, String>,
}

impl LiveDevices {
    pub(crate) async fn watch(live: RunHandle) -> Result<Self, LiveError> {
        let lines = live.watch().await?;
        let mut live_devices = Self {
            live,
            lines,
            seen: BTreeMap::new(),
        };
        live_devices.catch_up();
        Ok(live_devices)
    }

    /// Takes up the lines that have come meanwhile.
    pub(crate) fn catch_up(&mut self) {
        while let Ok(line) = self.lines.try_recv() {
            self.handle(line);
        }
    }

    fn handle(&mut self, mut line: DeviceLine) {
        if let Some(known) = self.seen.remove(&line.id) {
            line.leaf_sha256 = line.leaf_sha256.or(known.leaf_sha256);
            line.hub = line.hub.or(known.hub);
        }
        self.seen.insert(line.id.clone(), line);
    }

    /// Whether a device is online with this certificate, and how long it had been offline before.
    pub(crate) fn online_with(&self, id: &str, leaf: &str) -> Option<Option<u64>> {
        let line = self.seen.get(id)?;
        (line.state == State::Online && line.leaf_sha256.as_deref() == Some(leaf)).then_some(line.offline_ms)
    }

    /// The hub that a device is assigned to.
    pub(crate) fn hub(&self, id: &str) -> Option<&str> {
        self.seen.get(id)?.hub.as_deref()
    }

    /// Lets devices go to DPS again.
    pub(crate) async fn reregister(&self, ids: &[String], over: Option<Duration>) -> Result<u32, LiveError> {
        let control = Control {
            devices: Some(Selection::Ids(ids.to_vec())),
            over: over.and_then(|over| over.try_into().ok()),
            ..Control::new(Action::Reregister)
        };
        self.live.order(control).await
    }

    /// Lets a wave go to DPS again, and waits until each is online with its new certificate, or `within` is over. One that
    /// is not wanted online at the moment has done enough when it has registered.
    pub(crate) async fn bring_over(
        &mut self,
        wave: &[String],
        leaves: &BTreeMap<String, String>,
        over: Option<Duration>,
        within: Duration,
        progress: ProgressLog,
    ) -> Result<Moved, LiveError> {
        self.catch_up();
        let state = |id: &String| self.seen.get(id).map(|line| line.state);
        let resting: BTreeSet<&String> = wave.iter().filter(|id| state(id) == Some(State::Pending)).collect();
        let mut waiting: BTreeSet<&String> = wave.iter().collect();
        let mut moved = Moved::default();
        self.reregister(wave, over).await?;
        let deadline = Instant::now() + within;
        let mut report = interval_at(Instant::now() + REPORT_EVERY, REPORT_EVERY);
        while !waiting.is_empty() {
            let line = tokio::select! {
                line = self.lines.recv() => line.ok_or(LiveError::Gone)?,
                () = sleep_until(deadline) => break,
                _ = report.tick() => {
                    if let Some(id) = waiting.first() {
                        let (over, all) = (moved.over.len(), wave.len());
                        progress.report(format!("{over} of {all} have come over; waiting for {id}: {}", self.why_not(id)));
                    }
                    continue;
                }
            };
            let (id, offline) = (line.id.clone(), line.offline_ms);
            self.handle(line);
            let Some(now) = self.seen.get(&id).filter(|_| waiting.contains(&id)) else {
                continue;
            };
            let uses_new = now.leaf_sha256.is_some() && now.leaf_sha256.as_ref() == leaves.get(&id);
            let is_there = match now.state {
                State::Online => true,
                State::Pending => resting.contains(&id),
                State::Stopped => {
                    waiting.remove(&id);
                    moved.missing.insert(id, "it has stopped".to_owned());
                    continue;
                }
                _ => false,
            };
            if uses_new && is_there {
                waiting.remove(&id);
                moved.over.insert(id, offline);
            }
        }
        for id in waiting {
            moved.missing.insert(id.clone(), self.why_not(id));
        }
        Ok(moved)
    }

    /// What a device does instead of being online with its new certificate.
    fn why_not(&self, id: &str) -> String {
        match self.seen.get(id) {
            None => "the run has no such device".to_owned(),
            Some(line) => match line.message.as_deref().or(line.reason.as_ref().map(Reason::as_str)) {
                Some(why) => format!("{}: {why}", line.state.word().replace('_', " ")),
                None => line.state.word().replace('_', " "),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Request;

    fn line(id: &str, state: State, leaf: Option<&str>, offline_ms: Option<u64>) -> DeviceLine {
        DeviceLine {
            id: id.into(),
            state,
            hub: None,
            leaf_sha256: leaf.map(Into::into),
            offline_ms,
            reason: None,
            message: None,
            negative: false,
        }
    }

    /// A run that begins with `before`, and answers an order with `after`.
    fn run(before: Vec<DeviceLine>, after: Vec<DeviceLine>) -> RunHandle {
        let (live, mut questions) = RunHandle::pair();
        tokio::spawn(async move {
            let mut watching = None;
            while let Some(question) = questions.recv().await {
                match question {
                    Request::Watch { lines, answer } => {
                        for line in &before {
                            lines.send(line.clone()).unwrap();
                        }
                        watching = Some(lines);
                        answer.send(()).unwrap();
                    }
                    Request::Order { answer, .. } => {
                        answer.send(Ok(1)).unwrap();
                        for line in &after {
                            watching.as_ref().unwrap().send(line.clone()).unwrap();
                        }
                    }
                    Request::Status { .. } | Request::End { .. } | Request::Leave { .. } => {}
                }
            }
        });
        live
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_has_come_over_when_it_is_online_with_the_new_certificate_or_registered_while_not_wanted() {
        let before = vec![
            line("awake", State::Online, Some("old"), None),
            line("slow", State::Online, Some("old"), None),
            line("resting", State::Pending, None, None),
            line("stopped", State::Online, Some("old"), None),
        ];
        let after = vec![
            line("slow", State::Online, Some("old"), Some(5)),
            line("awake", State::Pending, Some("new-awake"), None),
            line("resting", State::Pending, Some("new-resting"), None),
            line("stopped", State::Stopped, None, None),
            line("awake", State::Connecting, None, None),
            line("awake", State::Online, Some("new-awake"), Some(120)),
        ];
        let mut live_devices = LiveDevices::watch(run(before, after)).await.unwrap();
        assert_eq!(live_devices.online_with("awake", "old"), Some(None));
        let wave: Vec<String> = ["awake", "slow", "resting", "stopped", "stranger"]
            .map(Into::into)
            .into();
        let leaves = wave.iter().map(|id| (id.clone(), format!("new-{id}"))).collect();
        let moved = live_devices
            .bring_over(&wave, &leaves, None, Duration::from_secs(60), ProgressLog::begin())
            .await
            .unwrap();
        let over = BTreeMap::from([("awake".to_owned(), Some(120)), ("resting".to_owned(), None)]);
        assert_eq!(moved.over, over);
        let missing = BTreeMap::from([
            ("slow".to_owned(), "online".to_owned()),
            ("stopped".to_owned(), "it has stopped".to_owned()),
            ("stranger".to_owned(), "the run has no such device".to_owned()),
        ]);
        assert_eq!(moved.missing, missing);
        assert_eq!(live_devices.online_with("awake", "new-awake"), Some(Some(120)));
    }
}
