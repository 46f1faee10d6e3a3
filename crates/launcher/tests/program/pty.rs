//! A terminal of a test's own: what runs in it draws on a screen that can be looked at, and its keys can be pressed.

use std::borrow::Cow;
use std::io::{PipeWriter, Read, Write};
use std::num::NonZeroU16;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use pty_process::Size;
use pty_process::blocking::{Command, Pts, Pty, open};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::tcgetattr;
use testing::{PATIENCE, process};

use crate::support::Fleet;

/// A terminal at which a person would sit.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    pts: Pts,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    /// Its modes before anything ran in it.
    modes: String,
    reader: Option<(PipeWriter, JoinHandle<()>)>,
}

/// What was written to a terminal.
pub(crate) struct Seen {
    pub(crate) parser: vt100::Parser,
    text: Vec<u8>,
}

impl Seen {
    /// How often the view has come.
    pub(crate) fn beginnings(&self) -> usize {
        self.text().matches(ENTER).count()
    }

    /// Everything that was ever written, with its colours.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }
}

/// What brings the view to the terminal.
pub(crate) const ENTER: &str = "\x1b[?1049h";
/// What takes it off.
const LEAVE: &str = "\x1b[?1049l";

impl Terminal {
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        let text = Vec::new();
        let seen = Arc::new((Mutex::new(Seen { parser, text }), Condvar::new()));
        let pty = Arc::new(pty);
        let modes = modes(&pts);
        let reader = Some(read(Arc::clone(&pty), Arc::clone(&seen)));
        Self {
            pty,
            pts,
            seen,
            modes,
            reader,
        }
    }

    /// The terminal is gone: its window was closed.
    pub(crate) fn hang_up(mut self) {
        let (end, reader) = self.reader.take().unwrap();
        drop(end);
        reader.join().unwrap();
        assert_eq!(Arc::strong_count(&self.pty), 1);
    }

    /// Runs a program whose terminal this is, all three of its handles included.
    pub(crate) fn run(&self, command: std::process::Command) -> Running {
        self.start(Command::from(command).env_remove("CI"))
    }

    /// The same with another stdin, or another environment.
    pub(crate) fn start(&self, command: Command) -> Running {
        let mut command = command.env("TERM", "xterm-256color");
        Running(command.spawn_borrowed(&self.pts).unwrap())
    }

    /// Runs the fleet of this folder, whose report goes to `report`.
    pub(crate) fn fleet(&self, fleet: &Fleet) -> Running {
        self.run(fleet.command(&["run", "fleet.toml", "--report", "report"]))
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.seen
            .0
            .lock()
            .unwrap()
            .parser
            .screen_mut()
            .set_size(cells(rows), cells(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    pub(crate) fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Seen) -> bool) {
        let seen = self.seen.0.lock().unwrap();
        let (seen, waited) = self
            .seen
            .1
            .wait_timeout_while(seen, PATIENCE, |seen| !is_so(seen))
            .unwrap();
        assert!(
            !waited.timed_out(),
            "{what} was never there:\n{}",
            seen.parser.screen().contents()
        );
    }

    /// Waits until the view shows these words.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) {
        self.wait(words, |seen| {
            let screen = seen.parser.screen();
            screen.alternate_screen() && screen.contents().contains(words)
        });
    }

    /// Waits until the terminal shows these words without the view.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, words: &str) {
        self.wait(words, |seen| {
            let screen = seen.parser.screen();
            !screen.alternate_screen() && screen.contents().contains(words)
        });
    }

    /// Everything that was written after the view had gone for the last time, up to the end of the summary.
    #[track_caller]
    pub(crate) fn printed(&self) -> String {
        self.wait_for_summary();
        let seen = self.seen.0.lock().unwrap();
        seen.text().rsplit(LEAVE).next().unwrap_or_default().to_owned()
    }

    /// Waits for the last words of a summary.
    #[track_caller]
    pub(crate) fn wait_for_summary(&self) {
        let last = "What a row times";
        self.wait(last, |seen| seen.text().contains(last));
    }

    /// Everything that was ever written, with its colours.
    pub(crate) fn text(&self) -> String {
        self.seen.0.lock().unwrap().text().into_owned()
    }

    /// What it shows now, without colours.
    pub(crate) fn shown(&self) -> String {
        self.seen.0.lock().unwrap().parser.screen().contents()
    }

    #[track_caller]
    pub(crate) fn assert_is_put_back(&self) {
        self.wait("the screen from before", |seen| {
            let screen = seen.parser.screen();
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        assert_eq!(modes(&self.pts), self.modes);
    }
}

/// Reads what is written to a terminal, until the first value is dropped.
fn read(pty: Arc<Pty>, seen: Arc<(Mutex<Seen>, Condvar)>) -> (PipeWriter, JoinHandle<()>) {
    let (ended, end) = std::io::pipe().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            let mut ready = [PollFd::new(&*pty, PollFlags::IN), PollFd::new(&ended, PollFlags::IN)];
            poll(&mut ready, None).unwrap();
            if !ready[1].revents().is_empty() {
                return;
            }
            let Ok(length @ 1..) = (&*pty).read(&mut bytes) else {
                return;
            };
            let mut known = seen.0.lock().unwrap();
            known.parser.process(&bytes[..length]);
            known.text.extend_from_slice(&bytes[..length]);
            seen.1.notify_all();
        }
    });
    (end, reader)
}

fn cells(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn modes(pts: &Pts) -> String {
    format!("{:?}", tcgetattr(pts).unwrap())
}

/// A program in a terminal.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    /// Waits for its end, which has to come by itself, and for all that it has written.
    #[track_caller]
    pub(crate) fn end(mut self) -> Option<i32> {
        assert!(process::ends(self.pid()), "it is still running");
        self.0.wait().unwrap().code()
    }
}

/// A test that fails leaves no program behind.
impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
