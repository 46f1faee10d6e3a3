//! MQTT 3.1.1 packets over a byte stream.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet};
use rumqttc::mqttbytes::{Error as CodecError, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::MAX_PACKET;
use super::websocket::WebSocketFault;
use crate::journal::DisconnectReason;
use crate::stream::Stream;

/// Buffers start small and grow when needed.
const BUFFER: usize = 256;
/// What may wait to be sent before the sender itself has to wait.
const BACKLOG: usize = 64 * 1024;
/// How long a peer may refuse to read before it is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Wire<S> {
    stream: S,
    unread: BytesMut,
    unsent: BytesMut,
    withheld: Option<Withheld>,
}

/// A kind of packet that gets lost on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    PubAck,
    SubAck,
    Publish,
}

/// Why no packet came or went.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("connection lost")]
    Lost,
    #[error("the peer does not read")]
    TooSlow,
    #[error("malformed packet: {0}")]
    Malformed(CodecError),
    #[error(transparent)]
    WebSocket(WebSocketFault),
}

impl From<CodecError> for WireError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Io(error) => error.into(),
            other => Self::Malformed(other),
        }
    }
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.downcast() {
            Ok(fault) => Self::WebSocket(fault),
            Err(_) => Self::Lost,
        }
    }
}

impl From<WireError> for DisconnectReason {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Lost => Self::ConnectionLost,
            WireError::TooSlow => Self::TooSlow,
            WireError::Malformed(_) | WireError::WebSocket(_) => Self::Violation(error.to_string()),
        }
    }
}

impl<S: Stream> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            unread: BytesMut::new(),
            unsent: BytesMut::new(),
            withheld: None,
        }
    }

    /// The next packet. What [`Wire::send`] has left is written out only when no packet is waiting, so that the answers
    /// to several packets of one read leave in one write. Nothing is lost if this is cancelled.
    pub(crate) async fn next(&mut self) -> Result<Packet, WireError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What has been read and belongs to no packet yet.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Reads some more, without looking at it.
    pub(crate) async fn fill(&mut self) -> Result<(), WireError> {
        if self.unread.capacity() == self.unread.len() {
            self.unread.reserve(BUFFER);
        }
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(WireError::Lost),
            _ => Ok(()),
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Packet, WireError>> {
        loop {
            if !self.unread.is_empty() {
                match Packet::read(&mut self.unread, MAX_PACKET) {
                    Err(CodecError::InsufficientBytes(missing)) => self.unread.reserve(missing),
                    read => return Poll::Ready(Ok(read?)),
                }
            } else if self.unread.capacity() == 0 {
                self.unread.reserve(BUFFER);
            }
            match pin!(self.stream.read_buf(&mut self.unread)).poll(context)? {
                Poll::Ready(0) => return Poll::Ready(Err(WireError::Lost)),
                Poll::Ready(_) => {}
                Poll::Pending => break,
            }
        }
        // Most connections are quiet at any moment, and a quiet one has no buffers.
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
        ready!(self.poll_flush(context))?;
        Poll::Pending
    }

    /// Writes out what waits to be sent, and gives its room back.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            if ready!(pin!(self.stream.write_buf(&mut self.unsent)).poll(context))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.unsent = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Puts a packet into the buffer; it leaves with the next wait for a packet. A caller that puts more than a few in has to
    /// wait for [`Wire::room`] between them.
    pub(crate) fn put(&mut self, packet: Packet) -> Result<(), WireError> {
        if !self.withheld.is_some_and(|kind| kind.is(&packet)) {
            packet.write(&mut self.unsent, MAX_PACKET)?;
        }
        Ok(())
    }

    /// When too much waits to be sent, this waits until the peer has read.
    pub(crate) async fn room(&mut self) -> Result<(), WireError> {
        if self.unsent.len() >= BACKLOG {
            Box::pin(self.drain()).await?;
        }
        Ok(())
    }

    /// Puts a packet into the buffer, and waits until there is room again.
    pub(crate) fn send(&mut self, packet: Packet) -> impl Future<Output = Result<(), WireError>> {
        // Outside the future, which would otherwise hold room for a packet.
        let put = self.put(packet);
        async move {
            put?;
            self.room().await
        }
    }

    async fn drain(&mut self) -> Result<(), WireError> {
        match timeout(WRITE_LIMIT, poll_fn(|context| self.poll_flush(context))).await {
            Ok(flushed) => Ok(flushed?),
            Err(_) => Err(WireError::TooSlow),
        }
    }

    /// From now on packets of this kind get lost; or none, again.
    pub(crate) fn withhold(&mut self, kind: Option<Withheld>) {
        self.withheld = kind;
    }

    pub(crate) async fn accept(&mut self, session_present: bool) -> Result<(), WireError> {
        self.send(Packet::ConnAck(ConnAck::new(
            ConnectReturnCode::Success,
            session_present,
        )))
        .await
    }

    /// Answers CONNECT with a refusal and closes.
    pub(crate) async fn refuse(mut self, code: ConnectReturnCode) {
        if self.send(Packet::ConnAck(ConnAck::new(code, false))).await.is_ok() {
            self.close().await;
        }
    }

    /// Sends what is left, and closes. A peer that is gone already does not matter any more.
    pub(crate) async fn close(mut self) {
        let farewell = async {
            poll_fn(|context| self.poll_flush(context)).await?;
            self.stream.shutdown().await
        };
        if !matches!(timeout(WRITE_LIMIT, farewell).await, Ok(Ok(()))) {
            tracing::debug!("peer was gone before the connection was closed");
        }
    }
}

impl Withheld {
    fn is(self, packet: &Packet) -> bool {
        match self {
            Self::PubAck => matches!(packet, Packet::PubAck(_)),
            Self::SubAck => matches!(packet, Packet::SubAck(_)),
            Self::Publish => matches!(packet, Packet::Publish(_)),
        }
    }
}

/// The services grant QoS 1 where 2 is asked for.
pub(crate) fn granted_qos(asked: QoS) -> QoS {
    match asked {
        QoS::AtMostOnce => QoS::AtMostOnce,
        QoS::AtLeastOnce | QoS::ExactlyOnce => QoS::AtLeastOnce,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rumqttc::mqttbytes::v4::Publish;
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn a_quiet_connection_has_no_buffers() {
        let (mut peer, stream) = duplex(1 << 20);
        let mut wire = Wire::new(stream);
        let large = Packet::Publish(Publish::new("t", QoS::AtMostOnce, vec![b'x'; 200_000]));
        let mut bytes = BytesMut::new();
        large.write(&mut bytes, MAX_PACKET).unwrap();
        peer.write_all(&bytes).await.unwrap();
        assert_eq!(wire.next().await.unwrap(), large);
        wire.send(large).await.unwrap();

        // No packet is there, so what was sent leaves, and room is given back.
        let waiting = poll_fn(|context| Poll::Ready(wire.poll_next(context).is_pending())).await;
        assert!(waiting);
        peer.read_exact(&mut bytes).await.unwrap();
        assert_eq!((wire.unread.capacity(), wire.unsent.capacity()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_peer_does_not_read_is_kept_up_to_a_bound_and_then_it_is_given_up() {
        let (_peer, stream) = duplex(64);
        let mut wire = Wire::new(stream);
        let body = 20_000;
        let mut sent = 0;
        let publish = || Packet::Publish(Publish::new("a", QoS::AtMostOnce, vec![0; body]));
        while wire.send(publish()).await.is_ok() {
            sent += 1;
            assert!(sent < 100, "{sent} messages are kept");
        }
        assert!(wire.unsent.len() <= BACKLOG + body + 16);
        assert!(matches!(wire.send(publish()).await, Err(WireError::TooSlow)));
    }

    #[test]
    fn a_packet_that_announces_256_mb_is_refused_without_room_for_it() {
        let mut buffer = BytesMut::with_capacity(BUFFER);
        buffer.extend_from_slice(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
        let read = Packet::read(&mut buffer, MAX_PACKET);
        assert!(matches!(read, Err(CodecError::PayloadSizeLimitExceeded(_))), "{read:?}");
        assert!(buffer.capacity() <= BUFFER);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_codec_panic(kind in 0u8..=255, body in proptest::collection::vec(any::<u8>(), 0..120)) {
            // Arbitrary bytes as they are, and the same as the body of a well-framed packet of every kind.
            let mut raw = BytesMut::from(&body[..]);
            while Packet::read(&mut raw, MAX_PACKET).is_ok() {}
            let mut framed = BytesMut::new();
            framed.extend_from_slice(&[kind, u8::try_from(body.len()).unwrap()]);
            framed.extend_from_slice(&body);
            if let Err(error) = Packet::read(&mut framed, MAX_PACKET) {
                prop_assert!(!matches!(error, CodecError::Io(_)));
            }
        }
    }
}
