//! A thermostat's record of its readings, in bounded memory.
//!
//! `getMaxMinReport` asks for the extremes since any instant. Readings are kept in a fixed number of spans; when they
//! run out, two neighbours that are short for their age are joined, so that the past gets coarser the longer ago it is.
//! The answer is never wrong at its ends: the start and end that are reported are those of the readings that count.

use jiff::Timestamp;

/// At most this many spans. After a day of readings every 5 s, the extremes since an hour ago are those of about two at
/// most.
const MAX_SPANS: usize = 20;
/// Readings are kept in tenths of a degree, which is the sensor's resolution.
const PER_DEGREE: f64 = 10.0;

/// Readings of a stretch of time. There are many of these in a fleet, so it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start_ms: i64,
    end_ms: i64,
    sum: i64,
    count: u32,
    min: i16,
    max: i16,
}

impl Span {
    /// Time of the first reading.
    #[must_use]
    pub(crate) fn start(&self) -> Timestamp {
        timestamp(self.start_ms)
    }

    /// Time of the last reading.
    #[must_use]
    pub(crate) fn end(&self) -> Timestamp {
        timestamp(self.end_ms)
    }

    /// Lowest reading in °C.
    #[must_use]
    pub(crate) fn min(&self) -> f64 {
        f64::from(self.min) / PER_DEGREE
    }

    /// Highest reading in °C.
    #[must_use]
    pub(crate) fn max(&self) -> f64 {
        f64::from(self.max) / PER_DEGREE
    }

    /// Mean of the readings in °C.
    #[must_use]
    pub(crate) fn mean(&self) -> f64 {
        self.sum as f64 / f64::from(self.count) / PER_DEGREE
    }

    fn of(at_ms: i64, value: f64) -> Self {
        // The cast saturates, far beyond any room temperature.
        let tenths = (value * PER_DEGREE).round() as i16;
        Self {
            start_ms: at_ms,
            end_ms: at_ms,
            min: tenths,
            max: tenths,
            sum: tenths.into(),
            count: 1,
        }
    }

    fn joined(self, later: Self) -> Self {
        Self {
            start_ms: self.start_ms,
            end_ms: later.end_ms,
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            sum: self.sum + later.sum,
            count: self.count.saturating_add(later.count),
        }
    }
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("it was taken from a timestamp")
}

/// Readings since the device was started.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Oldest first.
    spans: Vec<Span>,
}

impl History {
    /// Adds a reading. The times of readings must not go back; one that does (the clock was set) counts as the latest.
    pub(crate) fn record(&mut self, at: Timestamp, value: f64) {
        let at_ms = self
            .spans
            .last()
            .map_or(i64::MIN, |last| last.end_ms)
            .max(at.as_millisecond());
        if self.spans.len() == MAX_SPANS {
            self.join_two();
        }
        // All that it will ever need: a device must not grow with what it sends.
        self.spans.reserve_exact(MAX_SPANS - self.spans.len());
        self.spans.push(Span::of(at_ms, value));
    }

    /// All readings since an instant; `None` when there are none. A span that began before it counts whole if it
    /// reaches beyond it.
    #[must_use]
    pub(crate) fn since(&self, instant: Timestamp) -> Option<Span> {
        let since_ms = instant.as_millisecond();
        self.spans
            .iter()
            .filter(|span| span.end_ms >= since_ms)
            .copied()
            .reduce(Span::joined)
    }

    /// Joins the neighbours that have the fewest readings for those that came after them.
    fn join_two(&mut self) {
        let (mut first, mut least, mut later) = (0, f64::INFINITY, 1.0);
        for index in (1..self.spans.len()).rev() {
            let readings = |span: &Span| f64::from(span.count);
            let share = (readings(&self.spans[index - 1]) + readings(&self.spans[index])) / later;
            if share < least {
                (first, least) = (index - 1, share);
            }
            later += readings(&self.spans[index]);
        }
        let second = self.spans.remove(first + 1);
        self.spans[first] = self.spans[first].joined(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn only_readings_since_the_instant_count() {
        let mut history = History::default();
        for (second, value) in [(0, 30.0), (10, 20.0), (20, 22.0)] {
            history.record(at(second), value);
        }
        let span = history.since(at(10)).unwrap();
        assert_eq!((span.min(), span.max(), span.mean()), (20.0, 22.0, 21.0));
        assert_eq!((span.start(), span.end()), (at(10), at(20)));
        assert_eq!(history.since(at(21)), None);
    }

    #[test]
    fn a_long_life_needs_no_more_memory_and_keeps_each_extreme() {
        let mut history = History::default();
        for second in 0..100_000 {
            history.record(at(second), if second == 777 { -40.0 } else { 20.0 });
        }
        assert!(history.spans.len() <= MAX_SPANS && history.spans.capacity() == MAX_SPANS);
        let all = history.since(at(0)).unwrap();
        assert_eq!(
            (all.min(), all.max(), all.start(), all.end()),
            (-40.0, 20.0, at(0), at(99_999))
        );
        assert_eq!(all.count, 100_000);
        assert_eq!(history.since(at(90_000)).unwrap().min(), 20.0);
    }

    #[test]
    fn the_past_gets_coarser_the_longer_ago_it_is() {
        let mut history = History::default();
        let day = 17_280;
        for second in 0..day {
            history.record(at(second), 20.0);
        }
        for ago in [1, 10, 100, 1_000, 10_000] {
            let reached = day - (history.since(at(day - ago)).unwrap().start_ms / 1_000 - 1_800_000_000);
            assert!(reached <= 3 * ago, "asked for {ago} s, got {reached}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_reorder_readings() {
        let mut history = History::default();
        history.record(at(10), 20.0);
        history.record(at(5), 25.0);
        assert_eq!(history.since(at(10)).unwrap().max(), 25.0);
    }
}
