//! Lines of bounded length.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Reads lines. One that is too long is an error, and never in memory.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
}

/// Why there is no next line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// It is longer than lines may be.
    #[error("a line of more than {most} bytes")]
    TooLong {
        /// How long they may be.
        most: usize,
    },
    /// The other side has gone in the middle of one.
    #[error("the connection ended in the middle of a line")]
    Cut,
    /// It can't be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::new(reader),
            line: Vec::new(),
        }
    }

    /// The next line, without its end; nothing when the other side has ended. It has at most `most` bytes.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(super) async fn next(&mut self, most: usize) -> Result<Option<&[u8]>, LineError> {
        self.line.clear();
        loop {
            let read = self.reader.fill_buf().await?;
            let (end, has_end) = match read.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end, true),
                None => (read.len(), false),
            };
            if self.line.len() + end > most {
                return Err(LineError::TooLong { most });
            }
            let is_over = read.is_empty();
            self.line.extend_from_slice(&read[..end]);
            self.reader.consume(end + usize::from(has_end));
            match (has_end, is_over, self.line.is_empty()) {
                (true, ..) => return Ok(Some(&self.line)),
                (false, true, true) => return Ok(None),
                (false, true, false) => return Err(LineError::Cut),
                (false, false, _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_read_whole_however_they_come_and_none_is_too_long() {
        let text = in_pieces(&["ab", "c\n\nd", "\n"]);
        let mut lines = LineReader::new(text);
        assert_eq!(lines.next(3).await.unwrap(), Some(&b"abc"[..]));
        assert_eq!(lines.next(3).await.unwrap(), Some(&b""[..]));
        assert_eq!(lines.next(3).await.unwrap(), Some(&b"d"[..]));
        assert_eq!(lines.next(3).await.unwrap(), None);
        let mut lines = LineReader::new(in_pieces(&["ab", "cd"]));
        assert!(matches!(lines.next(3).await, Err(LineError::TooLong { most: 3 })));
        let mut lines = LineReader::new(in_pieces(&["ab"]));
        assert!(matches!(lines.next(3).await, Err(LineError::Cut)));
    }

    /// What arrives in such pieces.
    fn in_pieces(chunks: &[&str]) -> impl AsyncRead + Unpin {
        use tokio::io::AsyncWriteExt;
        let (mut writer, reader) = tokio::io::duplex(2);
        let chunks: Vec<String> = chunks.iter().map(|chunk| (*chunk).to_owned()).collect();
        tokio::spawn(async move {
            for chunk in chunks {
                writer.write_all(chunk.as_bytes()).await.unwrap();
            }
        });
        reader
    }
}
