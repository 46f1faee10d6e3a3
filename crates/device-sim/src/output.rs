//! Writes lines to stdout from a separate thread: a slow reader must not hold up devices.

use std::io::{self, BufWriter, Write};
use std::thread;
use std::time::Duration;

use fleet_protocol::lines::Line;
use tokio::sync::{mpsc, oneshot};

/// A line that follows others within this time waits for more of them: while a fleet connects there are thousands per
/// second, and waking the writer and the reader for each of them would be a large part of the cost of connecting.
const GATHERING: Duration = Duration::from_millis(20);

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Writer(oneshot::Receiver<io::Result<()>>);

impl Writer {
    /// Waits until [`Line::End`] is written, or writing has failed.
    pub(crate) async fn finished(self) -> io::Result<()> {
        self.0
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the writing thread has gone")))
    }
}

/// Starts to write; `on_failure` is called when the reader has gone.
pub(crate) fn write_to_stdout(
    lines: mpsc::UnboundedReceiver<Line>,
    on_failure: impl FnOnce() + Send + 'static,
) -> Writer {
    let (finished, receiver) = oneshot::channel();
    thread::spawn(move || {
        let result = write(lines, io::stdout().lock());
        if result.is_err() {
            on_failure();
        }
        let _ = finished.send(result);
    });
    Writer(receiver)
}

/// Runs until the last line. Lines that are waiting are written together, and flushed when none is left.
fn write(mut lines: mpsc::UnboundedReceiver<Line>, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    while let Some(line) = lines.blocking_recv() {
        let mut next = Some(line);
        while let Some(line) = next {
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
            if matches!(line, Line::End { .. }) {
                return out.flush();
            }
            next = lines.try_recv().ok();
        }
        out.flush()?;
        gather();
    }
    out.flush()
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing is waited for: it bounds how often a thread of its own wakes"
)]
fn gather() {
    thread::sleep(GATHERING);
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_protocol::lines::EndReason;

    #[test]
    fn every_line_is_an_object_of_its_own_and_nothing_follows_the_end() {
        let (sender, receiver) = mpsc::unbounded_channel();
        sender.send(Line::Done { id: 1, devices: 2 }).unwrap();
        sender
            .send(Line::End {
                reason: EndReason::Stopped,
            })
            .unwrap();
        sender.send(Line::Done { id: 2, devices: 2 }).unwrap();
        let mut out = Vec::new();
        write(receiver, &mut out).unwrap();
        let expected = concat!(
            r#"{"type":"done","id":1,"devices":2}"#,
            "\n",
            r#"{"type":"end","reason":"stopped"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
