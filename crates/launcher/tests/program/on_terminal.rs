//! A program on a terminal of its own: a pseudoterminal, whose other end is a person who reads and types.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use testing::PATIENCE;

/// The end of input, as Ctrl-D types it.
pub(crate) const END_OF_INPUT: &str = "\u{4}";

/// A program and its terminal.
pub(crate) struct OnTerminal {
    child: Child,
    keyboard: File,
    screen: Receiver<String>,
    /// All that was shown.
    pub(crate) shown: String,
    /// How much of it was waited for.
    seen: usize,
}

impl OnTerminal {
    /// Starts a program whose stdin, stdout and stderr are the terminal.
    pub(crate) fn start(mut command: Command) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let terminal = File::from(open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap());
        command.stdin(terminal.try_clone().unwrap());
        command.stdout(terminal.try_clone().unwrap()).stderr(terminal);
        let child = command.spawn().unwrap();
        // It holds the other end of the terminal, too.
        drop(command);
        let keyboard = File::from(person);
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It ends with an error when no program has the terminal any more.
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if sender
                    .send(String::from_utf8_lossy(&buffer[..read]).into_owned())
                    .is_err()
                {
                    break;
                }
            }
        });
        Self {
            child,
            keyboard,
            screen,
            shown: String::new(),
            seen: 0,
        }
    }

    /// Waits until `words` are shown, after those that were waited for before.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, words: &str) {
        loop {
            if let Some(at) = self.shown[self.seen..].find(words) {
                self.seen += at + words.len();
                return;
            }
            match self.screen.recv_timeout(PATIENCE) {
                Ok(more) => self.shown += &more,
                Err(_) => panic!("`{words}` was never shown after:\n{}", self.shown),
            }
        }
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for its end: the exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        self.shown.extend(self.screen.iter());
        code
    }
}

/// A test that fails leaves no program behind.
impl Drop for OnTerminal {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
