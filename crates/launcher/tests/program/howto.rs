//! docs/how-to-x509.md runs on the emulator as it is written, to its last line.
//!
//! A `console` block has commands after `$ `, which may go on after a `\` at the end of a line, and below each what it
//! prints, with `…` for what differs. `^C` ends a command that goes on; `fleet emulator` and `fleet run` go on to the end. A
//! `toml` block whose first line is `# FILE` is written into that file, or added to it. Ports alone are others than on the
//! page, as tests run beside each other.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use testing::emulator::{Place, Ready};
use testing::skip;

use crate::support::{Fleet, Running};

/// A part of the page that a reader copies.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    Command { line: String, prints: Vec<&'a str> },
    File { name: &'a str, text: Vec<&'a str> },
}

fn steps(page: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match kind {
            "console" => commands(&block, &mut steps),
            "toml" => {
                let name = block[0].strip_prefix("# ").expect("its first line names the file");
                let name = name.split(',').next().unwrap_or(name);
                steps.push(Step::File { name, text: block });
            }
            other => panic!("a block of `{other}` is not tried"),
        }
    }
    steps
}

fn commands<'a>(block: &[&'a str], steps: &mut Vec<Step<'a>>) {
    let mut goes_on = false;
    for line in block {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                let (line, prints) = (command.to_owned(), Vec::new());
                steps.push(Step::Command { line, prints });
            }
            (None, Some(Step::Command { line: command, .. })) if goes_on => {
                command.push('\n');
                command.push_str(line);
            }
            (None, Some(Step::Command { prints, .. })) => prints.push(line),
            (None, _) => panic!("`{line}` belongs to no command"),
        }
        goes_on = line.ends_with('\\');
    }
}

/// Whether a line is the one of the page: what stands between its `…` comes in this order.
fn fits(line: &str, expected: &str) -> bool {
    let mut rest = line;
    for part in expected.split('…') {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// One who follows the page.
struct Reader {
    fleet: Fleet,
    /// What was exported.
    environment: BTreeMap<String, String>,
    emulator: Option<(Running, Ready)>,
    /// Commands that go on to the end.
    others: Vec<Running>,
}

impl Reader {
    fn follow(&mut self, step: &Step<'_>) {
        match step {
            Step::File { name, text } => self.write(name, text),
            Step::Command { line, .. } if line.starts_with("fleet emulator") => {
                let words: Vec<_> = line.split_whitespace().skip(1).collect();
                let ports = ["--mqtt=127.0.0.1:0", "--https=127.0.0.1:0", "--http=127.0.0.1:0"];
                self.emulator = Some(self.fleet.start_emulator(&[&words[..], &ports].concat()));
            }
            Step::Command { line, .. } if line.starts_with("export ") => self.export(&self.on_our_ports(line)),
            Step::Command { line, prints } => {
                let line = self.on_our_ports(line);
                let stays = line.starts_with("fleet run");
                match prints.split_last() {
                    Some((&"^C", prints)) => self.until_ctrl_c(&line, prints),
                    _ if stays => {
                        let running = self.printing(&line, prints);
                        self.others.push(running);
                    }
                    _ => self.to_its_end(&line, prints),
                }
            }
        }
    }

    fn ready(&self) -> &Ready {
        &self.emulator.as_ref().expect("the emulator is started first").1
    }

    fn on_our_ports(&self, line: &str) -> String {
        let Some((_, ready)) = &self.emulator else {
            return line.to_owned();
        };
        let https = format!("https://localhost:{}", ready.https().port());
        let sim = format!("fleet device-sim --port {}", ready.mqtt().port());
        line.replace("https://localhost:8443", &https)
            .replace("fleet device-sim", &sim)
    }

    fn write(&self, name: &str, text: &[&str]) {
        let path = self.fleet.path(name);
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        for line in text {
            writeln!(file, "{}", self.on_our_ports(line)).unwrap();
            if line.starts_with("dps_endpoint") {
                writeln!(file, "port = {}", self.ready().mqtt().port()).unwrap();
            }
        }
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        let program: PathBuf = env!("CARGO_BIN_EXE_fleet").into();
        let mut path = program.parent().unwrap().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command
            .args(["-c", script])
            .current_dir(self.fleet.path(""))
            .envs(&self.environment)
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG");
        command
    }

    fn export(&mut self, line: &str) {
        let output = self.shell(&format!("set -e\n{line}\nenv -0")).output().unwrap();
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let all = String::from_utf8(output.stdout).unwrap();
        let pairs = all.split('\0').filter_map(|pair| pair.split_once('='));
        let new = pairs.filter(|(name, _)| line.contains(&format!("{name}=")));
        self.environment
            .extend(new.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    fn to_its_end(&self, line: &str, prints: &[&str]) {
        let output = self.shell(line).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}\n{stdout}\n{stderr}");
        let mut lines = stdout.lines();
        for expected in prints {
            let found = *expected == "…" || lines.any(|line| fits(line, expected));
            assert!(found, "`{expected}` is not printed by {line}\n{stdout}\n{stderr}");
        }
    }

    fn printing(&self, line: &str, prints: &[&str]) -> Running {
        let mut running = Running::spawn(self.shell(&format!("exec {line}")));
        for expected in prints {
            let longest = expected.split('…').max_by_key(|part| part.len()).unwrap();
            let printed = running.wait_for(longest);
            assert!(fits(&printed, expected), "{printed} is not `{expected}`");
        }
        running
    }

    fn until_ctrl_c(&self, line: &str, prints: &[&str]) {
        let running = self.printing(line, prints);
        running.interrupt();
        let (code, printed) = running.end();
        assert_eq!(code, Some(0), "{line}\n{printed}");
    }

    /// Stops what goes on.
    fn leave(mut self) {
        for running in self.others.drain(..) {
            running.interrupt();
            let (code, printed) = running.end();
            assert_eq!(code, Some(130), "{printed}");
        }
        if let Some((emulator, _)) = self.emulator.take() {
            emulator.interrupt();
            emulator.end();
        }
        self.fleet.wait_until_nothing_runs();
    }
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    found.is_ok_and(|output| output.status.success())
}

#[test]
fn the_how_to_runs_on_the_emulator_to_its_last_line() {
    if !has("curl") {
        skip("curl is not installed: the how-to is not followed");
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to-x509.md");
    let page = std::fs::read_to_string(page).unwrap();
    let steps = steps(&page);
    assert!(steps.len() > 40, "{} steps", steps.len());
    let mut reader = Reader {
        fleet: Fleet::new(""),
        environment: BTreeMap::new(),
        emulator: None,
        others: Vec::new(),
    };
    for step in &steps {
        reader.follow(step);
    }
    reader.leave();
}

#[test]
fn a_page_is_taken_apart_and_what_it_prints_is_compared() {
    let page =
        "a\n```console\n$ fleet x \\\n    -y\nprinted …\n^C\n$ z\n```\n```toml\n# f.toml, at its end\na = 1\n```\n";
    let command = |line: &str, prints| Step::Command {
        line: line.to_owned(),
        prints,
    };
    let (name, text) = ("f.toml", vec!["# f.toml, at its end", "a = 1"]);
    assert_eq!(
        steps(page),
        [
            command("fleet x \\\n    -y", vec!["printed …", "^C"]),
            command("z", vec![]),
            Step::File { name, text }
        ]
    );
    assert!(fits("2026 INFO online x", "… INFO online …") && fits("abc", "abc"));
    assert!(!fits("2026 INFO offline x", "… INFO online …") && !fits("b a", "a…b"));
}
