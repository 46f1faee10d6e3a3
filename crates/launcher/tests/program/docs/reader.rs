//! One who follows a page, in a folder with the shipped manifests.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use testing::emulator::{Place, Ready};

use super::page::{Step, fits};
use crate::configs::copy_configs;
use crate::support::{Fleet, Running};

/// Longer than any command of a page takes on a busy machine, in seconds.
const LONGEST: &str = "150";

pub(super) struct Reader {
    fleet: Fleet,
    /// What was exported.
    environment: BTreeMap<String, String>,
    emulator: Option<(Running, Ready)>,
    /// Commands that go on to the end.
    others: Vec<Running>,
}

impl Reader {
    pub(super) fn new() -> Self {
        let fleet = Fleet::new("");
        copy_configs(&fleet);
        Self {
            fleet,
            environment: BTreeMap::new(),
            emulator: None,
            others: Vec::new(),
        }
    }

    pub(super) fn follow(&mut self, step: &Step<'_>) {
        match step {
            Step::File { name, text } => self.write(name, text),
            Step::Script(lines) => match lines[..] {
                [only] if only.starts_with("fleet emulator") => self.start_emulator(only),
                _ => self.script(&lines.join("\n")),
            },
            Step::Command { line, .. } if line.starts_with("fleet emulator") => self.start_emulator(line),
            Step::Command { line, .. } if line.starts_with("export ") => self.script(line),
            Step::Command { line, prints, with } => {
                let line = self.on_our_ports(line);
                match (prints.split_last(), with) {
                    (Some((&"^C", prints)), _) => self.until_ctrl_c(&line, prints),
                    (_, None) if line.starts_with("fleet run") => {
                        let running = self.printing(&line, prints);
                        self.others.push(running);
                    }
                    (_, Some(with)) if line.starts_with("fleet run") => {
                        self.to_its_end(&format!("{line} {with}"), prints);
                    }
                    _ => self.to_its_end(&line, prints),
                }
            }
        }
    }

    fn start_emulator(&mut self, line: &str) {
        let given: Vec<_> = line.split_whitespace().skip(1).collect();
        let mut words = Vec::new();
        let mut skipped = false;
        // The page names the ports of Azure and of the documentation, and tests run beside each other.
        for word in given {
            let is_port = |word: &str| ["--mqtt", "--ws", "--https", "--http"].contains(&word);
            if !skipped && !is_port(word) {
                words.push(word);
            }
            skipped = is_port(word);
        }
        words.extend(["--mqtt=127.0.0.1:0", "--https=127.0.0.1:0", "--http=127.0.0.1:0"]);
        self.emulator = Some(self.fleet.start_emulator(&words));
    }

    fn ready(&self) -> &Ready {
        &self.emulator.as_ref().expect("the emulator is started first").1
    }

    fn on_our_ports(&self, text: &str) -> String {
        let Some((_, ready)) = &self.emulator else {
            return text.to_owned();
        };
        let [https, mqtt, http] = [ready.https(), ready.mqtt(), ready.address("http")].map(|address| address.port());
        text.replace(":8443", &format!(":{https}"))
            .replace(":8883", &format!(":{mqtt}"))
            .replace("-p 8883", &format!("-p {mqtt}"))
            .replace(":8080", &format!(":{http}"))
            .replace("fleet device-sim", &format!("fleet device-sim --port {mqtt}"))
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

    fn shell(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        let program: PathBuf = env!("CARGO_BIN_EXE_fleet").into();
        let mut path = program.parent().unwrap().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command
            .args(&words[1..])
            .current_dir(self.fleet.path(""))
            .envs(&self.environment)
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG");
        command
    }

    /// Runs a script, and keeps the variables that it sets.
    fn script(&mut self, script: &str) {
        let script = self.on_our_ports(script);
        let kept = self.fleet.path(".environment");
        let whole = format!("set -ea\n{script}\nenv -0 >\"$KEPT\"");
        let mut command = self.shell(&["timeout", LONGEST, "bash", "-c", &whole]);
        let output = command.env("KEPT", &kept).output().unwrap();
        assert!(
            output.status.success(),
            "{script}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let all = String::from_utf8(std::fs::read(&kept).unwrap()).unwrap();
        let pairs = all.split('\0').filter_map(|pair| pair.split_once('='));
        let new = pairs.filter(|(name, _)| script.contains(&format!("{name}=")));
        self.environment
            .extend(new.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    fn to_its_end(&self, line: &str, prints: &[&str]) {
        let output = self.shell(&["timeout", LONGEST, "sh", "-c", line]).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}\n{stdout}\n{stderr}");
        // A person sees both; data comes first where there is any.
        let mut lines = stdout.lines().chain(stderr.lines());
        for expected in prints {
            let found = *expected == "…" || lines.any(|line| fits(line, expected));
            assert!(found, "`{expected}` is not printed by {line}\n{stdout}\n{stderr}");
        }
    }

    fn printing(&self, line: &str, prints: &[&str]) -> Running {
        let mut running = Running::spawn(self.shell(&["sh", "-c", &format!("exec {line}")]));
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
    pub(super) fn leave(mut self) {
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
