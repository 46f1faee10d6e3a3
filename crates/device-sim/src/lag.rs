//! How late the process is with what is due. A device whose process is late measures its process, not its hub.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{Phase, ProcessStats};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const EVERY: Duration = Duration::from_millis(ProcessStats::PROBE_MS);

/// A probe among the devices' tasks, and what it has measured.
#[derive(Debug)]
pub(crate) struct Lag {
    measured: Arc<Mutex<Histogram<u64>>>,
    /// Ends with this.
    _probe: JoinSet<()>,
}

impl Lag {
    /// Begins to measure. The probe is a task of its own, so that it waits for its turn as devices do.
    pub(crate) fn begin() -> Self {
        let measured = Arc::new(Mutex::new(Phase::histogram()));
        let mut probe = JoinSet::new();
        probe.spawn(probing(Arc::clone(&measured)));
        Self {
            measured,
            _probe: probe,
        }
    }

    /// What was measured since the last time, encoded.
    pub(crate) fn take(&self, encoder: &mut Encoder) -> Option<String> {
        let mut measured = self.measured.lock().expect("no holder of this lock panics");
        let encoded = (!measured.is_empty()).then(|| encoder.encode(&measured));
        measured.reset();
        encoded
    }
}

async fn probing(measured: Arc<Mutex<Histogram<u64>>>) {
    let mut due = Instant::now() + EVERY;
    loop {
        sleep_until(due).await;
        let now = Instant::now();
        record(&mut measured.lock().expect("no holder of this lock panics"), now - due);
        // Probes that were due meanwhile are recorded already.
        due = now.max(due) + EVERY;
    }
}

/// Records how late a probe was, and how late those would have been that were due before it came.
fn record(measured: &mut Histogram<u64>, late: Duration) {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(Phase::LONGEST_US);
    // The shortest that a histogram of ours holds is 1 µs, and the longest stands for all that is longer.
    let late = micros(late).clamp(1, Phase::LONGEST_US);
    measured
        .record_correct(late, micros(EVERY))
        .expect("the value is within the bounds");
}

#[cfg(test)]
mod tests {
    use fleet_protocol::histogram::decode;

    use super::*;

    #[test]
    fn a_probe_that_comes_late_stands_for_those_that_were_due_meanwhile() {
        let mut measured = Phase::histogram();
        record(&mut measured, Duration::from_micros(900));
        record(&mut measured, Duration::from_millis(45));
        let late: Vec<_> = measured
            .iter_recorded()
            .map(|value| value.value_iterated_to() / 1_000)
            .collect();
        assert_eq!(late, [0, 15, 25, 35, 45]);
        record(&mut measured, Duration::ZERO);
        record(&mut measured, Duration::from_secs(3_600));
        assert!(measured.max() >= Phase::LONGEST_US);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_had_to_wait_is_measured() {
        let lag = Lag::begin();
        tokio::task::yield_now().await;
        // What a process that is short of CPU looks like from inside: the time has passed when its tasks have their turn.
        tokio::time::advance(Duration::from_millis(120)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut encoder = Encoder::default();
        let measured = decode(&lag.take(&mut encoder).unwrap()).unwrap();
        assert!(measured.max() >= 100_000, "{} µs", measured.max());
        assert!(measured.len() >= 10, "{} values", measured.len());
    }
}
