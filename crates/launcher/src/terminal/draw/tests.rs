//! The screen of a run as a terminal shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_protocol::lines::{GroupStats, Phase, State, counter};
use fleet_report::quota_use::QuotaUse;
use fleet_report::report::EventMark;
use fleet_report::sparse::SparseHistogram;
use fleet_report::thresholds::{Expression, Stage as StageNow, ThresholdResult, Verdict};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::Style;

use super::*;
use crate::progress::Line;
use crate::terminal::keys::Key;
use crate::terminal::screen::testing;
use crate::terminal::snapshot::{Counts, Snapshot};

const SECONDS: u32 = 145;

/// A load test in its third stage, in which DPS has refused some and a few devices are in trouble.
fn screen() -> Screen {
    let mut subject = testing::subject();
    subject.groups = vec![("thermostats".to_owned(), 500), ("individual".to_owned(), 2)];
    subject.stages = ["60%@30s", "60%@1m", "100%@5s", "100%@30s", "0%@15s"]
        .map(|words| words.parse().unwrap())
        .to_vec();
    let mut screen = Screen::new(subject);
    let mut publish = SparseHistogram::default();
    for second in 1..=SECONDS {
        let mut times = Phase::histogram();
        for message in 0..20_u32 {
            times
                .record(u64::from(2_000 + second % 7 * 150 + message * message * 20))
                .unwrap();
        }
        publish.add(&SparseHistogram::from(&times));
        let snapshot = snapshot(second, publish.clone());
        screen.see(snapshot, Duration::from_secs(u64::from(second) + 2));
    }
    screen.lines = lines(&[
        (5, "first device assigned: thermo-0002 to hub localhost"),
        (40, "thermo-0113 is backing off: the hub closed the connection"),
        (
            41,
            "likely cause: the emulator's fault rule `flaky`\nhint: fleet faults list",
        ),
    ]);
    screen
}

fn lines(lines: &[(u64, &str)]) -> Vec<Line> {
    let of = |(at, text): &(u64, &str)| Line {
        at: Duration::from_secs(*at),
        text: (*text).to_owned(),
    };
    lines.iter().map(of).collect()
}

fn snapshot(second: u32, publish: SparseHistogram) -> Snapshot {
    let seconds = u64::from(second);
    let mut snapshot = testing::empty();
    snapshot.position.at_s = f64::from(second) + 0.3;
    let begun = seconds.saturating_sub(40);
    if begun > 0 {
        snapshot.position.stages_elapsed = Some(Duration::from_secs(begun));
        snapshot.position.stage = Some(StageNow { number: 4, held: true });
    }
    // Three processes: what is sent is not quite what is due, and connections come in two bursts.
    let bursts = [(40, 70), (130, 142)];
    let connects = |from: u64, to: u64| seconds.clamp(from, to) - from;
    snapshot.counts = Counts {
        registered: 502.min(seconds * 12),
        due: begun * 100,
        acked: begun * 97 - u64::from(seconds > 100) * 3 * (seconds.max(100) - 100),
        connects: bursts.iter().map(|(from, to)| connects(*from, *to) * 11).sum(),
    };
    let states = |states: &[(State, u64)]| states.iter().copied().collect();
    snapshot.groups = BTreeMap::from([
        (
            "thermostats".to_owned(),
            GroupStats {
                states: states(&[
                    (State::Online, 452),
                    (State::Connecting, 30),
                    (State::BackingOff, 12),
                    (State::Parked, 1),
                    (State::Pending, 5),
                ]),
                wanted_now: 500,
                ..GroupStats::default()
            },
        ),
        (
            "individual".to_owned(),
            GroupStats {
                states: states(&[(State::Online, 2)]),
                wanted_now: 2,
                ..GroupStats::default()
            },
        ),
    ]);
    snapshot.times = BTreeMap::from([(Phase::Publish, publish)]);
    snapshot.thresholds = thresholds();
    snapshot.quotas = quotas();
    snapshot.errors = vec![
        ("dps_throttled".to_owned(), 812),
        ("connect_failed/timeout_tls".to_owned(), 31),
        ("telemetry_dropped/expired".to_owned(), 2),
    ];
    snapshot.marks = marks();
    snapshot
}

fn thresholds() -> Vec<ThresholdResult> {
    use fleet_report::metric::Metric;
    let of = |metric: Metric, expression: &str, actual: Option<f64>, verdict: Verdict| ThresholdResult {
        metric,
        labels: fleet_report::labels::Labels::none(),
        expression: expression.to_owned(),
        over_s: None,
        actual,
        unit: Expression::parse(expression, metric).unwrap().unit,
        verdict,
        first_crossed_s: None,
        worst_at_s: None,
        abort: false,
        allow_empty: false,
        clipped: 0,
    };
    vec![
        of(Metric::PublishDuration, "p(95) < 500ms", Some(0.009), Verdict::Passed),
        of(Metric::ConnectFailed, "rate < 1%", Some(0.0582), Verdict::Failed),
        of(Metric::CommandDuration, "p(95) < 1s", None, Verdict::NoData),
        of(Metric::DevicesOnline, "value >= 98%", Some(0.904), Verdict::Failed),
        of(Metric::DpsThrottled, "rate < 1/s", Some(0.4), Verdict::Passed),
    ]
}

fn quotas() -> Vec<(QuotaUse, f64)> {
    let of = |what: &str, allowed: f64, per: &str, share: f64| {
        let quota = QuotaUse {
            id: what.to_owned(),
            what: what.to_owned(),
            allowed,
            per: per.to_owned(),
            peak: share,
            peak_at_s: 1,
            mean: share,
        };
        (quota, share)
    };
    vec![
        of("registrations", 200.0, "min", 1.21),
        of("messages", 200.0, "s", 0.485),
        of("property updates", 100.0, "s", 0.87),
        of("commands", 100.0, "s", 0.0),
    ]
}

fn marks() -> Vec<EventMark> {
    let mark = |at_s: f64, kind: &str, what: &str, devices: Option<u64>| EventMark {
        at_s,
        kind: kind.to_owned(),
        what: what.to_owned(),
        devices,
    };
    vec![
        mark(40.0, "stage", "stage 1 of 5: 60%@30s", None),
        mark(70.0, "stage", "stage 2 of 5: 60%@1m", None),
        mark(120.4, "disconnect", "disconnect 10 % of the fleet", Some(50)),
        mark(130.0, "stage", "stage 3 of 5: 100%@5s", None),
        mark(135.0, "stage", "stage 4 of 5: 100%@30s", None),
    ]
}

fn shown(screen: &Screen, columns: u16, rows: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal
        .draw(|frame| draw(screen, Theme::Rich, frame.buffer_mut()))
        .unwrap();
    terminal
}

#[test]
fn on_the_least_terminal_each_part_has_a_place() {
    insta::assert_snapshot!(shown(&screen(), 80, 24).backend());
}

#[test]
fn on_a_large_terminal_each_part_is_whole() {
    insta::assert_snapshot!(shown(&screen(), 120, 40).backend());
}

#[test]
fn before_the_first_look_there_is_the_plan() {
    let mut screen = Screen::new(screen().subject);
    screen.lines = lines(&[(3, "first device assigned: thermo-0002 to hub localhost")]);
    insta::assert_snapshot!(shown(&screen, 80, 24).backend());
}

#[test]
fn while_devices_register_the_stages_wait() {
    let mut screen = screen();
    let mut snapshot = testing::empty();
    snapshot.position.at_s = 7.4;
    snapshot.counts.registered = 212;
    snapshot.groups.insert(
        "thermostats".to_owned(),
        GroupStats {
            states: BTreeMap::from([(State::Registering, 288), (State::Pending, 212)]),
            wanted_now: 0,
            ..GroupStats::default()
        },
    );
    screen.snapshot = Some(snapshot);
    screen.notes = vec!["429 from DPS: 288 of 500 wait, about 200 a minute get in".to_owned()];
    insta::assert_snapshot!(shown(&screen, 80, 24).backend());
}

#[test]
fn devices_that_must_be_refused_are_shown_by_whether_they_are() {
    let mut screen = screen();
    screen.subject.groups.push(("strangers".to_owned(), 10));
    screen.subject.negative = 10;
    assert_eq!(screen.subject.devices(), 502);
    for (let_in, expected) in [(0, "9 of  10 refused"), (1, "1 of  10 LET IN")] {
        let counters = [
            (counter::DEVICES_NEGATIVE, 10),
            ("devices_refused/mqtt_not_authorized", 9),
            (counter::DEVICES_LET_IN, let_in),
        ];
        let strangers = GroupStats {
            counters: counters.map(|(name, count)| (name.to_owned(), count)).into(),
            states: BTreeMap::from([(State::Stopped, 10)]),
            wanted_now: 0,
        };
        let snapshot = screen.snapshot.as_mut().unwrap();
        snapshot.groups.insert("strangers".to_owned(), strangers);
        let text = shown(&screen, 120, 40).backend().to_string();
        let line = text.lines().find(|line| line.contains("strangers")).unwrap();
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn help_is_over_the_rest() {
    let mut screen = screen();
    screen.press(Key::Char('?'));
    insta::assert_snapshot!(shown(&screen, 80, 24).backend());
}

#[test]
fn what_the_run_does_is_in_the_corner() {
    let mut screen = screen();
    let words = |screen: &Screen| {
        let text = shown(screen, 80, 24).backend().to_string();
        text.lines()
            .next()
            .unwrap_or_default()
            .trim_end_matches('"')
            .rsplit("  ")
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(words(&screen), "running");
    for (change, expected) in [
        (
            (|position| position.is_paused = true) as fn(&mut crate::standing::Position),
            "PAUSED",
        ),
        (|position| position.is_ending = true, "ending"),
    ] {
        change(&mut screen.snapshot.as_mut().unwrap().position);
        assert_eq!(words(&screen), expected);
    }
}

#[test]
fn a_smaller_terminal_shows_what_fits_and_a_tiny_one_says_so() {
    insta::assert_snapshot!(shown(&screen(), 60, 14).backend());
    let tiny = shown(&screen(), 20, 3).backend().to_string();
    assert!(tiny.starts_with("\"terminal too small  \""), "{tiny}");
}

/// No size and no content is too odd to be drawn.
#[test]
fn every_size_is_drawn() {
    let mut screen = screen();
    screen
        .subject
        .groups
        .extend((0..30).map(|number| (format!("グループ-{number}-{}", "x".repeat(number)), 0)));
    screen.lines = lines(&[
        (
            0,
            "a line with 例 wide\tand \u{7} odd \u{200d} characters, and very long: ",
        ),
        (9, ""),
    ]);
    screen.notes = vec![String::new(), "n".repeat(500)];
    if let Some(snapshot) = &mut screen.snapshot {
        snapshot
            .quotas
            .extend(quotas().into_iter().map(|(quota, _)| (quota, f64::MAX)));
        snapshot.errors.push(("e".repeat(90), u64::MAX));
        snapshot.position.stages_elapsed = Some(Duration::MAX);
    }
    for columns in (0..140).step_by(3).chain([300]) {
        for rows in (0..50).chain([120]) {
            for is_help_shown in [false, true] {
                screen.is_help_shown = is_help_shown;
                let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
                draw(&screen, Theme::Basic, &mut buffer);
                let is_odd = |cell: &Cell| cell.symbol().contains(char::is_control);
                assert!(!buffer.content.iter().any(is_odd), "{buffer:?}");
            }
        }
    }
}

#[test]
fn without_colours_there_are_none_and_nothing_is_lost() {
    let draw = |theme| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
        super::draw(&screen(), theme, &mut buffer);
        buffer
    };
    let (plain, rich) = (draw(Theme::Plain), draw(Theme::Rich));
    for (plain, rich) in plain.content.iter().zip(&rich.content) {
        assert_eq!(plain.symbol(), rich.symbol());
        assert_eq!(
            (plain.fg, plain.bg),
            (Style::reset().fg.unwrap(), Style::reset().bg.unwrap())
        );
    }
    assert!(rich.content.iter().any(|cell| cell.fg != plain.content[0].fg));
}
