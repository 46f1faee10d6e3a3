//! Whether the service still answers and the processes still report, as a person wants to see while a run goes on.
//! Pure; times are since the beginning of the run.

use std::time::Duration;

/// What is quiet for so long is worth a word. Processes report every second.
const QUIET: Duration = Duration::from_secs(5);

/// Since when nothing has come, and from whom.
#[derive(Debug)]
pub(super) struct Silence {
    acknowledged: u64,
    /// When telemetry was last acknowledged, or none was waiting for it.
    answered: Duration,
    /// When each process last reported; `None` once it has ended.
    reported: Vec<Option<Duration>>,
}

impl Silence {
    /// Of so many processes that begin `now`.
    pub(super) fn new(processes: u32, now: Duration) -> Self {
        Self {
            acknowledged: 0,
            answered: now,
            reported: vec![Some(now); processes as usize],
        }
    }

    /// A process has reported; with it, so much telemetry is acknowledged and so much waits for it.
    pub(super) fn reported(&mut self, process: usize, acknowledged: u64, outstanding: u64, now: Duration) {
        if outstanding == 0 || acknowledged > self.acknowledged {
            self.answered = now;
        }
        self.acknowledged = acknowledged;
        if let Some(last) = self.reported.get_mut(process) {
            *last = Some(now);
        }
    }

    /// A process has ended, and need not report any more.
    pub(super) fn ended(&mut self, process: usize) {
        if let Some(last) = self.reported.get_mut(process) {
            *last = None;
        }
    }

    /// Since when telemetry waits for an acknowledgement and none comes, if that is long.
    pub(super) fn no_answer_since(&self, now: Duration) -> Option<Duration> {
        Some(self.answered).filter(|since| now.saturating_sub(*since) >= QUIET)
    }

    /// The processes that have not reported for long, and since when.
    pub(super) fn no_word_since(&self, now: Duration) -> impl Iterator<Item = (usize, Duration)> {
        let last = self.reported.iter().enumerate();
        last.filter_map(move |(process, last)| Some((process, (*last)?)))
            .filter(move |(_, since)| now.saturating_sub(*since) >= QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_service_is_silent_only_while_something_waits_for_its_answer() {
        let mut silence = Silence::new(1, at(0));
        // Nothing to acknowledge, for a long time.
        for second in 1..=20 {
            silence.reported(0, 0, 0, at(second));
        }
        assert_eq!(silence.no_answer_since(at(20)), None);
        silence.reported(0, 7, 3, at(21));
        for second in 22..=25 {
            silence.reported(0, 7, 4, at(second));
            assert_eq!(silence.no_answer_since(at(second)), None);
        }
        silence.reported(0, 7, 9, at(26));
        assert_eq!(silence.no_answer_since(at(26)), Some(at(21)));
        silence.reported(0, 8, 9, at(27));
        assert_eq!(silence.no_answer_since(at(27)), None);
    }

    #[test]
    fn a_process_is_silent_until_it_reports_or_ends() {
        let mut silence = Silence::new(3, at(0));
        silence.reported(0, 0, 0, at(4));
        silence.ended(2);
        let silent = |silence: &Silence, now| silence.no_word_since(at(now)).collect::<Vec<_>>();
        assert_eq!(silent(&silence, 4), []);
        assert_eq!(silent(&silence, 5), [(1, at(0))]);
        assert_eq!(silent(&silence, 9), [(0, at(4)), (1, at(0))]);
        silence.reported(1, 0, 0, at(9));
        silence.ended(0);
        assert_eq!(silent(&silence, 10), []);
    }
}
