//! The live view of a run, in a terminal of its own.

use std::process::Stdio;

use pty_process::blocking::Command;
use rustix::process::Signal;

use crate::pty::{ENTER, Terminal};
use crate::support::{EMULATOR, Fleet, LONG, SHORT, manifest, signal};

fn small() -> Fleet {
    Fleet::new(&manifest(EMULATOR, LONG))
}

fn marks(fleet: &Fleet) -> Vec<String> {
    let report = fleet.report();
    let events = report["events"].as_array().unwrap().iter();
    events.map(|event| event["what"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_is_shown_and_obeys_keys() {
    let (fleet, terminal) = (small(), Terminal::new(80, 24));
    let running = terminal.fleet(&fleet);
    terminal.wait_for("6 online of 6 wanted");
    terminal.wait_for("stage 2 of 2: 100%@5m, held");
    terminal.wait_for("‹ publish ›");
    for (key, words) in [
        ("?", "show this, and hide it again"),
        ("?", "‹ publish ›"),
        ("\x1b[C", "‹ publish_sent ›"),
        ("\x1b[D", "‹ publish ›"),
        ("p", "PAUSED"),
        ("p", "running"),
        ("s", "storm all devices: 6 devices"),
        ("d", "disconnect 10 % of the fleet: "),
    ] {
        terminal.press(key);
        terminal.wait_for(words);
    }
    terminal.press("q");
    assert_eq!(running.end(), Some(130), "{}", terminal.text());
    terminal.assert_is_put_back();
    let printed = terminal.printed();
    for words in [
        // Lines from while the view was there, and the summary.
        "first device assigned: ",
        "all 6 devices online",
        "interrupted: devices drain and disconnect",
        "report written to ",
        "INTERRUPTED",
    ] {
        assert!(printed.contains(words), "{words} in {printed}");
    }
    let marks = marks(&fleet);
    for what in [
        "the stages pause",
        "the stages go on",
        "storm all devices",
        "disconnect 10 % of the fleet",
    ] {
        assert!(marks.iter().any(|mark| mark == what), "{what} in {marks:?}");
    }
    fleet.wait_until_nothing_runs();
}

#[test]
fn lines_before_the_devices_start_are_printed_as_they_come() {
    let (fleet, terminal) = (small(), Terminal::new(120, 40));
    let running = terminal.fleet(&fleet);
    terminal.wait_for("6 online of 6 wanted");
    let text = terminal.text();
    let (before, _) = text.split_once(ENTER).unwrap();
    assert!(
        before.contains("small: 6 devices in 2 processes") && before.contains("emulator ready"),
        "{before}"
    );
    // Ctrl-C, as the terminal sends it.
    terminal.press("\x03");
    assert_eq!(running.end(), Some(130), "{}", terminal.text());
    terminal.assert_is_put_back();
    assert!(
        !terminal.printed().contains("emulator ready"),
        "nothing is printed twice"
    );
}

#[test]
fn a_terminal_may_change_its_size() {
    let (fleet, terminal) = (small(), Terminal::new(80, 24));
    let running = terminal.fleet(&fleet);
    terminal.wait_for("6 online of 6 wanted");
    for (columns, rows) in [(120, 40), (60, 14), (200, 50), (80, 24)] {
        terminal.resize(columns, rows);
        terminal.wait("the foot at the bottom", |seen| {
            let screen = seen.parser.screen();
            let last = screen.rows(0, columns).last().unwrap_or_default();
            let first = screen.rows(0, columns).next().unwrap_or_default();
            last.starts_with("p pause") && first.starts_with("small") && first.trim_end().ends_with("running")
        });
    }
    terminal.resize(20, 4);
    terminal.wait_for("terminal too small");
    terminal.resize(80, 24);
    terminal.wait_for("6 online of 6 wanted");
    terminal.press("q");
    assert_eq!(running.end(), Some(130), "{}", terminal.text());
    terminal.assert_is_put_back();
}

#[test]
fn a_run_that_leaves_at_once_puts_the_terminal_back() {
    let (fleet, terminal) = (small(), Terminal::new(80, 24));
    let run = fleet.command(&["run", "fleet.toml", "--report", "report"]);
    // Keys need no stdin.
    let run = Command::from(run).env_remove("CI").env_remove("NO_COLOR");
    let running = terminal.start(run.stdin(Stdio::null()));
    terminal.wait_for("6 online of 6 wanted");
    terminal.press("Q");
    assert_eq!(running.end(), Some(130), "{}", terminal.text());
    terminal.assert_is_put_back();
    assert!(terminal.printed().contains("leaving at once"), "{}", terminal.printed());
    assert!(fleet.report()["devices"]["connected"].is_number());
    fleet.wait_until_nothing_runs();
}

#[test]
fn a_signal_to_end_is_obeyed_and_the_terminal_is_put_back() {
    for kind in [Signal::TERM, Signal::HUP, Signal::INT] {
        let (fleet, terminal) = (small(), Terminal::new(80, 24));
        let running = terminal.fleet(&fleet);
        terminal.wait_for("6 online of 6 wanted");
        signal(running.pid(), kind);
        assert_eq!(running.end(), Some(130), "{}", terminal.text());
        terminal.assert_is_put_back();
    }
}

#[test]
fn a_terminal_that_was_stopped_is_let_go_when_the_run_ends() {
    let (fleet, terminal) = (small(), Terminal::new(80, 24));
    let running = terminal.fleet(&fleet);
    terminal.wait_for("6 online of 6 wanted");
    // Ctrl-S; and then the view can draw nothing.
    terminal.press("\x13q");
    assert_eq!(running.end(), Some(130), "{}", terminal.text());
    terminal.assert_is_put_back();
    assert!(terminal.printed().contains("interrupted: "), "{}", terminal.printed());
}

#[test]
fn a_run_that_was_stopped_from_outside_is_drawn_again() {
    let (fleet, terminal) = (small(), Terminal::new(80, 24));
    let running = terminal.fleet(&fleet);
    terminal.wait_for("6 online of 6 wanted");
    assert_eq!(terminal.text().matches(ENTER).count(), 1);
    signal(running.pid(), Signal::STOP);
    signal(running.pid(), Signal::CONT);
    terminal.wait("another beginning", |seen| seen.beginnings() == 2);
    terminal.wait_for("6 online of 6 wanted");
    // A session's leader has no shell that could bring it back, so Ctrl-Z does nothing.
    terminal.press("\x1a?");
    terminal.wait_for("show this, and hide it again");
    terminal.press("q");
    assert_eq!(running.end(), Some(130), "{}", terminal.text());
    terminal.assert_is_put_back();
}

#[test]
fn a_process_that_is_killed_is_named_when_the_view_has_gone() {
    let (fleet, terminal) = (small(), Terminal::new(80, 24));
    let running = terminal.fleet(&fleet);
    terminal.wait_for("6 online of 6 wanted");
    signal(fleet.process("--shard 1/2"), Signal::KILL);
    assert_eq!(running.end(), Some(1), "{}", terminal.text());
    terminal.assert_is_put_back();
    let printed = terminal.printed();
    assert!(
        printed.contains("device-sim 1/2 died: signal: 9 (SIGKILL)"),
        "{printed}"
    );
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_brings_the_view_back() {
    let (fleet, terminal) = (small(), Terminal::new(80, 24));
    let mut shell = fleet.command(&[]);
    let program = shell.get_program().to_str().unwrap().to_owned();
    let folder = shell.get_current_dir().unwrap().to_owned();
    shell = std::process::Command::new("sh");
    shell
        .arg("-i")
        .current_dir(folder)
        .env("PS1", "ready> ")
        .env("NO_COLOR", "1");
    shell.env_remove("ENV");
    let shell = terminal.run(shell);
    terminal.wait_for_line("ready>");
    // Some shells edit lines with modes of their own, and others use those of the terminal.
    terminal.press(&format!("'{program}' run fleet.toml --report report\n"));
    terminal.wait_for("6 online of 6 wanted");
    terminal.press("\x1a");
    wait_for_the_shell(&terminal, 1);
    terminal.assert_is_put_back();
    terminal.wait_for_line("all 6 devices online");

    // In the background it is a run with lines.
    terminal.press("bg\n");
    terminal.wait_for_line("6 online; telemetry");
    terminal.press("fg\n");
    terminal.wait_for("6 online of 6 wanted");
    terminal.press("\x1a");
    wait_for_the_shell(&terminal, 2);
    terminal.press("fg\n");
    terminal.wait_for("6 online of 6 wanted");
    terminal.press("p");
    terminal.wait_for("PAUSED");
    terminal.press("q");
    terminal.wait_for_summary();
    terminal.wait_for_line("ready>");
    terminal.press("exit\n");
    shell.end();
    terminal.assert_is_put_back();
    fleet.wait_until_nothing_runs();
}

/// Waits until the shell has the terminal after this stop of its job: an earlier prompt stands there, too.
fn wait_for_the_shell(terminal: &Terminal, stops: usize) {
    terminal.wait(&format!("the prompt after {stops} stops"), |seen| {
        let screen = seen.parser.screen();
        let text = screen.contents();
        let is_last = text.trim_end().ends_with("ready>");
        !screen.alternate_screen() && is_last && text.matches("Stopped").count() == stops
    });
}

#[test]
fn in_the_background_a_run_has_lines_and_does_not_touch_the_terminal() {
    let (fleet, terminal) = (small(), Terminal::new(80, 24));
    let program = fleet.command(&[]).get_program().to_owned();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-m", "-c", "\"$0\" run \"$1\" & wait"]).arg(program);
    shell.arg(fleet.path("fleet.toml"));
    let running = terminal.run(shell);
    terminal.wait_for_line("all 6 devices online");
    signal(fleet.process("fleet run "), Signal::TERM);
    running.end();
    assert!(!terminal.text().contains(ENTER), "{}", terminal.text());
    fleet.wait_until_nothing_runs();
}

#[test]
fn a_terminal_that_goes_away_does_not_end_a_run_that_ignores_it() {
    let fleet = small();
    let terminal = Terminal::new(80, 24);
    let run = fleet.command(&[]);
    let mut shell = std::process::Command::new("sh");
    let words = "trap '' HUP; exec \"$0\" run fleet.toml --report report --duration 4s >summary.txt";
    shell
        .args(["-c", words, run.get_program().to_str().unwrap()])
        .current_dir(run.get_current_dir().unwrap());
    let running = terminal.run(shell);
    terminal.wait_for("6 online of 6 wanted");
    terminal.hang_up();
    assert_eq!(running.end(), Some(0));
    assert!(
        std::fs::read_to_string(fleet.path("summary.txt"))
            .unwrap()
            .starts_with("PASSED")
    );
    fleet.wait_until_nothing_runs();
}

#[test]
fn the_form_of_progress_is_chosen_or_refused_with_a_reason() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let refused = fleet.fleet(&["run", "fleet.toml", "--ui", "tui"]).expect(2);
    assert!(
        refused.stderr.starts_with("error: --ui tui: stderr is no terminal\n"),
        "{}",
        refused.stderr
    );
    let quiet = fleet.fleet(&["run", "fleet.toml", "--ui", "none"]).expect(0);
    assert!(quiet.stdout.starts_with("PASSED"), "{}", quiet.stdout);
    assert_eq!(quiet.stderr, "");

    let small = Terminal::new(79, 24);
    let running = small.run(fleet.command(&["run", "fleet.toml", "--ui", "tui"]));
    assert_eq!(running.end(), Some(2));
    small.wait_for_line("the terminal has 79 columns and 24 rows");
    for (terminal, arguments, ci) in [
        (small, &[][..], ""),
        (Terminal::new(80, 24), &["--ui", "lines"], ""),
        (Terminal::new(80, 24), &[], "true"),
    ] {
        let command = fleet.command(&[&["run", "fleet.toml"], arguments].concat());
        let running = terminal.start(Command::from(command).env("CI", ci));
        assert_eq!(running.end(), Some(0), "{}", terminal.text());
        terminal.wait_for_summary();
        let text = terminal.text();
        assert!(text.contains("all 6 devices online") && !text.contains(ENTER), "{text}");
    }
}
