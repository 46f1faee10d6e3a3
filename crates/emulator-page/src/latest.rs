//! What takes a moment to put together, for thousands of devices: it is done once a second at most, however many people
//! look.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Shorter than the second between two looks of a live view, so that each of them is at something new.
const EVERY: Duration = Duration::from_millis(900);

/// What was put together last, and when.
#[derive(Debug)]
pub(crate) struct Latest<T>(Mutex<Option<(Instant, Arc<T>)>>);

// Derived, it would ask for a `T` that has a default, too.
impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Latest<T> {
    /// What there is, or what `make` puts together now, where the one before is at hand.
    ///
    /// Others wait meanwhile, so the caller holds no lock that `make` takes, such as the application's.
    pub(crate) fn get(&self, make: impl FnOnce(Option<&T>) -> T) -> Arc<T> {
        self.at(Instant::now(), make)
    }

    fn at(&self, now: Instant, make: impl FnOnce(Option<&T>) -> T) -> Arc<T> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, it)) = latest.as_ref()
            && now.duration_since(*at) < EVERY
        {
            return Arc::clone(it);
        }
        let it = Arc::new(make(latest.as_ref().map(|(_, it)| &**it)));
        *latest = Some((now, Arc::clone(&it)));
        it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_put_together_again_only_after_its_time_and_from_the_one_before() {
        let (latest, start) = (Latest::default(), Instant::now());
        let at = |time| *latest.at(start + time, |before| before.map_or(1, |before| before + 1));
        let just_before = EVERY.saturating_sub(Duration::from_nanos(1));
        assert_eq!((at(Duration::ZERO), at(just_before), at(EVERY)), (1, 1, 2));
        assert_eq!(at(EVERY + just_before), 2);
    }
}
