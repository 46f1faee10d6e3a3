//! The devices: for each group a bar of the states that its devices are in.

use fleet_protocol::lines::{GroupStats, State, counter};
use ratatui::layout::Rect;

use super::rule::rule;
use super::sheet::{Sheet, width};
use super::theme::Tone;
use crate::terminal::screen::Screen;
use crate::terminal::snapshot::Snapshot;

/// The states in the order of a bar. Each has a symbol of its own, so that a bar can be read without colours.
const STATES: [(State, char, Tone); 7] = [
    (State::Online, '█', Tone::Good),
    (State::Connecting, '▓', Tone::Busy),
    (State::Registering, '▒', Tone::Busy),
    (State::BackingOff, '×', Tone::Uneasy),
    (State::Parked, '!', Tone::Bad),
    (State::Pending, '░', Tone::Waiting),
    (State::Stopped, '·', Tone::Waiting),
];

/// Names are cut off here.
const LONGEST_NAME: u16 = 20;

pub(super) fn draw(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let snapshot = screen.snapshot.as_ref();
    let figure = snapshot.map_or(String::new(), |snapshot| {
        match (snapshot.state(State::Online), snapshot.wanted()) {
            (0, 0) => "none is wanted online".to_owned(),
            (online, wanted) => format!("{online} online of {wanted} wanted"),
        }
    });
    let below = rule(area, "Devices", &figure, sheet);
    if below.height == 0 {
        return;
    }
    let groups = &screen.subject.groups;
    // One row is the legend's.
    let rows = usize::from(below.height - 1);
    let hidden = groups.len().saturating_sub(rows);
    let names = groups
        .iter()
        .map(|(name, _)| width(name))
        .max()
        .unwrap_or(0)
        .min(LONGEST_NAME);
    // As wide as figures can become, so that bars begin and end together and stay where they are.
    let digits = groups
        .iter()
        .map(|(_, devices)| devices.to_string().len())
        .max()
        .unwrap_or(0);
    let nothing = GroupStats::default();
    for (row, (name, devices)) in below.rows().zip(groups.iter().take(rows)) {
        let standing = snapshot.and_then(|snapshot| snapshot.groups.get(name));
        group(
            name,
            (names, digits),
            *devices,
            standing.unwrap_or(&nothing),
            row,
            sheet,
        );
    }
    let last = Rect {
        y: below.bottom() - 1,
        height: 1,
        ..below
    };
    legend(snapshot, hidden, last, sheet);
}

fn group(
    name: &str,
    (names, digits): (u16, usize),
    devices: u64,
    standing: &GroupStats,
    row: Rect,
    sheet: &mut Sheet<'_>,
) {
    let theme = sheet.theme;
    sheet.text(
        Rect {
            width: names.min(row.width),
            ..row
        },
        name,
        theme.plain(),
    );
    let taken = (names + 2).min(row.width);
    let rest = Rect {
        x: row.x + taken,
        width: row.width - taken,
        ..row
    };
    let online = standing.states.get(&State::Online).copied().unwrap_or(0);
    let count = |name| counter::count(&standing.counters, name);
    let (negative, let_in) = (count(counter::DEVICES_NEGATIVE), count(counter::DEVICES_LET_IN));
    let (figure, style) = match (negative, let_in) {
        (0, _) => (
            format!("  {online:digits$} of {:digits$} wanted", standing.wanted_now),
            theme.plain(),
        ),
        (negative, 0) => {
            let refused = count(counter::DEVICES_REFUSED);
            (
                format!("  {refused:digits$} of {negative:digits$} refused"),
                theme.plain(),
            )
        }
        (negative, let_in) => (
            format!("  {let_in:digits$} of {negative:digits$} LET IN"),
            theme.of(Tone::Bad),
        ),
    };
    let bar = sheet.right(rest, &figure, style);
    let counts = STATES.map(|(state, ..)| standing.states.get(&state).copied().unwrap_or(0));
    let mut x = bar.x;
    for ((_, symbol, tone), columns) in STATES.iter().zip(parts(&counts, devices, bar.width)) {
        for _ in 0..columns {
            sheet.cell(x, bar.y, *symbol, theme.of(*tone));
            x += 1;
        }
    }
}

/// How many of `columns` each count gets where all of them are `whole`. What is there gets one at least, as long as there
/// is room.
fn parts(counts: &[u64], whole: u64, columns: u16) -> Vec<u16> {
    let whole = whole.max(counts.iter().sum()).max(1);
    let all = u128::from(columns);
    let mut parts: Vec<u16> = counts
        .iter()
        .map(|count| {
            let part = u128::from(*count) * all / u128::from(whole);
            u16::try_from(part).unwrap_or(columns).max(u16::from(*count > 0))
        })
        .collect();
    let used = |parts: &[u16]| parts.iter().map(|part| u32::from(*part)).sum::<u32>();
    // What was given to small counts is taken from the largest.
    while used(&parts) > u32::from(columns)
        && let Some(largest) = parts.iter_mut().max()
    {
        *largest -= 1;
    }
    // What rounding has left over goes to the largest, where every device is in a state.
    if counts.iter().sum::<u64>() == whole
        && let Some(largest) = (0..parts.len()).max_by_key(|index| counts[*index])
    {
        let left = u32::from(columns) - used(&parts);
        parts[largest] += u16::try_from(left).unwrap_or(0);
    }
    parts
}

/// The symbols of the states in which there are devices.
fn legend(snapshot: Option<&Snapshot>, hidden: usize, row: Rect, sheet: &mut Sheet<'_>) {
    let theme = sheet.theme;
    let mut rest = row;
    if hidden > 0 {
        rest = sheet.right(rest, &format!("  and {hidden} more groups"), theme.dim());
    }
    let Some(snapshot) = snapshot else { return };
    for (state, symbol, tone) in STATES {
        let count = snapshot.state(state);
        if count > 0 {
            let words = format!(" {count} {}   ", state.word().replace('_', " "));
            rest = sheet.spans(rest, [(&*symbol.to_string(), theme.of(tone)), (&*words, theme.plain())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_a_single_device_and_is_full_when_all_have_a_state() {
        assert_eq!(parts(&[500, 0], 500, 40), [40, 0]);
        assert_eq!(parts(&[499, 1], 500, 40), [39, 1]);
        assert_eq!(parts(&[250, 0], 500, 40), [20, 0]);
        assert_eq!(parts(&[1, 1, 1], 3, 2), [1, 1, 0]);
        assert_eq!(parts(&[0, 0], 0, 40), [0, 0]);
        assert_eq!(parts(&[333, 333, 334], 1000, 10), [3, 3, 4]);
        assert_eq!(parts(&[5], 5, 0), [0]);
    }
}
