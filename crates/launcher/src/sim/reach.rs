//! What a person reads of the connections to a collector: a sim may have many shards, and they lose it together. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::uplink::LinkNews;

/// The connections of the shards of this process.
#[derive(Debug)]
pub(super) struct Reach {
    /// Where the collector is, in words.
    collector: String,
    shards: NonZeroU32,
    /// The shards whose connection is gone.
    gone: BTreeSet<u32>,
    /// Why it can't be reached, as reported last.
    unreached: Option<String>,
}

impl Reach {
    /// No shard has a connection.
    pub(super) fn new(collector: String, shards: NonZeroU32) -> Self {
        Self {
            collector,
            shards,
            gone: BTreeSet::new(),
            unreached: None,
        }
    }

    /// Takes news of a shard; returns what there is to report.
    pub(super) fn news(&mut self, index: u32, news: LinkNews) -> Option<String> {
        let (collector, shards) = (&self.collector, self.shards);
        match news {
            LinkNews::Waiting(why) => {
                let is_new = self.unreached.as_ref() != Some(&why);
                let words = is_new.then(|| format!("waiting for the collector at {collector}: {why}"));
                self.unreached = Some(why);
                words
            }
            LinkNews::Claimed(message) => Some(format!("shard {index}/{shards} stands by: {message}")),
            LinkNews::LetIn => {
                self.unreached = None;
                Some(format!("shard {index}/{shards} is let in"))
            }
            LinkNews::Gone(why) => {
                let is_first = self.gone.is_empty();
                self.gone.insert(index);
                is_first.then(|| format!("the collector at {collector} is gone: {why}; the devices go on"))
            }
            LinkNews::StillGone(time) if self.gone.first() == Some(&index) => Some(format!(
                "the collector at {collector} has been gone for {:.1}s; the devices go on",
                time.as_secs_f64()
            )),
            LinkNews::StillGone(_) => None,
            LinkNews::Back(after) => {
                let was_gone = self.gone.remove(&index);
                (was_gone && self.gone.is_empty())
                    .then(|| format!("the collector at {collector} is back after {:.1}s", after.as_secs_f64()))
            }
        }
    }

    /// The process of a shard has ended.
    pub(super) fn ended(&mut self, index: u32) {
        self.gone.remove(&index);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn shards_that_lose_the_collector_together_are_one_line() {
        let mut reach = Reach::new("collector:9470".to_owned(), NonZeroU32::new(8).unwrap());
        let mut news = |index, news| reach.news(index, news);
        let refused = || LinkNews::Waiting("connection refused".to_owned());
        let waiting = news(0, refused()).unwrap();
        assert_eq!(
            waiting,
            "waiting for the collector at collector:9470: connection refused"
        );
        assert_eq!(news(1, refused()), None);
        assert_eq!(news(0, LinkNews::LetIn).unwrap(), "shard 0/8 is let in");
        assert_eq!(news(1, LinkNews::LetIn).unwrap(), "shard 1/8 is let in");
        let gone = || LinkNews::Gone("it has closed the connection".to_owned());
        assert_eq!(
            news(1, gone()).unwrap(),
            "the collector at collector:9470 is gone: it has closed the connection; the devices go on"
        );
        assert_eq!(news(0, gone()), None);
        let still = || LinkNews::StillGone(Duration::from_secs(60));
        assert_eq!(news(1, still()), None);
        assert_eq!(
            news(0, still()).unwrap(),
            "the collector at collector:9470 has been gone for 60.0s; the devices go on"
        );
        assert_eq!(news(0, LinkNews::Back(Duration::from_millis(61_200))), None);
        assert_eq!(
            news(1, LinkNews::Back(Duration::from_millis(61_500))).unwrap(),
            "the collector at collector:9470 is back after 61.5s"
        );
        let claimed = LinkNews::Claimed("another process has it".to_owned());
        assert_eq!(news(3, claimed).unwrap(), "shard 3/8 stands by: another process has it");
    }

    #[test]
    fn a_shard_that_ends_while_the_collector_is_gone_keeps_no_other_from_being_back() {
        let mut reach = Reach::new("c:1".to_owned(), NonZeroU32::new(2).unwrap());
        reach.news(0, LinkNews::Gone("why".to_owned())).unwrap();
        assert_eq!(reach.news(1, LinkNews::Gone("why".to_owned())), None);
        reach.ended(0);
        assert!(reach.news(1, LinkNews::Back(Duration::ZERO)).is_some());
    }
}
