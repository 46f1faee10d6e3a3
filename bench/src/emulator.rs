//! The emulator beside a bare acceptor: what a connection costs a server. Both serve the same load, the floor's devices.

use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use crate::BenchArgs;
use crate::bench::{Figures, Measured};
use crate::case::{Case, Contender, PACED, Traffic};
use crate::report;
use crate::run::{Run, Side};
use crate::world::{Counted, Server, World};

/// A whole fleet that was held online.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Online {
    /// Devices, all connected at the same time.
    pub(crate) devices: u32,
    /// From the start until the last one was online.
    pub(crate) took: Duration,
    /// Acknowledged messages in the time after that, when each device sends one in 5 s.
    pub(crate) per_second: f64,
    /// The emulator's resident memory then, in MiB.
    pub(crate) mib: f64,
    /// Cores that the emulator kept busy then.
    pub(crate) cores: f64,
}

/// Measures both servers and prints the report.
pub(crate) async fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let fleet = args.fleet.as_deref().context("--fleet is missing")?;
    eprintln!("the emulator, with the floor's devices");
    let mut world = World::make(fleet, args.devices).await?;
    let (mut emulator, mut acceptor) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        for (server, measured) in [(Server::Emulator, &mut emulator), (Server::Acceptor, &mut acceptor)] {
            eprintln!("round {round} of {}: {}", args.rounds, server.name());
            world = world.with_server(server, Counted::No).await?;
            measured.push(figures(&mut world, args).await?);
        }
    }
    drop(world);
    let online = match args.online {
        Some(devices) => Some(online(fleet, devices, args.paced_seconds).await?),
        None => None,
    };
    let text = report::emulator::markdown(args, &emulator, &acceptor, online.as_ref());
    print!("{text}");
    match &args.write {
        Some(path) => report::put_into(path, "emulator", &text),
        None => Ok(()),
    }
}

async fn figures(world: &mut World, args: &BenchArgs) -> anyhow::Result<Figures> {
    Ok(Measured::of(world, Contender::Floor, args)
        .await?
        .figures(Side::Emulator))
}

/// Brings a whole fleet online and holds it there for some `seconds`.
async fn online(fleet: &std::path::Path, devices: u32, seconds: u64) -> anyhow::Result<Online> {
    eprintln!("{devices} devices online with one emulator");
    let mut world = World::make(fleet, devices).await?;
    let case = Case {
        contender: Contender::Floor,
        devices,
        traffic: Traffic::Every(PACED),
    };
    let began = Instant::now();
    let mut run = Run::begin(&mut world, case).await?;
    let took = began.elapsed();
    let from = run.settle().await?;
    let to = run.pass(seconds as f64).await?;
    let passed = to.seconds_since(&from);
    let online = Online {
        devices,
        took,
        per_second: to.messages_since(&from) / passed,
        mib: run.resident()?.of(Side::Emulator) / 1024.0,
        cores: to.cpu_since(&from, Side::Emulator) / passed,
    };
    run.end().await?;
    Ok(online)
}
