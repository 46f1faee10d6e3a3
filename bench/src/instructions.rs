//! Instructions per message, counted by callgrind: figures that do not depend on what else the machine does.
//!
//! A program under callgrind is dozens of times slower, so there are few devices, which come online slowly, and only the
//! time in which they send is counted. What the same program with one device executes in as much time is subtracted, as in
//! the other figures: its lines of figures, its timers.

mod groups;
mod profile;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tokio::process::Command;

use self::groups::{Group, Groups};
use self::profile::Profile;
use crate::BenchArgs;
use crate::case::{Case, Contender, Traffic};
use crate::report;
use crate::run::{Run, Side};
use crate::world::{Counted, Server, World};

/// A message each per second.
const DEVICES: u32 = 300;
/// From the first message of each to the time that is counted: until then caches and buffers have their sizes.
const SETTLE_S: f64 = 6.0;
/// The time that is counted.
const SECONDS: f64 = 20.0;

/// What a device-sim and an emulator are to keep to, as multiples of the floor and of the acceptor.
const CLIENT_TARGET: f64 = 1.15;
const SERVER_TARGET: f64 = 1.3;

/// Whether valgrind is there; if not, that is said.
pub(crate) async fn can_be_counted() -> bool {
    let asked = Command::new("callgrind_control").arg("--version").output().await;
    let is_there = asked.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("instructions are not counted: valgrind is not installed");
    }
    is_there
}

/// Counts both sides and prints the report.
pub(crate) async fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let fleet = args.fleet.as_deref().context("--fleet is missing")?;
    let mut world = World::make(fleet, DEVICES).await?;
    let keep = args.keep_profiles.as_deref();

    let client = count(&mut world, Contender::DeviceSim, Side::Client, keep).await?;
    let floor = count(&mut world, Contender::Floor, Side::Client, keep).await?;
    let mut world = world.with_server(Server::Emulator, Counted::Yes).await?;
    let emulator = count(&mut world, Contender::Floor, Side::Emulator, keep).await?;
    let mut world = world.with_server(Server::Acceptor, Counted::Yes).await?;
    let acceptor = count(&mut world, Contender::Floor, Side::Emulator, keep).await?;

    let text = markdown(args, [&client, &floor], [&emulator, &acceptor]);
    print!("{text}");
    match &args.write {
        Some(path) => report::put_into(path, "instructions", &text),
        None => Ok(()),
    }
}

/// Instructions per acknowledged message of one side, by what they are for.
async fn count(world: &mut World, contender: Contender, side: Side, keep: Option<&Path>) -> anyhow::Result<Groups> {
    let name = match side {
        Side::Client => contender.name(),
        Side::Emulator => world.server.name(),
    };
    let mut totals = Vec::new();
    for devices in [1, DEVICES] {
        eprintln!("{name}: instructions with {devices} devices");
        let case = Case {
            contender,
            devices,
            traffic: Traffic::Counted,
        };
        // A server is counted from its start, which is over.
        let counted = match side {
            Side::Client => Counted::Yes,
            Side::Emulator => Counted::No,
        };
        let folder = world.folder().to_owned();
        let mut run = Run::begin_with(world, case, counted).await?;
        let from = run.pass(SETTLE_S).await?;
        let pid = run.pid(side);
        // Both commands take effect a moment after a line of figures, so the time between is that between the lines.
        control(pid, "-i", Some("on")).await?;
        let to = run.pass(SECONDS).await?;
        control(pid, "-i", Some("off")).await?;
        let path = dump(&folder, pid).await?;
        let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
        if let Some(folder) = keep {
            std::fs::create_dir_all(folder)?;
            let kept = folder.join(format!("{}-{devices}.callgrind", name.replace(' ', "-")));
            std::fs::copy(&path, &kept).with_context(|| format!("can't write {}", kept.display()))?;
        }
        totals.push((Groups::of(&Profile::parse(&text)?), to.messages_since(&from)));
        run.end().await?;
    }
    let [(one, _), (many, messages)] = totals.as_slice() else {
        bail!("there are two runs");
    };
    ensure!(
        *messages > 0.0,
        "{name}: no message was acknowledged while instructions were counted"
    );
    Ok(many.minus(one).per(*messages))
}

async fn control(pid: i32, option: &str, value: Option<&str>) -> anyhow::Result<()> {
    let mut command = Command::new("callgrind_control");
    command.arg(option).args(value).arg(pid.to_string());
    let output = command
        .output()
        .await
        .context("can't run callgrind_control, a part of valgrind")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && said.contains("OK."),
        "callgrind_control {option}: {said}"
    );
    Ok(())
}

/// Has the counts written, and begins anew. Returns the file.
async fn dump(folder: &Path, pid: i32) -> anyhow::Result<PathBuf> {
    let dumps = || (1..).map(|number| folder.join(format!("callgrind.{pid}.{number}")));
    let next = dumps().find(|path| !path.exists()).context("a number is free")?;
    control(pid, "-d", None).await?;
    ensure!(next.exists(), "callgrind wrote no {}", next.display());
    Ok(next)
}

fn markdown(args: &BenchArgs, client: [&Groups; 2], server: [&Groups; 2]) -> String {
    let mut text = format!(
        "Counted on {:.10} at {}: {DEVICES} devices, a message each per second, for {SECONDS} s.\n\n",
        jiff::Timestamp::now().to_string(),
        args.commit
    );
    text.push_str("| instructions per QoS 1 message, paced | device-sim | floor | emulator | bare acceptor |\n");
    text.push_str("| --- | ---: | ---: | ---: | ---: |\n");
    let columns = [client[0], client[1], server[0], server[1]];
    for group in Group::ALL {
        let cells = columns.map(|groups| format!("{:.0}", groups.get(group)));
        let _ = writeln!(text, "| {} | {} |", group.name(), cells.join(" | "));
    }
    let totals = columns.map(Groups::total);
    let ratio = |at: usize, target: f64| {
        let ratio = totals[at] / totals[at + 1];
        let verdict = if ratio <= target { "met" } else { "**missed**" };
        format!("{:.0} ({ratio:.2} ×, ≤ {target} {verdict})", totals[at])
    };
    let _ = writeln!(
        text,
        "| all | {} | {:.0} | {} | {:.0} |",
        ratio(0, CLIENT_TARGET),
        totals[1],
        ratio(2, SERVER_TARGET),
        totals[3]
    );
    text
}
