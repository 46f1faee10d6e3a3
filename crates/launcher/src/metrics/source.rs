//! Where the figures of a scrape come from: the live run, and what it left.

use std::collections::BTreeMap;
use std::sync::{Mutex as StdMutex, MutexGuard};

use anyhow::Context;
use tokio::sync::Mutex;

use super::own::OwnProcess;
use super::render::{self, About};
use super::shards::LiveShards;
use super::snapshot::Snapshot;
use crate::standing::Viewer;

/// The run that is served.
#[derive(Debug)]
pub(super) struct Source {
    about: About,
    live: StdMutex<Live>,
    /// What the last scrape saw. It is held during a scrape, so each is later than the one before.
    last: Mutex<Snapshot>,
    /// By group, when the first certificate expires, in seconds since 1970.
    expiry: StdMutex<BTreeMap<String, i64>>,
}

/// What has the figures now.
#[derive(Debug, Clone)]
enum Live {
    /// Nothing yet, or nothing any more.
    Nothing,
    Run(Viewer),
    Shards(LiveShards),
}

impl Source {
    pub(super) fn new(about: About) -> Self {
        Self {
            about,
            live: StdMutex::new(Live::Nothing),
            last: Mutex::default(),
            expiry: StdMutex::default(),
        }
    }

    pub(super) fn run(&self, viewer: Viewer) {
        *held(&self.live) = Live::Run(viewer);
    }

    pub(super) fn shards(&self, shards: LiveShards) {
        *held(&self.live) = Live::Shards(shards);
    }

    pub(super) fn expiry(&self, expiry: BTreeMap<String, i64>) {
        *held(&self.expiry) = expiry;
    }

    /// The run is over, and these are its last figures.
    pub(super) async fn end(&self, snapshot: Snapshot) {
        let mut last = self.last.lock().await;
        *held(&self.live) = Live::Nothing;
        *last = snapshot.after(&last);
    }

    /// The figures of this moment as text. Where the run has no answer any more, those of the moment before.
    pub(super) async fn text(&self) -> anyhow::Result<Vec<u8>> {
        let mut last = self.last.lock().await;
        let live = held(&self.live).clone();
        let now = match live {
            Live::Nothing => None,
            Live::Run(viewer) => viewer.look(Snapshot::of_run).await,
            Live::Shards(shards) => Some(shards.snapshot()),
        };
        if let Some(now) = now {
            *last = now.after(&last);
        }
        let expiry = held(&self.expiry).clone();
        render::text(&self.about, &last, &expiry, &OwnProcess::now()).context("the metrics can't be written as text")
    }
}

fn held<T>(mutex: &StdMutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
