//! The documentation is true: what it shows runs as it is written, and every command in it is one.
//!
//! `docs/page.rs` has the few words that a page may put behind the language of a block.

mod page;
mod reader;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use clap::error::ErrorKind;
use testing::skip;

use crate::pty::Terminal;
use crate::support::Fleet;
use page::{Fence, Note, command_lines, fences, steps};
use reader::Reader;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every page for people, by its name.
fn pages() -> BTreeMap<String, String> {
    let mut names = vec!["README.md".to_owned(), "crates/iot-emulator/README.md".to_owned()];
    for folder in ["docs", "docs/design"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                names.push(format!("{folder}/{name}"));
            }
        }
    }
    let read = |name: String| {
        let text = std::fs::read_to_string(root().join(&name)).unwrap();
        (name, text)
    };
    names.into_iter().map(read).collect()
}

fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        skip(&format!("{program} is not installed: a part of a page is not followed"));
    }
    found
}

#[test]
fn every_page_runs_as_it_is_written_to_its_last_line() {
    if !has("curl") || !has("bash") {
        return;
    }
    let pages = pages();
    let mut tried = 0;
    // Most of a page is waiting, so they run beside each other. A thread that fails prints its name.
    std::thread::scope(|scope| {
        for (name, text) in &pages {
            let fences = fences(text);
            let steps = steps(&fences, has);
            if steps.is_empty() {
                continue;
            }
            tried += steps.len();
            let follow = move || {
                let mut reader = Reader::new();
                for step in &steps {
                    reader.follow(step);
                }
                reader.leave();
            };
            std::thread::Builder::new()
                .name(name.clone())
                .spawn_scoped(scope, follow)
                .unwrap();
        }
    });
    assert!(tried > 60, "{tried} steps");
}

/// So many blocks can't run in a test, and each says why: the list is here to be read, and to be short.
#[test]
fn what_is_not_run_is_listed_with_its_reason() {
    let mut list = String::new();
    let (mut run, mut not_run) = (0, 0);
    for (name, text) in pages() {
        for fence in fences(&text) {
            match (fence.language, fence.note) {
                ("console" | "sh", Note::NotRun(reason)) => {
                    not_run += 1;
                    let first = command_lines(&fence).into_iter().next().unwrap_or_default();
                    writeln!(list, "{name}: `{first}`: {reason}").unwrap();
                }
                ("console" | "sh", _) => run += 1,
                _ => {}
            }
        }
    }
    insta::assert_snapshot!(
        "blocks_of_the_documentation_that_are_not_run",
        format!("{run} are run, {not_run} are not\n\n{list}")
    );
}

#[test]
fn every_command_of_fleet_in_the_documentation_is_one() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    let mut attempt = |place: &str, line: &str, whole: bool| {
        if let Some(words) = words_of_fleet(line) {
            tried += 1;
            if let Some(problem) = not_a_command(&words, whole) {
                wrong.push(format!("{place}: `{line}`: {problem}"));
            }
        }
    };
    for (name, text) in pages() {
        for fence in fences(&text) {
            if matches!(fence.language, "console" | "sh") {
                let place = format!("{name}:{}", fence.line);
                command_lines(&fence)
                    .iter()
                    .for_each(|line| attempt(&place, line, true));
            }
        }
        // Code within a sentence may be only the beginning of a command.
        for (at, line) in text.lines().enumerate() {
            let codes = line.split('`').skip(1).step_by(2);
            codes.for_each(|code| attempt(&format!("{name}:{}", at + 1), code, false));
        }
    }
    for name in std::fs::read_dir(root().join("configs")).unwrap() {
        let path = name.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let commands = text.lines().filter_map(|line| line.strip_prefix("#   "));
            // What explains a command stands behind it, after two blanks.
            let commands = commands.filter_map(|line| line.trim_start().split("  ").next());
            commands.for_each(|line| attempt(&path.display().to_string(), line, false));
        }
    }
    for (verb, help) in examples(&launcher::cli::Cli::command(), "fleet") {
        help.lines()
            .for_each(|line| attempt(&format!("{verb} --help"), line.trim(), true));
    }
    assert!(tried > 150, "{tried}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What stands below the help of each verb.
fn examples(command: &clap::Command, name: &str) -> Vec<(String, String)> {
    let own = command
        .get_after_help()
        .into_iter()
        .chain(command.get_after_long_help());
    let mut all: Vec<_> = own.map(|help| (name.to_owned(), help.to_string())).collect();
    for verb in command.get_subcommands() {
        all.extend(examples(verb, &format!("{name} {}", verb.get_name())));
    }
    all
}

/// The words of a command of `fleet`, without what a shell does with it; none of another program, or with a gap (`…`).
fn words_of_fleet(line: &str) -> Option<Vec<String>> {
    let assignment = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| {
            name.chars()
                .all(|c| c.is_ascii_uppercase() || "_0123456789".contains(c))
        })
    };
    let mut rest = line.trim();
    while let Some((_, more)) = rest.split_once(' ').filter(|(word, _)| assignment(word)) {
        rest = more.trim_start();
    }
    let rest = rest
        .strip_prefix("cargo run --release -- ")
        .map_or_else(|| rest.to_owned(), |words| format!("fleet {words}"));
    if !rest.starts_with("fleet ") || rest.contains('…') || rest.contains("text\\|") {
        return None;
    }
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for c in rest.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                begun = true;
            }
            (None, '|' | '>' | ';' | '&' | '<' | '\\') => break,
            (None, '#') if !begun => break,
            (None, c) if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (None, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    Some(words)
}

/// Why these words are no command. What is only mentioned may lack words at its end, and a file need not be there.
fn not_a_command(words: &[String], whole: bool) -> Option<String> {
    let error = launcher::cli::Cli::command().try_get_matches_from(words).err()?;
    let is_fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // The environment has the rest of what a single device needs.
            !whole || words.get(1).is_some_and(|verb| verb == "device-sim")
        }
        // `--report` alone, as it is called in a sentence.
        ErrorKind::InvalidValue => !whole,
        // A file that is not here, or a word that stands for one: `NAME`.
        ErrorKind::ValueValidation => words.iter().any(|word| {
            word.ends_with(".toml") || (!whole && !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase()))
        }),
        _ => false,
    };
    (!is_fine).then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// Readers run the commands of the README in the repository, and keys must not get into a commit.
#[test]
fn what_the_readme_makes_in_the_repository_is_ignored_by_git() {
    if !has("git") || !root().join(".git").exists() {
        return;
    }
    for path in [
        "myroot_key.pem",
        "thermo1_key.pem",
        "thermo1_fullchain.pem",
        "thermo1.pfx",
        "certs/howto/MyFleetGroup/ca/root_key.pem",
        "configs/certs/demo/thermostats/ca/root_key.pem",
        "state/emulator/api_token",
        "central-enrollment/STEPS.txt",
        "devices/thermo0001_key.pem",
        "fleet-demo/fleet.toml",
        "fleet-k8s/base/job.yaml",
        "out/report.json",
    ] {
        let ignored = Command::new("git")
            .current_dir(root())
            .args(["check-ignore", "--quiet", "--no-index", path])
            .status()
            .unwrap();
        assert!(ignored.success(), "{path}");
    }
}

/// A manifest around a part of one: what the part does not have itself.
fn around(part: &str) -> String {
    let mut text = String::new();
    for (table, lines) in [
        ("[fleet]", "[fleet]\nname = \"page\"\n"),
        ("[target]", "[target]\nkind = \"emulator\"\n"),
        (
            "[load]",
            "[load]\nstages = [\"100%@1m\", \"100%@1h\", \"100%@1h\", \"0%@1m\"]\n",
        ),
        (
            "[[group]]",
            "[[group]]\nid = \"thermostats\"\ndevices = { prefix = \"thermo-\", count = 2 }\n\
             [[group]]\nid = \"served\"\ndevices = { prefix = \"served-\", count = 2 }\n",
        ),
    ] {
        if !part.lines().any(|line| line == table) {
            text += lines;
        }
    }
    text + part
}

#[test]
fn every_example_of_a_file_is_accepted() {
    let fleet = Fleet::new(&around(""));
    let mut tried = 0;
    for (name, text) in pages() {
        for Fence {
            line,
            language,
            note,
            body,
        } in fences(&text)
        {
            let place = format!("{name}:{line}");
            let body = body.join("\n") + "\n";
            tried += 1;
            match (language, note) {
                (_, Note::NotRun(_)) => {}
                ("toml", Note::As(words)) => {
                    std::fs::write(fleet.path("example.toml"), &body).unwrap();
                    let words: Vec<_> = words.split(' ').collect();
                    let (last, words) = words.split_last().unwrap();
                    // `--quota` and the file, or `--set target.faults=` before it.
                    let separator = if last.ends_with('=') { "" } else { "=" };
                    let last = format!("{last}{separator}example.toml");
                    let arguments = [&["plan", "fleet.toml"][..], words, &[last.as_str()]].concat();
                    let done = fleet.fleet(&arguments);
                    assert_eq!(done.code, Some(0), "{place}: {}", done.stderr);
                }
                ("toml", _) => {
                    let manifest = around(&body);
                    let read = launcher::manifest::parse(&place, &manifest, &root().join("configs"), &[]);
                    if let Err(error) = read {
                        panic!("{place} is no part of a manifest: {error}\n{manifest}");
                    }
                }
                ("json", _) => {
                    let values = serde_json::Deserializer::from_str(&body).into_iter::<serde_json::Value>();
                    values.for_each(|value| drop(value.unwrap_or_else(|error| panic!("{place}: {error}"))));
                }
                ("yaml", _) => {
                    let read = serde_saphyr::from_str::<serde_json::Value>(&body);
                    assert!(read.is_ok(), "{place}: {read:?}");
                }
                _ => tried -= 1,
            }
        }
    }
    assert!(tried > 15, "{tried}");
}

/// Of a plan, lines are folded; a chart can't be, and fits into the usual 80 columns.
#[test]
fn what_a_person_reads_fits_into_the_terminal() {
    let fleet = Fleet::new(&around(""));
    for (columns, arguments, last) in [
        (60, &["plan", "fleet.toml"][..], "state/page"),
        (80, &["plan", "fleet.toml", "--preview", "thermo-0001"], "outdoor"),
    ] {
        // Tall enough that nothing scrolls away.
        let terminal = Terminal::new(columns, 100);
        let running = terminal.run(fleet.command(arguments));
        terminal.wait_for_line(last);
        assert_eq!(running.end(), Some(0));
        let text = terminal.text();
        for line in text.lines().map(str::trim_end) {
            assert!(line.chars().count() <= usize::from(columns), "{columns}: {line}");
        }
    }
}
