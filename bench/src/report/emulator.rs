//! The Markdown of the emulator beside the bare acceptor.

use std::fmt::Write;

use super::{Figure, Target, measured};
use crate::BenchArgs;
use crate::bench::Figures;
use crate::spread::Spread;

/// Resident KiB that a connection may cost.
const KIB: f64 = 10.0;
/// How many times the bare acceptor's CPU may be used, for a message and for a connection.
const TIMES: f64 = 1.3;
const TIMES_CONNECT: f64 = 1.15;

fn rows(args: &BenchArgs) -> Vec<(String, Target, usize, Figure)> {
    let each = format!("the same, after {} messages each", args.messages_each);
    let row = |name: &str, target, digits, figure: Figure| (name.to_owned(), target, digits, figure);
    vec![
        row("resident KiB per connection, at once", Target::AtMost(KIB), 1, |f| {
            Some(f.kib_at_once)
        }),
        row(
            &each,
            Target::AtMostWithoutGrowth(KIB, |f| Some(f.kib_at_once)),
            1,
            |f| Some(f.kib_after_traffic),
        ),
        row(
            "CPU ms per full connect: DPS and hub",
            Target::TimesFloor(TIMES_CONNECT),
            2,
            |f| f.ms_per_full_connect,
        ),
        row("CPU ms per connect to the hub", Target::None, 2, |f| {
            Some(f.ms_per_hub_connect)
        }),
        row("CPU µs per QoS 1 message, paced", Target::TimesFloor(TIMES), 1, |f| {
            Some(f.us_paced)
        }),
        row(
            "CPU µs per QoS 1 message, flat out",
            Target::TimesFloor(TIMES),
            1,
            |f| Some(f.us_flat_out),
        ),
        row("CPU µs per QoS 1 message, window full", Target::None, 1, |f| {
            f.us_window_full
        }),
    ]
}

/// The whole text: what was measured where, and the table.
pub(crate) fn markdown(args: &BenchArgs, emulator: &[Figures], acceptor: &[Figures]) -> String {
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = table(&mut text, args, emulator, acceptor);
    text
}

fn table(text: &mut String, args: &BenchArgs, emulator: &[Figures], acceptor: &[Figures]) -> std::fmt::Result {
    writeln!(text, "{}\n", measured(args))?;
    writeln!(text, "| | target | emulator | bare acceptor | ratio |")?;
    writeln!(text, "| --- | --- | ---: | ---: | ---: |")?;
    for (name, target, digits, figure) in rows(args) {
        let verdict = match target.is_met(emulator, acceptor, figure) {
            Some(true) => " met",
            Some(false) => " **missed**",
            None => "",
        };
        let [ours, floor] = [emulator, acceptor].map(|rounds| Spread::of_figure(rounds, figure));
        let ratio = Spread::of_ratio(emulator, acceptor, figure);
        let (Some(ours), Some(floor), Some(ratio)) = (ours, floor, ratio) else {
            continue;
        };
        writeln!(
            text,
            "| {name} | {}{verdict} | {:.digits$} | {:.digits$} | {} |",
            target.words(),
            ours.median,
            floor.median,
            ratio.times()
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::Cli;

    const FIGURES: Figures = Figures {
        kib_at_once: 13.9,
        kib_after_traffic: 14.1,
        ms_per_full_connect: Some(1.2),
        ms_per_hub_connect: 0.5,
        us_paced: 26.0,
        us_flat_out: 13.1,
        per_second_flat_out: 50_000.0,
        us_window_full: Some(3.0),
    };

    #[test]
    fn each_figure_stands_beside_the_floor_with_its_verdict() {
        let cli = Cli::parse_from(["fleet-bench", "--fleet", "fleet"]);
        let floor = Figures {
            ms_per_full_connect: Some(1.0),
            us_paced: 20.0,
            us_flat_out: 10.0,
            ..FIGURES
        };
        let text = markdown(&cli.bench, &[FIGURES], &[floor]);
        for line in [
            "| resident KiB per connection, at once | ≤ 10 **missed** | 13.9 | 13.9 | 1.00 × |",
            "| the same, after 300 messages each | ≤ 10, no growth **missed** | 14.1 | 14.1 | 1.00 × |",
            "| CPU ms per full connect: DPS and hub | ≤ 1.15 × **missed** | 1.20 | 1.00 | 1.20 × |",
            "| CPU µs per QoS 1 message, paced | ≤ 1.30 × met | 26.0 | 20.0 | 1.30 × |",
            "| CPU µs per QoS 1 message, flat out | ≤ 1.30 × **missed** | 13.1 | 10.0 | 1.31 × |",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
