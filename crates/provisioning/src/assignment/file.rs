//! The files: read whole, written line by line, rewritten when they hold more than they need.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use iot_protocol::shown;

use super::line::Line;
use files::{Access, Durability, write_whole};

/// Every line of a file that can be read; the others are logged.
pub(super) fn read(path: &Path) -> io::Result<Vec<Line>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        // Another shard may be replacing its file at this moment.
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(reason) => return Err(named(path)(reason)),
    };
    let mut lines = Vec::new();
    for (index, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice(text) {
            Ok(line) => lines.push(line),
            Err(reason) => {
                tracing::warn!(path = %shown::path(path), line = index + 1, %reason, "assignment skipped, its line can't be read");
            }
        }
    }
    Ok(lines)
}

/// Replaces a file by these lines.
pub(super) fn rewrite(path: &Path, lines: impl Iterator<Item = Line>) -> io::Result<()> {
    let mut content = Vec::new();
    for line in lines {
        encode(&line, &mut content)?;
    }
    // What is lost is asked again.
    write_whole(path, &content, Access::Owner, Durability::Cached).map_err(named(path))
}

/// The file this process adds to.
#[derive(Debug)]
pub(super) struct OwnFile {
    file: File,
    buffer: Vec<u8>,
}

impl OwnFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // Which devices there are is for the owner to know, whatever the umask.
            options.mode(0o600);
        }
        let mut file = options.open(path).map_err(named(path))?;
        // A process that was killed while writing leaves a torn line; ours must not become its end.
        let torn = fs::read(path)
            .map_err(named(path))?
            .last()
            .is_some_and(|last| *last != b'\n');
        if torn {
            file.write_all(b"\n").map_err(named(path))?;
        }
        Ok(Self {
            file,
            buffer: Vec::new(),
        })
    }

    /// One line, one write: another process that reads meanwhile sees it whole or not at all.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        self.buffer.clear();
        encode(line, &mut self.buffer)?;
        self.file.write_all(&self.buffer)
    }
}

fn encode(line: &Line, buffer: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *buffer, line)?;
    buffer.push(b'\n');
    Ok(())
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let path = shown::path(path).to_string();
    move |reason| io::Error::new(reason.kind(), format!("assignment cache `{path}`: {reason}"))
}
