//! `fleet demo`: the whole story, and every way to leave it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use testing::skip;

use crate::pty::Terminal;
use crate::support::{Fleet, Running, signal};

/// The end of input, as Ctrl-D types it.
const END_OF_INPUT: &str = "\u{4}";

/// A demonstration in its own folder, whose whole path stands in the arguments of all that it starts.
struct Demo {
    fleet: Fleet,
    folder: String,
}

impl Demo {
    fn new() -> Self {
        let fleet = Fleet::new("");
        let folder = fleet.path("demo").to_str().unwrap().to_owned();
        Self { fleet, folder }
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["demo", "--folder", &self.folder], more].concat()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(&self.folder).join(name)
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Starts it, without waiting between steps; its stdout can be listened to, its stderr is a file.
    fn start(&self) -> Running {
        let mut command = self.fleet.command(&self.arguments(&["--auto"]));
        command.stderr(File::create(self.fleet.path("stderr")).unwrap());
        Running::spawn_service(command)
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.fleet.path("stderr")).unwrap()
    }
}

/// Types the `curl` of a step as it was printed, in another terminal. Where there is no `curl`, or one that is older than
/// its `--json`, nothing is tried.
fn does_the_same_again(shown: &str) {
    let version = Command::new("curl").arg("--help").arg("all").output();
    if !version.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--json")) {
        return skip("there is no curl with --json: no printed request is tried");
    }
    let (_, command) = shown.split_once("$ curl ").unwrap();
    let (command, _) = command.split_once("\n✓").unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("curl {command}")])
        .output()
        .unwrap();
    let group: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?} of\n{command}"));
    assert_eq!(group["displayName"], "thermostats", "{group:#}");
}

/// Every file that only its owner may read.
fn secrets(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            secrets(&path, found);
        } else if name.ends_with("key.pem") || name.ends_with(".pfx") || ["curl.conf", "api_token"].contains(&&*name) {
            found.push(path);
        }
    }
}

#[test]
fn the_whole_story_comes_out_as_told_and_leaves_nothing_running() {
    let demo = Demo::new();
    let finished = demo.fleet.fleet(&demo.arguments(&["--auto"])).expect(0);
    let told = &finished.stdout;
    let titles: Vec<_> = told.lines().filter(|line| line.starts_with("Step ")).collect();
    assert_eq!(titles.len(), 11, "{told}");
    for (number, title) in (1..).zip(titles) {
        assert!(title.starts_with(&format!("Step {number} of 11: ")), "{title}");
    }
    let verdicts = told.lines().filter_map(|line| line.strip_prefix("✓ "));
    let verdicts = verdicts.filter_map(|line| {
        let (device, rest) = line.split_once(' ')?;
        let verdict = ["was refused", "is admitted"]
            .into_iter()
            .find(|words| rest.starts_with(words))?;
        Some(format!("{device} {verdict}"))
    });
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        [
            "hall was refused",
            "hall is admitted",
            "attic was refused",
            "attic is admitted",
            "cellar was refused",
            "hall was refused",
            "hall is admitted",
            "hall was refused",
        ],
        "{told}"
    );
    for words in [
        "✓ The root is verified.",
        "✓ 100 more devices are online, 101 in all.",
        "✓ hall is blocked: the hub has ended its session.",
        "✓ Old certificates are refused, by DPS and by the hub: 5 of 5 tried.",
        "✓ All 100 devices are back, with new certificates.",
        "✓ Everything that was started has stopped.",
    ] {
        assert!(told.contains(words), "no `{words}` in\n{told}");
    }
    assert!(!told.contains('\u{1b}'), "no colour where nobody sees it");
    assert_eq!(finished.stderr, "");
    demo.fleet.wait_until_nothing_runs();

    let (roll, report) = (demo.json("roll/roll.json"), demo.json("report/report.json"));
    assert_eq!(roll["outcome"], "done", "{roll:#}");
    assert_eq!(report["devices"]["connected"], 100, "{report:#}");
    // All that the story names in its last step is there, and nothing else.
    let mut entries: Vec<_> = fs::read_dir(&demo.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    entries.sort();
    assert_eq!(entries.remove(2), "demo.lock");
    let (_, left) = told.split_once("What is left in ").unwrap();
    for name in &entries {
        assert!(left.contains(&format!("\n  {name}")), "{name} in\n{left}");
    }
    assert_eq!(entries.len(), 9, "{entries:?}");
}

#[test]
fn keys_and_tokens_are_private_and_never_printed_and_the_folder_is_used_again() {
    let demo = Demo::new();
    let mut running = demo.start();
    running.wait_for("✓ The root is verified.");
    running.interrupt();
    let (code, told) = running.end();
    assert_eq!(code, Some(130), "{told}");

    let token = fs::read_to_string(demo.path("emulator/api_token")).unwrap();
    let signature = token.trim().split_once("sig=").unwrap().1;
    let printed = told + &demo.stderr();
    assert!(
        !printed.contains(signature) && !printed.contains("PRIVATE KEY"),
        "{printed}"
    );
    assert!(fs::read_to_string(demo.path("curl.conf")).unwrap().contains(signature));
    let mut found = Vec::new();
    secrets(demo.folder.as_ref(), &mut found);
    assert!(found.len() >= 8, "{found:?}");
    for path in found.iter().chain([&demo.path(".")]) {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }

    // The folder is used again, from scratch.
    let mut again = demo.start();
    again.wait_for("✓ The group thermostats is there, and has no certificate.");
    again.interrupt();
    assert_eq!(again.end().0, Some(130), "{}", demo.stderr());
    demo.fleet.wait_until_nothing_runs();
}

#[test]
fn ctrl_c_in_the_middle_of_a_step_stops_everything() {
    let demo = Demo::new();
    let mut running = demo.start();
    // The roll has begun when its devices are blocked, and takes longer than a signal.
    running.wait_for("$ fleet roll ");
    running.interrupt();
    let (code, told) = running.end();
    assert_eq!(code, Some(130), "{told}");
    assert!(!told.contains("Step 11"), "{told}");
    assert_eq!(
        demo.stderr(),
        "stopping everything that was started\nerror: interrupted\n"
    );
    demo.fleet.wait_until_nothing_runs();
}

#[test]
fn what_a_demonstration_has_started_ends_with_it_even_where_it_is_killed() {
    let demo = Demo::new();
    let mut running = demo.start();
    // The emulator, a device and a run go on, and a command is under way.
    running.wait_for("$ fleet roll ");
    signal(demo.fleet.process(" demo --folder"), Signal::KILL);
    assert_eq!(running.end().0, None);
    demo.fleet.wait_until_nothing_runs();
}

#[test]
fn a_step_that_does_not_come_out_as_told_ends_the_story() {
    let demo = Demo::new();
    let mut running = demo.start();
    running.wait_for("✓ The root is verified.");
    signal(demo.fleet.process(" emulator --state"), Signal::KILL);
    let (code, told) = running.end();
    assert_eq!(code, Some(1), "{told}");
    let words = demo.stderr();
    assert!(
        words.contains(" did not come out as told: emulator has ended"),
        "{words}"
    );
    assert!(
        words.contains(&format!("hint: the logs are in `{}/logs`", demo.folder)),
        "{words}"
    );
    demo.fleet.wait_until_nothing_runs();
}

#[test]
fn a_person_presses_enter_for_each_step_and_leaves_with_the_end_of_input() {
    let demo = Demo::new();
    let mut command = demo.fleet.command(&demo.arguments(&[]));
    // An empty one means nothing.
    command.env("NO_COLOR", "");
    // All of it has room.
    let person = Terminal::new(200, 200);
    let running = person.run(command);
    let prompted = |times: usize| {
        person.wait("the prompt", |seen| {
            let shown = seen.parser.screen().contents();
            shown.matches("Press Enter").count() == times
        });
    };
    for (step, result) in [(1, "The emulator is ready"), (2, "The root's thumbprint is ")] {
        prompted(step);
        person.wait_for_line(&format!("Step {step} of 11: "));
        person.press("\n");
        person.wait_for_line(result);
    }
    prompted(3);
    person.wait_for_line("Step 3 of 11: ");
    person.press("\n");
    prompted(4);
    person.wait_for_line("Step 4 of 11: ");
    does_the_same_again(&person.shown());
    person.press(END_OF_INPUT);
    assert_eq!(running.end(), Some(130), "{}", person.text());
    person.wait_for_line("error: interrupted");
    let text = person.text();
    for step in 1..=4 {
        assert!(text.contains(&format!("\u{1b}[1mStep {step} of 11: ")), "{text}");
    }
    assert!(!text.contains("certificates/primary"), "{text}");
    demo.fleet.wait_until_nothing_runs();
}

#[test]
fn wrong_inputs_are_refused_with_a_way_out_before_anything_is_made() {
    let demo = Demo::new();
    let refused = |arguments: &[&str]| demo.fleet.fleet(arguments).expect(2);
    let blind = refused(&demo.arguments(&[]));
    assert_eq!(
        blind.stderr,
        "error: each step waits for Enter, and stdin is not a terminal\nhint: --auto goes on by itself\n"
    );
    let pause = refused(&demo.arguments(&["--pause", "1s"]));
    assert!(pause.stderr.contains("--auto"), "{}", pause.stderr);
    assert!(!demo.path(".").exists());

    fs::create_dir(&demo.folder).unwrap();
    fs::write(demo.path("fleet.toml"), "of a person").unwrap();
    let other = refused(&demo.arguments(&["--auto"]));
    assert_eq!(
        other.stderr,
        format!(
            "error: `{}` is not empty, and was not made by `fleet demo`\nhint: name another one with --folder DIR\n",
            demo.folder
        )
    );
    assert_eq!(fs::read_to_string(demo.path("fleet.toml")).unwrap(), "of a person");
    let file = demo.path("fleet.toml");
    let file = refused(&["demo", "--auto", "--folder", file.to_str().unwrap()]);
    assert!(file.stderr.contains("can't be used as a folder"), "{}", file.stderr);
}
