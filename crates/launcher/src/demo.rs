//! `fleet demo`: the story of group enrollment, step by step, on the project's own emulator.
//!
//! What is told stands in `script`, what is done in `acts`, with the commands of `place`; `stage` has the programs and the
//! REST API, `narrator` the terminal. Each result is checked before it is told.

mod acts;
mod args;
mod command;
mod folder;
mod narrator;
mod pace;
mod place;
mod script;
mod stage;
mod wrap;

use std::path::PathBuf;

use anyhow::anyhow;
use device_sim::console;
use device_sim::hint::Hint;
use iot_protocol::shown;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::exit::{Failure, PASSED};
use crate::interrupts::Interrupts;
use acts::Demo;
use folder::DemoFolder;
use narrator::Narrator;
use pace::Pace;
use place::Place;
use script::{OPENING, STEPS};
use stage::Stage;

pub(crate) use args::DemoArgs;

/// Tells the whole story. Returns the number with which the process is to end.
///
/// # Errors
///
/// The folder can't be used, a step did not come out as told, or a person ended it.
pub(crate) async fn run(args: DemoArgs, executable: PathBuf, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let pace = Pace::new(args.auto, args.pause.map(|pause| pause.0))?;
    let is_interactive = !args.auto;
    let path = args.folder.to_str().ok_or_else(|| {
        let error = anyhow!("the name of the folder `{}` is not UTF-8", shown::path(&args.folder));
        Failure::refused(error.hint("name another one with --folder DIR"))
    })?;
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let place = Place::new(path, today);
    let folder = DemoFolder::take(&args.folder)?;
    let logs = folder.make("logs")?;
    let mut stage = Stage::new(executable, logs);
    let told = tokio::select! {
        told = tell(Demo::new(&mut stage, &folder, &place, Narrator::of_stdout()), pace) => told,
        () = interrupts.next() => Err(Failure::Interrupted),
    };
    if told.is_err() {
        // The prompt, or what a terminal shows of Ctrl-C, has no end of line.
        let end_of_line = if is_interactive { "\n" } else { "" };
        console::note(format_args!("{end_of_line}stopping everything that was started"));
    }
    tokio::select! {
        () = stage.close() => {}
        // What is still running is killed.
        () = interrupts.next() => {}
    }
    told.map(|()| PASSED)
}

async fn tell(mut demo: Demo<'_>, mut pace: Pace) -> Result<(), Failure> {
    let narrator = demo.narrator;
    narrator.line(OPENING).await?;
    for (number, step) in (1..).zip(&STEPS) {
        narrator.step(number, STEPS.len(), step).await?;
        pace.wait(narrator).await?;
        if let Err(error) = demo.act(step.act).await {
            // Where a program has ended, all else is a consequence.
            let error = demo.stage.check().err().unwrap_or(error);
            let error = error.context(format!("step {number} did not come out as told"));
            let logs = demo.place.path("logs");
            return Err(Failure::Failed(error.hint(format!("the logs are in `{logs}`"))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::command::FleetCommand;
    use super::narrator::{Style, row};
    use super::place::{ATTIC, Addresses, Chain, HALL};
    use super::*;

    /// All that is told before something is done.
    fn story(style: Style) -> String {
        let steps = (1..).zip(&STEPS);
        steps
            .map(|(number, step)| style.step(number, STEPS.len(), step))
            .collect()
    }

    #[test]
    fn the_story_as_it_is_told() {
        let text = story(Style::Plain);
        assert!(text.lines().all(|line| line.chars().count() <= wrap::WIDTH), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn colours_change_nothing_but_the_colours() {
        let coloured = story(Style::Coloured);
        let bare = ["1", "2", "32", "36", "0"].iter().fold(coloured.clone(), |text, code| {
            text.replace(&format!("\u{1b}[{code}m"), "")
        });
        assert_ne!(coloured, bare);
        assert_eq!(bare, story(Style::Plain));
    }

    #[test]
    fn the_commands_as_they_are_typed() {
        let place = Place::new("fleet-demo/", "2026-11-28".parse().unwrap());
        let at = Addresses {
            https: 8443,
            mqtt: 8883,
            id_scope: "0ne00EMULATOR".to_owned(),
        };
        let fleet = [
            place.emulator(),
            place.root(),
            place.leaf(HALL),
            place.inspect(HALL),
            place.device(HALL, Chain::Full, &at),
            place.verification("C0DE"),
            place.run(),
            place.intermediate(),
            place.leaf_below_intermediate(),
            place.device(ATTIC, Chain::LeafOnly, &at),
            place.expired_leaf(),
            place.roll(),
            place.stop(),
        ];
        let rest = [
            place.put_group(&at),
            place.put_root(&at),
            place.generate_code(&at),
            place.verify(&at),
            place.register_by_https("cellar", &at),
            place.set_enabled(false, &at),
        ];
        let mut text = String::new();
        for typed in fleet.iter().map(FleetCommand::typed).chain(rest) {
            text += &Style::Plain.command(&typed);
        }
        let _ = write!(text, "\n{}", Place::manifest_text(&at));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn what_to_read_next_is_there() {
        for (name, words) in script::NEXT {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
            assert!(path.exists(), "{name}");
            assert!(row(name, words).contains(name));
        }
    }
}
