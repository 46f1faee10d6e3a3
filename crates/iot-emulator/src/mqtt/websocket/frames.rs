//! MQTT's bytes in WebSocket frames. Frames and packets need not align: here a frame is what one flush writes, and a
//! large flush is cut, so that no buffer grows with the largest message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::mqtt::MAX_PACKET;

/// The most that one frame of ours carries.
const FRAME: usize = 4 * 1024;
/// Room beyond a packet for whatever a client puts into the same frame.
const MAX_FRAME: usize = MAX_PACKET + FRAME;
/// How long a client may take to answer a close frame.
const FAREWELL: Duration = Duration::from_secs(2);

/// Small buffers, as ten thousand idle devices have ten thousand of each, and a bound on everything.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        // The least, which reads a header's length at a time: so next to nothing of what follows a large frame stays in
        // that frame's buffer and keeps it alive. TLS, not the system, is what is read so often.
        .read_buffer_size(0)
        .write_buffer_size(0)
        // One frame, its header, and a pong that could not leave yet.
        .max_write_buffer_size(2 * FRAME)
        .max_frame_size(Some(MAX_FRAME))
        .max_message_size(Some(MAX_FRAME))
}

/// How a client broke the WebSocket protocol, or its MQTT subprotocol.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebSocketFault {
    #[error("a WebSocket message is text, and MQTT is binary")]
    Text,
    #[error("a WebSocket message is too large")]
    TooLarge,
    #[error("not WebSocket: {0}")]
    Protocol(String),
}

impl WebSocketFault {
    fn close_code(&self) -> CloseCode {
        match self {
            Self::Text => CloseCode::Unsupported,
            Self::TooLarge => CloseCode::Size,
            Self::Protocol(_) => CloseCode::Protocol,
        }
    }
}

#[derive(Debug)]
pub(crate) struct WebSocket<S> {
    frames: WebSocketStream<S>,
    /// What came and was not read yet.
    message: Bytes,
    /// The client's close frame came, or its connection ended.
    ended: bool,
    /// The close code that the client gets at the end.
    code: Option<CloseCode>,
    /// Since our close frame was written: for how long the client's is waited for.
    farewell: Option<Pin<Box<Sleep>>>,
}

impl<S> WebSocket<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) fn new(frames: WebSocketStream<S>) -> Self {
        Self {
            frames,
            message: Bytes::new(),
            ended: false,
            code: None,
            farewell: None,
        }
    }

    /// Fills `message`; it stays empty at the end.
    ///
    /// The one that was read until now is held meanwhile: so the frame buffer can't take its memory back, and a large
    /// message does not leave a large buffer behind.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.message.is_empty() && !self.ended {
            match Pin::new(&mut self.frames).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Binary(message)))) => self.message = message,
                Poll::Ready(Some(Ok(Message::Close(_)))) => {
                    self.ended = true;
                    // Asked once more, it sends our own close frame, if the network takes it at once.
                    let _ = Pin::new(&mut self.frames).poll_next(cx);
                }
                // Pings are answered by themselves.
                Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Poll::Ready(Some(Ok(Message::Text(_)))) => return Poll::Ready(Err(self.fault(WebSocketFault::Text))),
                // Without a close frame it is still an end.
                Poll::Ready(None | Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)))) => {
                    self.ended = true;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.failure(error))),
                Poll::Pending => {
                    self.message = Bytes::new();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what waits. There is nothing more to send once both have sent a close frame.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.frames).poll_flush(cx)) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.failure(error))),
        }
    }

    fn failure(&mut self, error: Error) -> io::Error {
        match error {
            Error::Io(error) => error,
            Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::UnexpectedEof.into(),
            // The client sent a close frame, and there is nothing more to be sent.
            Error::Protocol(ProtocolError::SendAfterClosing) => io::ErrorKind::BrokenPipe.into(),
            Error::Capacity(_) => self.fault(WebSocketFault::TooLarge),
            error => self.fault(WebSocketFault::Protocol(error.to_string())),
        }
    }

    fn fault(&mut self, fault: WebSocketFault) -> io::Error {
        self.code = Some(fault.close_code());
        io::Error::new(io::ErrorKind::InvalidData, fault)
    }

    /// Reads and drops until the client's close frame has come.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.ended {
            match ready!(Pin::new(&mut self.frames).poll_next(cx)) {
                Some(Ok(Message::Close(_)) | Err(_)) | None => self.ended = true,
                Some(Ok(_)) => {}
            }
        }
        Poll::Ready(())
    }
}

impl<S> AsyncRead for WebSocket<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_message(cx))?;
        let size = this.message.len().min(buf.remaining());
        buf.put_slice(&this.message[..size]);
        this.message.advance(size);
        Poll::Ready(Ok(()))
    }
}

impl<S> AsyncWrite for WebSocket<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // The frame before, or a pong, may still wait: a client that does not read gets nothing more.
        ready!(this.poll_sent(cx))?;
        let frame = &buf[..buf.len().min(FRAME)];
        let message = Message::Binary(Bytes::copy_from_slice(frame));
        Pin::new(&mut this.frames)
            .start_send(message)
            .map_err(|error| this.failure(error))?;
        Poll::Ready(Ok(frame.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_sent(cx)
    }

    /// Sends the close frame, waits for the client's, and ends the connection below, as the side that serves does.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.farewell.is_none() {
            // The frame before may still be on its way.
            ready!(this.poll_sent(cx))?;
            let frame = this.code.map(|code| CloseFrame {
                code,
                reason: "".into(),
            });
            match Pin::new(&mut this.frames).start_send(Message::Close(frame)) {
                Ok(())
                | Err(
                    Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(ProtocolError::SendAfterClosing),
                ) => {}
                Err(error) => return Poll::Ready(Err(this.failure(error))),
            }
            this.farewell = Some(Box::pin(sleep(FAREWELL)));
        }
        ready!(this.poll_sent(cx))?;
        if this.poll_end(cx).is_pending() {
            let farewell = this.farewell.as_mut().expect("it was set above");
            ready!(farewell.as_mut().poll(cx));
        }
        Pin::new(this.frames.get_mut()).poll_shutdown(cx)
    }
}
