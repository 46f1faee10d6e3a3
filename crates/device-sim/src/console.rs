//! Output for people and scripts, where a reader may be missing: a terminal that was closed, a disk that is full, a
//! reader that has gone, or one that has stopped reading.
//!
//! Notes go to stderr and are not essential to a run: what can't be written is dropped. A separate thread writes them,
//! so that a terminal that was stopped with Ctrl-S stops nothing else. Data goes to stdout and is what the user asked
//! for: the caller learns whether it was written.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use iot_protocol::shown;

/// At most this many notes wait for stderr; further ones are dropped.
const WAITING: usize = 4096;
/// Notes from before the data are to be seen before it, if they are read at all.
const NOTES_FIRST: Duration = Duration::from_secs(1);

enum Note {
    Text(Vec<u8>),
    /// Everything before this is to be written.
    Flush(SyncSender<()>),
}

static NOTES: LazyLock<Option<SyncSender<Note>>> = LazyLock::new(|| {
    let (notes, received) = sync_channel(WAITING);
    let write = move || {
        for note in received {
            match note {
                Note::Text(text) => drop(io::stderr().write_all(&text)),
                Note::Flush(written) => drop(written.send(())),
            }
        }
    };
    let thread = thread::Builder::new().name("stderr".to_owned()).spawn(write);
    thread.is_ok().then_some(notes)
});

/// Writes a line on stderr, or several. Control characters in it are escaped, wherever the text comes from.
pub fn note(line: impl Display) {
    drawn(shown::lines(&line.to_string()));
}

/// The same for what was drawn for a terminal, colours and all.
pub fn drawn(line: impl Display) {
    note_bytes(format!("{line}\n").into_bytes());
}

fn note_bytes(text: Vec<u8>) {
    match &*NOTES {
        Some(notes) => drop(notes.try_send(Note::Text(text))),
        // This machine allows no further thread.
        None => drop(io::stderr().write_all(&text)),
    }
}

/// Asks on stderr, without a line break at the end.
pub fn ask(question: &str) {
    note_bytes(question.as_bytes().to_vec());
    flush(NOTES_FIRST);
}

/// Waits until all notes are written, or have not been read for this long. The last thing that a program does.
pub fn flush(within: Duration) {
    if let Some(notes) = &*NOTES {
        let (written, wait) = sync_channel(1);
        // A queue is full because it is not read.
        if notes.try_send(Note::Flush(written)).is_ok() {
            let _ = wait.recv_timeout(within);
        }
    }
}

/// Prints the data that a command was asked for. A reader that has gone has read enough, as `head` has.
///
/// # Errors
///
/// It can't be written, for example because the disk is full.
pub fn data(text: impl Display) -> io::Result<()> {
    flush(NOTES_FIRST);
    match write_stdout(&text.to_string()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Prints what has to be read in any case, or returns why it could not. Takes no longer than `within`.
///
/// # Errors
///
/// It can't be written, its reader has gone, or it has not been read in time.
pub fn result(text: String, within: Duration) -> io::Result<()> {
    flush(NOTES_FIRST);
    let (written, wait) = sync_channel(1);
    thread::Builder::new()
        .name("stdout".to_owned())
        .spawn(move || drop(written.send(write_stdout(&text))))?;
    wait.recv_timeout(within)
        .unwrap_or_else(|_| Err(io::Error::new(ErrorKind::TimedOut, "it is not read")))
}

fn write_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Whether colours can be seen on `stream` and are wanted there: an empty `NO_COLOR` means nothing
/// (<https://no-color.org>).
#[must_use]
pub fn has_colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Where logs go: each event is a note.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        note_bytes(text.to_vec());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
