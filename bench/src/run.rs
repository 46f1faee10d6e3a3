//! A run under way: its contender's process beside the emulator, and readings of both.

use std::time::Duration;

use fleet_protocol::lines::{Stats, counter};

use crate::case::Case;
use crate::process::{Counters, Process};
use crate::world::{Counted, World};

/// What should happen at once does not take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);
/// From the moment when all are online to the next reading: until then, every device has sent its first message.
const SETTLE_S: f64 = 6.0;

/// Whose figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The contender.
    Client,
    /// The emulator that it talks to.
    Emulator,
}

/// CPU clocks and counters at the same moment.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    client: Duration,
    emulator: Duration,
    counters: Counters,
}

impl Reading {
    /// CPU seconds that `side` has used since `earlier`.
    pub(crate) fn cpu_since(&self, earlier: &Self, side: Side) -> f64 {
        let used = match side {
            Side::Client => self.client.saturating_sub(earlier.client),
            Side::Emulator => self.emulator.saturating_sub(earlier.emulator),
        };
        used.as_secs_f64()
    }

    /// Messages that were acknowledged since `earlier`.
    pub(crate) fn messages_since(&self, earlier: &Self) -> f64 {
        (self.counters.acknowledged() - earlier.counters.acknowledged()) as f64
    }

    /// Seconds since `earlier`.
    pub(crate) fn seconds_since(&self, earlier: &Self) -> f64 {
        self.counters.at - earlier.counters.at
    }
}

/// Resident memory of both sides, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident {
    client: f64,
    emulator: f64,
}

impl Resident {
    pub(crate) fn of(&self, side: Side) -> f64 {
        match side {
            Side::Client => self.client,
            Side::Emulator => self.emulator,
        }
    }
}

/// The way online: when the process began, when the last device was registered, when the last one was online.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) began: Reading,
    pub(crate) registered: Reading,
    pub(crate) online: Reading,
}

/// A run whose devices are online.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    world: &'a World,
    process: Process,
    pub(crate) way: Way,
    latest: Reading,
}

impl<'a> Run<'a> {
    /// Starts the contender and brings its devices online.
    pub(crate) async fn begin(world: &'a mut World, case: Case) -> anyhow::Result<Self> {
        Self::begin_with(world, case, Counted::No).await
    }

    /// The same, with the contender under callgrind if it is counted.
    pub(crate) async fn begin_with(world: &'a mut World, case: Case, counted: Counted) -> anyhow::Result<Self> {
        let process = world.start(case, counted)?;
        let world = &*world;
        let nothing = Reading {
            client: Duration::ZERO,
            emulator: world.emulator.cpu()?,
            counters: Counters::default(),
        };
        let mut run = Self {
            world,
            process,
            way: Way {
                began: nothing.clone(),
                registered: nothing.clone(),
                online: nothing.clone(),
            },
            latest: nothing,
        };
        let within = PATIENCE + 3 * case.ramp();
        let all = u64::from(case.devices);
        let reached = |name: &'static str| move |stats: &Stats| stats.counters.get(name).is_some_and(|n| *n >= all);
        run.way.registered = run.wait(within, reached(counter::DEVICES_REGISTERED)).await?;
        run.way.online = run.wait(within, reached(counter::DEVICES_CONNECTED)).await?;
        Ok(run)
    }

    /// The reading at the first figures of which `wanted` is true.
    async fn wait(&mut self, within: Duration, wanted: impl Fn(&Stats) -> bool) -> anyhow::Result<Reading> {
        let counters = self.process.figures(within, wanted).await?;
        self.latest = Reading {
            client: self.process.cpu()?,
            emulator: self.world.emulator.cpu()?,
            counters,
        };
        Ok(self.latest.clone())
    }

    /// Lets `seconds` pass, if that is more than none.
    pub(crate) async fn pass(&mut self, seconds: f64) -> anyhow::Result<Reading> {
        if seconds <= 0.0 {
            return Ok(self.latest.clone());
        }
        let until = self.latest.counters.at + seconds;
        let within = PATIENCE + Duration::from_secs_f64(seconds);
        self.wait(within, move |stats| stats.t >= until).await
    }

    /// Lets the bustle of coming online pass.
    pub(crate) async fn settle(&mut self) -> anyhow::Result<Reading> {
        self.pass(SETTLE_S).await
    }

    /// Waits until `count` messages have been acknowledged since the run began.
    pub(crate) async fn acknowledged(&mut self, count: u64) -> anyhow::Result<Reading> {
        let acknowledged = move |stats: &Stats| stats.counters.get(counter::TELEMETRY_ACKED) >= Some(&count);
        self.wait(4 * PATIENCE, acknowledged).await
    }

    /// How many messages have been acknowledged so far.
    pub(crate) fn acknowledged_so_far(&self) -> u64 {
        self.latest.counters.acknowledged()
    }

    /// The process of one side.
    pub(crate) fn pid(&self, side: Side) -> i32 {
        match side {
            Side::Client => self.process.pid(),
            Side::Emulator => self.world.emulator.pid(),
        }
    }

    pub(crate) fn resident(&self) -> anyhow::Result<Resident> {
        Ok(Resident {
            client: self.process.resident_kib()?,
            emulator: self.world.emulator.resident_kib()?,
        })
    }

    /// Ends the process, and waits until the emulator has seen to what it left behind. Says what went wrong on the way,
    /// since that may be in the figures.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        for (name, count) in self.latest.counters.mishaps() {
            eprintln!("  beware, the figures may be too high: {name} {count}");
        }
        self.process.kill().await?;
        self.world.quiet().await
    }
}
