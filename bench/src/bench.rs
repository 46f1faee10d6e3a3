//! The order of the runs, and what is computed from them.

use std::time::Duration;

use anyhow::Context;

use crate::BenchArgs;
use crate::case::{BRISKEST, Case, Contender, PACED, PER_SECOND, Traffic};
use crate::report;
use crate::run::{Reading, Resident, Run, Side, Way};
use crate::world::{Counted, Server, World};

/// Messages per second of the run that ends with a look at the memory. About half of what two cores do.
const BRISK: u32 = 40_000;
/// A device does not send more often than this in that run, however few there are: its outbox is not what is measured.
const BRISK_AT_MOST: Duration = Duration::from_millis(20);
/// Tokio's threads for blocking work (files, names) live on for ten seconds. Memory is looked at after that.
const THREADS_GONE: f64 = 15.0;
/// Devices of the runs that go flat out.
pub(crate) const FLAT_OUT_DEVICES: u32 = 100;

/// What one side of a contender's runs costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Resident KiB per online device, after a few messages.
    pub(crate) kib_at_once: f64,
    /// The same after many.
    pub(crate) kib_after_traffic: f64,
    /// CPU milliseconds per registration and connection to the hub, where the contender does both.
    pub(crate) ms_per_full_connect: Option<f64>,
    /// CPU milliseconds per connection to the hub.
    pub(crate) ms_per_hub_connect: f64,
    /// CPU microseconds per acknowledged message, a message per device in 5 s.
    pub(crate) us_paced: f64,
    /// The same, few devices asking for a message per millisecond each.
    pub(crate) us_flat_out: f64,
    /// Acknowledged messages per second of that run.
    pub(crate) per_second_flat_out: f64,
    /// CPU microseconds per acknowledged message with the window always full, where the contender can.
    pub(crate) us_window_full: Option<f64>,
}

/// Measures all contenders and prints the report.
pub(crate) async fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let fleet = args.fleet.as_deref().context("--fleet is missing")?;
    eprintln!("making {} leaves and an emulator", args.devices);
    let mut world = World::make(fleet, args.devices).await?;
    let mut clients = Contender::ALL.map(|contender| (contender, Vec::new()));
    let mut emulator = Vec::new();
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        if round > 1 {
            world = world.with_server(Server::Emulator, Counted::No).await?;
        }
        for (contender, figures) in &mut clients {
            // The distance to the others is so great that one round shows it.
            if round > 1 && !contender.registers() {
                continue;
            }
            let measured = Measured::of(&mut world, *contender, args).await?;
            figures.push(measured.figures(Side::Client));
            // Its figures are those of device-sim's runs: what it does for a real device.
            if *contender == Contender::DeviceSim {
                emulator.push(measured.figures(Side::Emulator));
            }
        }
    }
    let text = report::markdown(args, &clients, &emulator);
    print!("{text}");
    match &args.write {
        Some(path) => report::put_into(path, "bench", &text),
        None => Ok(()),
    }
}

/// What the runs of one contender gave.
pub(crate) struct Measured {
    contender: Contender,
    /// All devices but the one whose costs are subtracted.
    devices: f64,
    one: Held,
    many: Held,
    after_traffic: Resident,
    flat_out: Stretch,
    window_full: Option<Stretch>,
}

/// Devices that were held online.
struct Held {
    way: Way,
    paced: Stretch,
    resident: Resident,
}

/// A part of a run.
struct Stretch {
    from: Reading,
    to: Reading,
}

impl Measured {
    pub(crate) async fn of(world: &mut World, contender: Contender, args: &BenchArgs) -> anyhow::Result<Self> {
        let case = |devices, traffic| Case {
            contender,
            devices,
            traffic,
        };
        let (name, devices) = (contender.name(), args.devices);
        eprintln!("{name}: one device");
        let one = hold(world, case(1, Traffic::Every(PACED)), 0).await?;
        eprintln!("{name}: {devices} devices, {PER_SECOND} connections per second, then a message each in {PACED:?}");
        let many = hold(world, case(devices, Traffic::Every(PACED)), args.paced_seconds).await?;

        eprintln!("{name}: {} messages from each", args.messages_each);
        let brisk = (Duration::from_secs(1) * devices / BRISK).max(BRISK_AT_MOST);
        let mut run = Run::begin(world, case(devices, Traffic::Every(brisk))).await?;
        run.pass(THREADS_GONE).await?;
        run.acknowledged(args.messages_each * u64::from(devices)).await?;
        let after_traffic = run.resident()?;
        run.end().await?;

        let few = devices.min(FLAT_OUT_DEVICES);
        let messages = args.flat_out_messages;
        eprintln!("{name}: {messages} messages flat out");
        let flat_out = send(world, case(few, Traffic::Every(BRISKEST)), messages).await?;
        let window_full = match contender.fills_its_window() {
            true => Some(send(world, case(few, Traffic::WindowFull), messages).await?),
            false => None,
        };

        Ok(Self {
            contender,
            devices: f64::from(devices - 1),
            one,
            many,
            after_traffic,
            flat_out,
            window_full,
        })
    }

    pub(crate) fn figures(&self, side: Side) -> Figures {
        // What one device costs is subtracted: the program itself, its runtime, and waiting.
        let per_device = |of: &dyn Fn(&Held) -> f64| (of(&self.many) - of(&self.one)) / self.devices;
        let full = per_device(&|held| held.way.online.cpu_since(&held.way.began, side));
        let hub = per_device(&|held| held.way.online.cpu_since(&held.way.registered, side));
        Figures {
            kib_at_once: per_device(&|held| held.resident.of(side)),
            kib_after_traffic: (self.after_traffic.of(side) - self.one.resident.of(side)) / self.devices,
            ms_per_full_connect: self.contender.registers().then_some(full * 1e3),
            ms_per_hub_connect: hub * 1e3,
            us_paced: self.many.paced.us_per_message(side),
            us_flat_out: self.flat_out.us_per_message(side),
            per_second_flat_out: self.flat_out.messages_per_second(),
            us_window_full: self.window_full.as_ref().map(|stretch| stretch.us_per_message(side)),
        }
    }
}

/// Brings devices online and holds them there for some `seconds`.
async fn hold(world: &mut World, case: Case, seconds: u64) -> anyhow::Result<Held> {
    let mut run = Run::begin(world, case).await?;
    let from = run.settle().await?;
    let to = run.pass(seconds as f64).await?;
    if case.devices > 1 {
        run.pass(THREADS_GONE - seconds as f64).await?;
    }
    let (resident, way) = (run.resident()?, run.way.clone());
    run.end().await?;
    Ok(Held {
        way,
        paced: Stretch { from, to },
        resident,
    })
}

/// Brings devices online and waits until they have sent some `messages`.
async fn send(world: &mut World, case: Case, messages: u64) -> anyhow::Result<Stretch> {
    let mut run = Run::begin(world, case).await?;
    let from = run.pass(1.0).await?;
    let to = run.acknowledged(run.acknowledged_so_far() + messages).await?;
    run.end().await?;
    Ok(Stretch { from, to })
}

impl Stretch {
    fn us_per_message(&self, side: Side) -> f64 {
        1e6 * self.to.cpu_since(&self.from, side) / self.to.messages_since(&self.from)
    }

    fn messages_per_second(&self) -> f64 {
        self.to.messages_since(&self.from) / self.to.seconds_since(&self.from)
    }
}
