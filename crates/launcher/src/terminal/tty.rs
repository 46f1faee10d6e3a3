//! The terminal: set up for the view, written to, and put back.
//!
//! Signals keep their keys. Ctrl-C and Ctrl-Z arrive as the signals that they are everywhere else, and whatever handles
//! these need not care about the view.

use std::fs::File;
use std::io::{self, IsTerminal, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{
    Action, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflow, tcflush, tcgetattr,
    tcgetpgrp, tcgetwinsize, tcsetattr,
};

use super::ansi;

/// A terminal takes a frame in less time, or it is stopped.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);
/// `_POSIX_VDISABLE`: a key that no control character stands for.
const DISABLED: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

/// Columns and rows; none where it is no terminal.
pub(super) fn size(fd: impl AsFd) -> Option<(u16, u16)> {
    let size = tcgetwinsize(fd).ok()?;
    Some((size.ws_col, size.ws_row))
}

/// Whether this process may use the terminal: one in the background is stopped when it tries. A terminal that does not
/// control this process has no background.
pub(super) fn is_foreground(fd: impl AsFd) -> bool {
    tcgetpgrp(fd).map_or(true, |group| group == getpgrp())
}

/// A terminal that a view may have.
#[derive(Debug)]
pub(super) struct Tty {
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// As the terminal was before the view; there while the view is.
    before: Option<Termios>,
    /// A frame is on its way.
    is_writing: bool,
    /// The view does not come back.
    is_closed: bool,
}

impl Tty {
    pub(super) fn new(terminal: OwnedFd) -> Self {
        Self {
            file: terminal.into(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The terminal on stderr.
    ///
    /// # Errors
    ///
    /// There are no file handles left.
    pub(super) fn of_stderr() -> io::Result<Self> {
        Ok(Self::new(io::stderr().as_fd().try_clone_to_owned()?))
    }

    pub(super) fn size(&self) -> Option<(u16, u16)> {
        size(&self.file)
    }

    pub(super) fn is_foreground(&self) -> bool {
        is_foreground(&self.file)
    }

    /// Whether the view is on the terminal.
    pub(super) fn is_up(&self) -> bool {
        self.state().before.is_some()
    }

    /// Whether the view has gone for good.
    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Gives the terminal to the view, also where another program has changed it meanwhile. One that takes nothing now,
    /// because it was stopped, stays as it is.
    ///
    /// # Errors
    ///
    /// It can't be set up.
    pub(super) fn enter(&self) -> io::Result<()> {
        if !self.takes_more() {
            return Ok(());
        }
        let mut state = self.state();
        if state.is_closed {
            return Ok(());
        }
        let now = tcgetattr(&self.file)?;
        let mut set_up = now.clone();
        // Each key at once, and not shown.
        set_up.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        set_up.special_codes[SpecialCodeIndex::VMIN] = 1;
        set_up.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Ctrl-\ would end the program and leave the view behind.
        set_up.special_codes[SpecialCodeIndex::VQUIT] = DISABLED;
        tcsetattr(&self.file, OptionalActions::Now, &set_up)?;
        state.before.get_or_insert(now);
        drop(state);
        self.write(ansi::ENTER.as_bytes())
    }

    /// Puts the terminal back, if the view has it. Whether it had.
    pub(super) fn leave(&self) -> bool {
        self.end(false)
    }

    /// The same for good.
    pub(super) fn close(&self) -> bool {
        self.end(true)
    }

    /// The view has lost the terminal to another program, which has put it back already.
    pub(super) fn lose(&self) -> bool {
        self.state().before.take().is_some()
    }

    /// Writes a frame, if the view has the terminal.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub(super) fn write(&self, frame: &[u8]) -> io::Result<()> {
        {
            let mut state = self.state();
            if state.before.is_none() {
                return Ok(());
            }
            state.is_writing = true;
        }
        let written = (&self.file).write_all(frame);
        self.state().is_writing = false;
        self.changed.notify_all();
        written
    }

    fn end(&self, for_good: bool) -> bool {
        let mut state = self.state();
        state.is_closed |= for_good;
        let Some(before) = state.before.take() else {
            return false;
        };
        let is_ours = self.is_foreground();
        if is_ours {
            // One that was stopped by Ctrl-S could not be put back. Linux only starts what it has been told to stop.
            let _ = tcflow(&self.file, Action::OOff);
            let _ = tcflow(&self.file, Action::OOn);
        }
        // A frame on its way comes first, but not for ever.
        let waited = self
            .changed
            .wait_timeout_while(state, TAKEN_WITHIN, |state| state.is_writing);
        let waited = waited.map_or_else(|error| error.into_inner().1, |(_, waited)| waited);
        // A terminal that has gone needs nothing of this. The screen comes last: who sees it may type again.
        if is_ours {
            let _ = tcsetattr(&self.file, OptionalActions::Now, &before);
            // What was typed at the view is not for the shell.
            let _ = tcflush(&self.file, QueueSelector::IFlush);
        }
        if !waited.timed_out() && self.takes_more() {
            let _ = (&self.file).write_all(ansi::LEAVE.as_bytes());
        }
        true
    }

    /// Whether something may be written to it, without waiting for ever. One that is not read takes nothing.
    fn takes_more(&self) -> bool {
        let within = Timespec::try_from(TAKEN_WITHIN).unwrap_or_default();
        let mut ready = [PollFd::new(&self.file, PollFlags::OUT)];
        poll(&mut ready, Some(&within)).is_ok_and(|ready| ready > 0)
    }

    /// Nothing panics while it holds the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Before a panic is reported, the terminal is put back; `released` comes after that. From then on there is no view.
pub(super) fn close_on_panic(tty: &Arc<Tty>, released: impl Fn() + Send + Sync + 'static) {
    let tty = Arc::downgrade(tty);
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(tty) = tty.upgrade()
            && tty.close()
        {
            released();
        }
        report(panic);
    }));
}

/// Bytes of keys, and how long they are read.
pub(super) struct Typed {
    input: OwnedFd,
    /// Readable when the reading is to end.
    end: PipeReader,
}

/// Ends the reading when it is dropped.
pub(super) struct Reading {
    _end: PipeWriter,
}

impl Typed {
    /// From the terminal on stdin; where that is none, from the one on stderr.
    ///
    /// # Errors
    ///
    /// There are no file handles left.
    pub(super) fn here() -> io::Result<(Self, Reading)> {
        let input = match io::stdin().is_terminal() {
            true => io::stdin().as_fd().try_clone_to_owned()?,
            false => io::stderr().as_fd().try_clone_to_owned()?,
        };
        let (end, reading) = io::pipe()?;
        Ok((Self { input, end }, Reading { _end: reading }))
    }

    /// Waits for keys. Nothing when there will be no more.
    pub(super) fn next(&self, tty: &Tty) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 64];
        loop {
            let mut ready = [
                PollFd::new(&self.input, PollFlags::IN),
                PollFd::new(&self.end, PollFlags::IN),
            ];
            match poll(&mut ready, None) {
                Err(Errno::INTR) => continue,
                Err(_) => return None,
                Ok(_) if !ready[1].revents().is_empty() => return None,
                Ok(_) => {}
            }
            // Elsewhere a key would be for another program, and reading it would stop this one.
            if !tty.is_foreground() {
                return None;
            }
            match rustix::io::read(&self.input, &mut bytes) {
                Err(Errno::INTR) => {}
                Err(_) | Ok(0) => return None,
                Ok(length) => {
                    bytes.truncate(length);
                    return Some(bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use pty_process::blocking::Pty;

    use super::*;

    fn terminal() -> (Arc<Tty>, Pty) {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        let terminal = pts.as_fd().try_clone_to_owned().unwrap();
        (Arc::new(Tty::new(terminal)), pty)
    }

    /// What the terminal shows when no more is written to it.
    fn shown(tty: Arc<Tty>, mut pty: Pty) -> vt100::Parser {
        drop(tty);
        let mut written = Vec::new();
        // A terminal whose other end is closed ends with an error.
        let _ = pty.read_to_end(&mut written);
        let mut parser = vt100::Parser::default();
        parser.process(&written);
        parser
    }

    fn modes(tty: &Tty) -> (LocalModes, u8) {
        let modes = tcgetattr(&tty.file).unwrap();
        (modes.local_modes, modes.special_codes[SpecialCodeIndex::VQUIT])
    }

    #[test]
    fn a_terminal_is_put_back_as_it_was_and_signals_keep_their_keys() {
        let (tty, pty) = terminal();
        let before = modes(&tty);
        tty.enter().unwrap();
        let (local, quit) = modes(&tty);
        assert!(local.contains(LocalModes::ISIG) && !local.intersects(LocalModes::ICANON | LocalModes::ECHO));
        assert_eq!(quit, DISABLED);
        tty.write(b"a frame").unwrap();
        assert!(tty.leave() && !tty.leave());
        assert_eq!(modes(&tty), before);
        tty.write(b"too late").unwrap();
        let screen = shown(tty, pty);
        assert_eq!(screen.screen().contents(), "");
        assert!(!screen.screen().alternate_screen() && !screen.screen().hide_cursor());
    }

    #[test]
    fn a_view_that_is_closed_does_not_come_back_and_one_that_left_does() {
        let (tty, pty) = terminal();
        tty.enter().unwrap();
        tty.leave();
        tty.enter().unwrap();
        assert!(tty.is_up());
        assert!(tty.close() && tty.is_closed());
        tty.enter().unwrap();
        assert!(!tty.is_up());
        assert!(!shown(tty, pty).screen().alternate_screen());
    }

    #[test]
    fn a_terminal_that_takes_nothing_delays_nothing() {
        let (tty, pty) = terminal();
        let before = modes(&tty);
        tty.enter().unwrap();
        // It is not read, until it is full.
        while tty.takes_more() {
            tty.write(&[b'x'; 256]).unwrap();
        }
        assert!(tty.leave());
        assert_eq!(modes(&tty), before);
        tty.enter().unwrap();
        assert!(!tty.is_up());
        assert_eq!(modes(&tty), before);
        drop(pty);
    }

    #[test]
    fn a_terminal_that_has_gone_is_an_error_and_no_panic() {
        let (tty, pty) = terminal();
        tty.enter().unwrap();
        drop(pty);
        assert!(tty.write(b"a frame").is_err());
        assert!(tty.close());
    }

    #[test]
    fn a_panic_finds_the_terminal_put_back() {
        let (tty, pty) = terminal();
        let before = modes(&tty);
        let (released, was_released) = std::sync::mpsc::channel();
        close_on_panic(&tty, move || released.send(()).unwrap());
        tty.enter().unwrap();
        let panicked = std::thread::spawn(|| panic!("on purpose, in a test")).join();
        assert!(panicked.is_err());
        was_released.try_recv().unwrap();
        assert_eq!((tty.is_closed(), modes(&tty)), (true, before));
        let screen = shown(tty, pty);
        assert!(!screen.screen().alternate_screen() && !screen.screen().hide_cursor());
    }
}
