//! Help: every verb has examples that can be typed, mistakes are answered with what was meant, and shells, man and the page
//! of words have all there is.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use clap::{Command, CommandFactory, Parser};
use launcher::cli::Cli;

/// Every verb that does something, with the words that lead to it.
fn verbs() -> Vec<(Vec<String>, Command)> {
    let mut command = Cli::command();
    command.build();
    let mut verbs = Vec::new();
    collect(&command, &["fleet".to_owned()], &mut verbs);
    assert!(verbs.len() > 30, "{}", verbs.len());
    verbs
}

fn collect(command: &Command, path: &[String], verbs: &mut Vec<(Vec<String>, Command)>) {
    let below: Vec<_> = command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
        .collect();
    if below.is_empty() {
        verbs.push((path.to_vec(), command.clone()));
    }
    for below in below {
        collect(below, &[path, &[below.get_name().to_owned()]].concat(), verbs);
    }
}

/// The lines of help that begin with the program's name.
fn examples(command: &Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let listed = help.split_once("Examples:\n").map(|(_, listed)| listed.to_owned());
    let listed = listed.unwrap_or_default();
    let listed = listed.lines().take_while(|line| line.starts_with("  fleet "));
    listed.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_verb_has_examples_that_can_be_typed() {
    for (path, command) in verbs() {
        let examples = examples(&command);
        let begin = path.join(" ");
        assert!(
            examples.iter().any(|example| example.starts_with(&begin)),
            "{begin} has no example: {examples:?}"
        );
        for example in examples {
            let words = shlex::split(&example).unwrap();
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{example}\n{error}");
            }
        }
    }
}

/// A name with a letter left out, as it is mistyped.
fn mistyped(name: &str) -> String {
    let middle = name.len() / 2;
    format!("{}{}", &name[..middle], &name[middle + 1..])
}

#[test]
fn a_mistyped_verb_or_flag_is_answered_with_the_one_that_was_meant() {
    let mut tried = 0;
    for (path, command) in verbs() {
        let name = command.get_name();
        let mut candidates = Vec::new();
        if name.len() >= 5 {
            let above = &path[..path.len() - 1];
            candidates.push(([above, &[mistyped(name)]].concat(), name.to_owned()));
        }
        for flag in command.get_arguments().filter_map(|argument| argument.get_long()) {
            if flag.len() >= 5 && flag != "version" {
                let words = [&path[..], &[format!("--{}", mistyped(flag))]].concat();
                candidates.push((words, format!("--{flag}")));
            }
        }
        for (words, meant) in candidates {
            let error = Cli::try_parse_from(&words).unwrap_err().to_string();
            assert!(
                error.contains("similar") && error.contains(&meant),
                "{words:?}\n{error}"
            );
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn fleet(arguments: &[&str]) -> String {
    let output = Process::new(env!("CARGO_BIN_EXE_fleet"))
        .current_dir(root())
        .args(arguments)
        // No help or page may hold it.
        .env("FLEET_PFX_PASSWORD", "hunter2")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_of_words_is_the_one_that_explain_prints() {
    let printed = fleet(&["explain", "--format", "md"]);
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("words.md");
    std::fs::write(&written, &printed).unwrap();
    let page = std::fs::read_to_string(root().join("docs/words.md")).unwrap_or_default();
    assert!(
        page == printed,
        "docs/words.md is another one; copy {}",
        written.display()
    );
}

#[test]
fn man_has_a_page_for_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    fleet(&["man", "--out", folder.path().to_str().unwrap()]);
    for (path, _) in verbs() {
        let page = folder.path().join(format!("{}.1", path.join("-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(text.contains(".SH SYNOPSIS"), "{}", page.display());
        assert!(!text.contains("hunter2"), "{}", page.display());
    }
    // The foot of each page has the program and its version, whatever the verb.
    let of_program = format!("\"fleet {}\"", env!("CARGO_PKG_VERSION"));
    for (path, _) in verbs() {
        let name = path.join("-");
        let written = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
        let printed = fleet(&[&["man"], &path[1..].iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
        assert_eq!(written, printed, "{name}");
        let title = printed
            .lines()
            .find(|line| line.starts_with(".TH "))
            .unwrap_or_default();
        let words: Vec<_> = title.split_whitespace().collect();
        assert_eq!(words[1..3], [&*name, "1"], "{title}");
        assert!(title.contains(&of_program), "{title}");
    }
}

/// What a shell offers, by its own machinery; `None` where this machine has no such shell.
fn offered(shell: &str, script: &str) -> Option<Vec<String>> {
    let installed = Process::new(shell)
        .args(["-c", "exit 0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !installed.is_ok_and(|status| status.success()) {
        testing::skip(&format!("there is no {shell}"));
        return None;
    }
    let output = Process::new(shell)
        .current_dir(root())
        .args(["-c", script])
        .env("FLEET", env!("CARGO_BIN_EXE_fleet"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shell}: {errors}");
    Some(
        text.lines()
            .map(|line| line.split('\t').next().unwrap_or_default().to_owned())
            .collect(),
    )
}

/// What is typed, as words, and what is offered then.
const LINES: [(&[&str], &str); 5] = [
    (&["fleet", "doc"], "doctor"),
    (&["fleet", "run", "--dur"], "--duration"),
    (
        &["fleet", "ctl", "configs/demo.toml", "storm", "--group", "th"],
        "thermostats",
    ),
    (
        &["fleet", "roll", "configs/demo.toml", "--device", "thermo-000"],
        "thermo-0001",
    ),
    (
        &[
            "fleet",
            "plan",
            "configs/demo.toml",
            "--set",
            "group.thermostats.devices.c",
        ],
        "group.thermostats.devices.count=",
    ),
];

// What zsh completes is tried in a terminal: program/zsh.rs.

#[test]
fn bash_completes_verbs_flags_and_what_is_in_the_manifest() {
    for (words, expected) in LINES {
        let script = format!(
            "source <(\"$FLEET\" completions bash) && COMP_WORDS=({}) COMP_CWORD={} COMP_TYPE=9 && \
             _clap_complete_fleet fleet \"{}\" \"\" && printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1,
            words.last().unwrap()
        );
        let Some(offered) = offered("bash", &script) else {
            return;
        };
        assert!(
            offered.iter().any(|offered| offered == expected),
            "{words:?}: {offered:?}"
        );
    }
}

#[test]
fn fish_completes_the_same() {
    for (words, expected) in LINES {
        let script = format!("$FLEET completions fish | source; complete -C \"{}\"", words.join(" "));
        let Some(offered) = offered("fish", &script) else {
            return;
        };
        assert!(
            offered.iter().any(|offered| offered == expected),
            "{words:?}: {offered:?}"
        );
    }
}
