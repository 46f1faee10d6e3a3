//! The Markdown, and its place in a document.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, anyhow};

use crate::BenchArgs;
use crate::bench::{FLAT_OUT_DEVICES, Figures};
use crate::case::Contender;
use crate::spread::Spread;

pub(crate) mod emulator;

/// Memory that stays within this is memory that did not grow.
const NO_GROWTH: f64 = 1.05;

type Figure = fn(&Figures) -> Option<f64>;

/// What device-sim is to keep to.
enum Target {
    None,
    /// Its own figure is at most so much.
    AtMost(f64),
    /// As the one before, and hardly more than another figure of its own.
    AtMostWithoutGrowth(f64, Figure),
    /// At most so many times the floor's figure.
    TimesFloor(f64),
}

impl Target {
    fn words(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtMostWithoutGrowth(most, _) => format!("≤ {most}, no growth"),
            Self::TimesFloor(most) => format!("≤ {most:.2} ×"),
        }
    }

    /// Whether the median of the rounds keeps to it.
    fn is_met(&self, ours: &[Figures], floor: &[Figures], figure: Figure) -> Option<bool> {
        let value = Spread::of_figure(ours, figure)?.median;
        match *self {
            Self::None => None,
            Self::AtMost(most) => Some(value <= most),
            Self::AtMostWithoutGrowth(most, before) => {
                let before = Spread::of_figure(ours, before)?.median;
                Some(value <= most && value <= before * NO_GROWTH)
            }
            Self::TimesFloor(most) => Some(Spread::of_ratio(ours, floor, figure)?.median <= most),
        }
    }
}

/// A line of the table.
struct Row {
    name: String,
    target: Target,
    figure: Figure,
    digits: usize,
}

fn rows(args: &BenchArgs) -> Vec<Row> {
    let row = |name: &str, target, digits, figure| Row {
        name: name.to_owned(),
        target,
        figure,
        digits,
    };
    let each = format!("the same, after {} messages each", args.messages_each);
    vec![
        row(
            "resident KiB per online device, at once",
            Target::AtMost(10.0),
            1,
            |f| Some(f.kib_at_once),
        ),
        row(
            &each,
            Target::AtMostWithoutGrowth(10.0, |f| Some(f.kib_at_once)),
            1,
            |f| Some(f.kib_after_traffic),
        ),
        row(
            "CPU ms per full connect: DPS and hub",
            Target::TimesFloor(1.0),
            2,
            |f| f.ms_per_full_connect,
        ),
        row("CPU ms per connect to the hub", Target::None, 2, |f| {
            Some(f.ms_per_hub_connect)
        }),
        row(
            "CPU µs per acknowledged message, paced",
            Target::TimesFloor(1.0),
            1,
            |f| Some(f.us_paced),
        ),
        row(
            "CPU µs per acknowledged message, flat out",
            Target::TimesFloor(1.1),
            1,
            |f| Some(f.us_flat_out),
        ),
        row("acknowledged messages per second, flat out", Target::None, 0, |f| {
            Some(f.per_second_flat_out)
        }),
        row("CPU µs per acknowledged message, window full", Target::None, 1, |f| {
            f.us_window_full
        }),
    ]
}

/// The whole text: what was measured where, the contenders, the emulator.
pub(crate) fn markdown(args: &BenchArgs, clients: &[(Contender, Vec<Figures>)], emulator: &[Figures]) -> String {
    let mut text = String::new();
    let _ = contenders(&mut text, args, clients).and_then(|()| server(&mut text, args, emulator));
    text
}

fn contenders(text: &mut String, args: &BenchArgs, clients: &[(Contender, Vec<Figures>)]) -> std::fmt::Result {
    let find = |wanted| clients.iter().find(|(contender, _)| *contender == wanted);
    let (Some((_, ours)), Some((_, floor))) = (find(Contender::DeviceSim), find(Contender::Floor)) else {
        return Ok(());
    };
    writeln!(text, "{}\n", measured(args))?;
    let names: Vec<_> = clients.iter().map(|(contender, _)| contender.name()).collect();
    writeln!(text, "| | target | {} |", names.join(" | "))?;
    writeln!(text, "| --- | --- |{}", " ---: |".repeat(clients.len()))?;
    for row in rows(args) {
        let verdict = match row.target.is_met(ours, floor, row.figure) {
            Some(true) => " met",
            Some(false) => " **missed**",
            None => "",
        };
        write!(text, "| {} | {}{verdict} |", row.name, row.target.words())?;
        for (contender, figures) in clients {
            let floor = (*contender != Contender::Floor).then_some(floor.as_slice());
            let cell = cell(figures, floor, row.figure, row.digits);
            write!(text, " {cell} |")?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// A figure, and how many times the floor's it is.
fn cell(rounds: &[Figures], floor: Option<&[Figures]>, figure: Figure, digits: usize) -> String {
    let Some(Spread { median, .. }) = Spread::of_figure(rounds, figure) else {
        return "–".to_owned();
    };
    match floor.and_then(|floor| Spread::of_ratio(rounds, floor, figure)) {
        Some(ratio) => format!("{median:.digits$} ({})", ratio.times()),
        None => format!("{median:.digits$}"),
    }
}

/// What was measured, when and where.
fn measured(args: &BenchArgs) -> String {
    format!(
        "Measured on {:.10} at {}: {} devices ({} of them flat out), {} round{}, on {}. Figures are medians; after a ratio \
         stand the least and the most of the rounds.",
        jiff::Timestamp::now().to_string(),
        args.commit,
        args.devices,
        args.devices.min(FLAT_OUT_DEVICES),
        args.rounds,
        if args.rounds == 1 { "" } else { "s" },
        machine()
    )
}

fn server(text: &mut String, args: &BenchArgs, emulator: &[Figures]) -> std::fmt::Result {
    writeln!(
        text,
        "\nThe emulator's side, with device-sim as its client:\n\n| | emulator |\n| --- | ---: |"
    )?;
    for row in rows(args) {
        let cell = cell(emulator, None, row.figure, row.digits);
        writeln!(text, "| {} | {cell} |", row.name)?;
    }
    Ok(())
}

/// Processor, cores and kernel, as far as the system tells.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let model = information.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("an unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{model}, {cores} cores, Linux {}",
        read("/proc/sys/kernel/osrelease").trim()
    )
}

/// Puts `text` between the two markers called `name` of the file at `path`.
pub(crate) fn put_into(path: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let document = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    let [begin, end] = markers(name);
    let new = replaced(&document, name, text).ok_or_else(|| anyhow!("{} lacks `{begin}` … `{end}`", path.display()))?;
    std::fs::write(path, new).with_context(|| format!("can't write {}", path.display()))
}

/// What a table stands between.
fn markers(name: &str) -> [String; 2] {
    [format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->")]
}

fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let [begin, end] = markers(name);
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{text}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: Figures = Figures {
        kib_at_once: 10.0,
        kib_after_traffic: 10.2,
        ms_per_full_connect: Some(2.0),
        ms_per_hub_connect: 1.0,
        us_paced: 20.0,
        us_flat_out: 4.0,
        per_second_flat_out: 50_000.0,
        us_window_full: None,
    };

    #[test]
    fn a_table_replaces_the_one_before_and_nothing_else() {
        let document = "# Title\n<!-- a:begin -->\nold\n<!-- a:end -->\nrest\n";
        let once = replaced(document, "a", "new\n").unwrap();
        assert_eq!(once, "# Title\n<!-- a:begin -->\n\nnew\n\n<!-- a:end -->\nrest\n");
        assert_eq!(replaced(&once, "a", "new\n").unwrap(), once);
        assert_eq!(replaced(document, "b", "new\n"), None);
    }

    #[test]
    fn targets_are_met_up_to_their_bound() {
        let grown = Figures {
            kib_after_traffic: 11.0,
            us_paced: 24.1,
            ..FIGURES
        };
        let paced: Figure = |f| Some(f.us_paced);
        let after: Figure = |f| Some(f.kib_after_traffic);
        let growth = Target::AtMostWithoutGrowth(16.0, |f| Some(f.kib_at_once));
        assert_eq!(
            Target::TimesFloor(1.2).is_met(&[FIGURES], &[FIGURES], paced),
            Some(true)
        );
        assert_eq!(Target::TimesFloor(1.2).is_met(&[grown], &[FIGURES], paced), Some(false));
        assert_eq!(growth.is_met(&[FIGURES], &[FIGURES], after), Some(true));
        assert_eq!(growth.is_met(&[grown], &[FIGURES], after), Some(false));
        assert_eq!(Target::None.is_met(&[grown], &[FIGURES], after), None);
        // One round that was disturbed decides nothing.
        let (ours, floor) = ([FIGURES, grown, FIGURES], [FIGURES; 3]);
        assert_eq!(Target::TimesFloor(1.2).is_met(&ours, &floor, paced), Some(true));
    }

    #[test]
    fn a_contender_that_does_not_register_has_no_figure_for_it() {
        let without = Figures {
            ms_per_full_connect: None,
            ..FIGURES
        };
        let full: Figure = |f| f.ms_per_full_connect;
        assert_eq!(cell(&[without], Some(&[FIGURES]), full, 2), "–");
        let slower = Figures {
            ms_per_full_connect: Some(3.0),
            ..FIGURES
        };
        assert_eq!(cell(&[slower], Some(&[FIGURES]), full, 1), "3.0 (1.50 ×)");
        assert_eq!(
            cell(&[slower, FIGURES], Some(&[FIGURES; 2]), full, 1),
            "2.5 (1.25 ×, 1.00–1.50)"
        );
        assert_eq!(cell(&[FIGURES], None, full, 1), "2.0");
    }
}
