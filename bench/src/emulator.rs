//! The emulator beside a bare acceptor: what a connection costs a server. Both serve the same load, the floor's devices.

use anyhow::Context;

use crate::BenchArgs;
use crate::bench::{Figures, Measured};
use crate::case::Contender;
use crate::report;
use crate::run::Side;
use crate::world::{Counted, Server, World};

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
    let text = report::emulator::markdown(args, &emulator, &acceptor);
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
