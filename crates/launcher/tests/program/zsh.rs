//! Zsh shows what it completes only while a person types, so it is tried in a terminal. The other shells are asked by
//! `tests/help.rs`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::pty::Terminal;

const PROMPT: &str = "ready> ";
/// Ctrl-U, which the shell reads as a key; Ctrl-C would throw away what is typed ahead.
const FORGET_THE_LINE: &str = "\x15";

/// What is typed before the tabulator, and what is shown then.
const LINES: [(&str, &str); 5] = [
    ("fleet doc", "fleet doctor"),
    ("fleet run --dur", "fleet run --duration"),
    ("fleet ctl configs/demo.toml storm --group th", "--group thermostats"),
    ("fleet roll configs/demo.toml --device thermo-000", "thermo-0009"),
    (
        "fleet plan configs/demo.toml --set group.thermostats.devices.c",
        "group.thermostats.devices.count=",
    ),
];

#[test]
fn zsh_completes_verbs_flags_and_what_is_in_the_manifest() {
    let installed = Command::new("zsh")
        .args(["-f", "-c", "exit"])
        .stdout(Stdio::null())
        .status();
    if !installed.is_ok_and(|status| status.success()) {
        testing::skip("there is no zsh");
        return;
    }
    let terminal = Terminal::new(120, 40);
    let mut zsh = Command::new("zsh");
    zsh.args(["-f", "-i"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .env("FLEET", env!("CARGO_BIN_EXE_fleet"))
        .env("PS1", PROMPT);
    let _zsh = terminal.run(zsh);
    terminal.wait_for_line(PROMPT);
    // What is typed is shown as well, so the last word is not spelled there as it is printed.
    terminal.press("autoload -Uz compinit && compinit -D -u; source <($FLEET completions zsh); print load''ed\n");
    terminal.wait_for_line("loaded");
    for (typed, shown) in LINES {
        assert!(!terminal.shown().contains(shown), "{shown} is there before");
        terminal.press(&format!("{typed}\t"));
        terminal.wait_for_line(shown);
        terminal.press(FORGET_THE_LINE);
    }
}
