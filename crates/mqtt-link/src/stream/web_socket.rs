//! MQTT's bytes in WebSocket frames.
//!
//! Frames and packets need not align ([MQTT 3.1.1, section
//! 6](https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718127)): here a frame is what one
//! flush writes, and a large flush is cut, so that no buffer grows with the largest message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::limits::MAX_PACKET;

/// Where Azure has MQTT, at DPS and at a hub alike
/// ([Use the IoT Hub MQTT endpoint](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub)).
pub(crate) const PATH: &str = "/$iothub/websocket";
/// The name of MQTT 3.1.1 among the WebSocket subprotocols.
pub(crate) const SUBPROTOCOL: &str = "mqtt";

/// The most that we put into one frame.
const FRAME: usize = 4 * 1024;
/// Room beyond a packet for whatever a server puts into the same frame.
const MAX_FRAME: usize = MAX_PACKET + FRAME;

/// Small buffers, as ten thousand idle devices have ten thousand of each, and a bound on everything.
pub(crate) fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        // The minimum, which reads a header's length at a time: so next to nothing of what follows a large frame gets
        // into that frame's buffer and keeps it alive (a message of 200,000 bytes left 190 KiB behind). The many reads
        // are from TLS, not from the system.
        .read_buffer_size(0)
        .write_buffer_size(0)
        // One frame, its header, and pongs that could not leave yet.
        .max_write_buffer_size(2 * FRAME)
        .max_frame_size(Some(MAX_FRAME))
        .max_message_size(Some(MAX_FRAME))
}

/// How a server broke the WebSocket protocol, or its MQTT subprotocol.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WebSocketFault(Fault);

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("websocket message is text, and mqtt is binary")]
    Text,
    // On the heap: it is large, and rare.
    #[error(transparent)]
    Framing(Box<Error>),
}

impl WebSocketFault {
    pub(crate) fn new(error: Error) -> Self {
        Self(Fault::Framing(Box::new(error)))
    }
}

impl From<WebSocketFault> for io::Error {
    fn from(fault: WebSocketFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::UnexpectedEof.into(),
        // The other side has closed, and there is nothing more to send.
        Error::Protocol(ProtocolError::SendAfterClosing) => io::ErrorKind::BrokenPipe.into(),
        error => WebSocketFault::new(error).into(),
    }
}

#[derive(Debug)]
pub(crate) struct WebSocket<S> {
    frames: WebSocketStream<S>,
    /// What has arrived and was not read yet.
    message: Bytes,
    /// The server's close frame has arrived, or its connection has ended.
    ended: bool,
}

impl<S> WebSocket<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(crate) fn new(frames: WebSocketStream<S>) -> Self {
        Self {
            frames,
            message: Bytes::new(),
            ended: false,
        }
    }

    pub(crate) fn get_ref(&self) -> &S {
        self.frames.get_ref()
    }

    pub(crate) fn get_mut(&mut self) -> &mut S {
        self.frames.get_mut()
    }

    /// Fills `message`; it stays empty at the end.
    ///
    /// The message that was read until now is kept meanwhile: so the frame buffer can't reuse its memory, and a large
    /// message does not leave a large buffer behind.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.message.is_empty() && !self.ended {
            match Pin::new(&mut self.frames).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Binary(message)))) => self.message = message,
                Poll::Ready(Some(Ok(Message::Close(_)))) => {
                    self.ended = true;
                    // Polled once more, it sends our own close frame, if the network accepts it immediately.
                    let _ = Pin::new(&mut self.frames).poll_next(cx);
                }
                // Pings are answered automatically.
                Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Poll::Ready(Some(Ok(Message::Text(_)))) => {
                    return Poll::Ready(Err(WebSocketFault(Fault::Text).into()));
                }
                // Without a close frame it is still an end.
                Poll::Ready(None | Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)))) => {
                    self.ended = true;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(io_error(error))),
                Poll::Pending => {
                    self.message = Bytes::new();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
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
        let frames = &mut self.get_mut().frames;
        // The frame before, or pongs, may still wait: a server that does not read gets nothing more.
        ready!(Pin::new(&mut *frames).poll_flush(cx)).map_err(io_error)?;
        let frame = &buf[..buf.len().min(FRAME)];
        let message = Message::Binary(Bytes::copy_from_slice(frame));
        Pin::new(frames).start_send(message).map_err(io_error)?;
        Poll::Ready(Ok(frame.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().frames).poll_flush(cx).map_err(io_error)
    }

    /// Sends the close frame. The connection below stays open for the other side's close frame.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().frames).poll_close(cx).map_err(io_error)
    }
}
