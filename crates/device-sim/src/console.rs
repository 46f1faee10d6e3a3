//! Output for people and scripts, where a reader may be missing: a terminal that was closed, a disk that is full, a
//! reader that has gone, or one that has stopped reading.
//!
//! Notes go to stderr and are not essential to a run: what can't be written is dropped. A separate thread writes them,
//! so that a terminal that was stopped with Ctrl-S stops nothing else. Data goes to stdout and is what the user asked
//! for: the caller learns whether it was written.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{LazyLock, OnceLock};
use std::thread;
use std::time::Duration;

use iot_protocol::shown;
use jiff::Timestamp;
use serde_json::json;

/// At most this many notes wait for stderr; further ones are dropped.
const WAITING: usize = 4096;
/// Notes from before the data are to be seen before it, if they are read at all.
const NOTES_FIRST: Duration = Duration::from_secs(1);

enum Note {
    Text(Vec<u8>),
    /// Everything before this is to be written.
    Flush(SyncSender<()>),
}

/// How notes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoteFormat {
    /// Lines for a person.
    #[default]
    Text,
    /// One JSON object for each note: `timestamp`, `level` and `message`, as logs have them.
    Json,
}

static NOTE_FORMAT: OnceLock<NoteFormat> = OnceLock::new();

/// Decides how notes are written, once, before the first of them.
pub fn set_format(format: NoteFormat) {
    // A second call changes nothing.
    let _ = NOTE_FORMAT.set(format);
}

/// How notes are written.
#[must_use]
pub fn format() -> NoteFormat {
    NOTE_FORMAT.get().copied().unwrap_or_default()
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

/// The same for a note about a moment of a command's work, which is this long after its beginning.
pub fn note_at(elapsed: Duration, line: impl Display) {
    let seconds = elapsed.as_secs_f64();
    match format() {
        NoteFormat::Text => note(format_args!("[{seconds:6.1}s] {line}")),
        NoteFormat::Json => note_bytes(as_json(&shown::lines(&line.to_string()).to_string(), Some(seconds))),
    }
}

/// The same for what was drawn for a terminal, colours and all.
pub fn drawn(line: impl Display) {
    note_bytes(match format() {
        NoteFormat::Text => format!("{line}\n").into_bytes(),
        NoteFormat::Json => as_json(&line.to_string(), None),
    });
}

/// A note as one line of JSON. Its first word is its level, where it is one.
fn as_json(text: &str, elapsed_s: Option<f64>) -> Vec<u8> {
    let levels = [("error: ", "ERROR"), ("warning: ", "WARN"), ("note: ", "INFO")];
    let found = levels
        .into_iter()
        .find_map(|(word, level)| Some((level, text.strip_prefix(word)?)));
    let (level, message) = found.unwrap_or(("INFO", text));
    let mut line = json!({ "timestamp": Timestamp::now(), "level": level, "message": message });
    if let Some(elapsed_s) = elapsed_s {
        line["elapsed_s"] = json!((elapsed_s * 1000.0).round() / 1000.0);
    }
    format!("{line}\n").into_bytes()
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
    stream.is_terminal()
        && format() == NoteFormat::Text
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_note_in_json_is_one_line_with_a_level() {
        for (text, level, message) in [
            ("error: no answer\nhint: check it", "ERROR", "no answer\nhint: check it"),
            ("warning: slow", "WARN", "slow"),
            ("6 devices in 1 process", "INFO", "6 devices in 1 process"),
        ] {
            let line = String::from_utf8(as_json(text, Some(1.25))).unwrap();
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&line["level"], &line["message"]), (&json!(level), &json!(message)));
            assert_eq!(line["elapsed_s"], 1.25);
            line["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap();
        }
    }
}
