//! A comparison for a person.

use std::fmt::Write as _;

use iot_protocol::shown;

use super::{Change, Comparison};
use crate::interval::Interval;
use crate::words::{counted, listed, readable};

/// Which rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// What became worse or better.
    Changes,
    /// Everything that was compared.
    Everything,
}

/// The verdict, in what the sides are not alike, and the rows.
#[must_use]
pub fn text(comparison: &Comparison, show: Show) -> String {
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = write_all(&mut text, comparison, show);
    text
}

fn write_all(text: &mut String, comparison: &Comparison, show: Show) -> std::fmt::Result {
    let [worse, better, none, too_few] =
        [Change::Worse, Change::Better, Change::None, Change::TooFew].map(|change| comparison.count(change));
    let verdict = match (worse, better) {
        (0, 0) => "NO DIFFERENCE".to_owned(),
        (0, better) => format!("BETTER: {}", counted(better as u64, "figure", "figures")),
        (worse, _) => format!(
            "REGRESSION: {} worse",
            counted(worse as u64, "figure is", "figures are")
        ),
    };
    writeln!(
        text,
        "{verdict}; {none} without a difference, {too_few} with too few values"
    )?;
    for difference in &comparison.differences {
        let [what, base, new] = [&difference.what, &difference.base, &difference.new].map(|text| shown::text(text));
        writeln!(text, "  not alike: {what}: {base} before, {new} now")?;
    }
    let list = |runs: &[String]| listed(runs.iter().map(|run| shown::text(run)));
    writeln!(
        text,
        "\nbase  {}\nnew   {}",
        list(&comparison.base),
        list(&comparison.new)
    )?;
    let is_shown = |change: Change| show == Show::Everything || matches!(change, Change::Worse | Change::Better);
    let mut rows: Vec<[String; 6]> = Vec::new();
    for row in comparison.quantiles.iter().filter(|row| is_shown(row.change)) {
        rows.push([
            format!("{}{{group:{}}}", row.phase, shown::text(&row.group)),
            format!("p({})", (row.quantile * 1e4).round() / 100.0),
            time(row.base),
            time(row.new),
            ratio(row.base, row.new),
            word(row.change, "slower", "faster").to_owned(),
        ]);
    }
    for row in comparison.ratios.iter().filter(|row| is_shown(row.change)) {
        rows.push([
            format!("{}{{group:{}}}", row.metric.name(), shown::text(&row.group)),
            "rate".to_owned(),
            share(row.base),
            share(row.new),
            ratio(row.base, row.new),
            word(row.change, "more", "less").to_owned(),
        ]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    rows.insert(0, ["", "", "base", "new", "ratio", ""].map(str::to_owned));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..6).map(width).collect();
    writeln!(text)?;
    for row in &rows {
        let mut line = format!("  {:w$}  {:v$}", row[0], row[1], w = widths[0], v = widths[1]);
        for column in 2..5 {
            let _ = write!(line, "  {:>w$}", row[column], w = widths[column]);
        }
        writeln!(text, "{}", format!("{line}  {}", row[5]).trim_end())?;
    }
    Ok(())
}

fn word<'a>(change: Change, worse: &'a str, better: &'a str) -> &'a str {
    match change {
        Change::Worse => worse,
        Change::Better => better,
        Change::None => "no difference",
        Change::TooFew => "too few",
    }
}

fn time(interval: Option<Interval>) -> String {
    let of = |Interval { value, low, high }| format!("{} ({} – {})", readable(value), readable(low), readable(high));
    interval.map_or("-".to_owned(), of)
}

fn share(interval: Option<Interval>) -> String {
    let percent = |share: f64| format!("{:.2}", share * 100.0);
    let of = |Interval { value, low, high }| format!("{} % ({} – {})", percent(value), percent(low), percent(high));
    interval.map_or("-".to_owned(), of)
}

fn ratio(base: Option<Interval>, new: Option<Interval>) -> String {
    match base.zip(new) {
        Some((base, new)) if base.value > 0.0 => format!("{:.2}", new.value / base.value),
        _ => "-".to_owned(),
    }
}
