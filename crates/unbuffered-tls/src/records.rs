//! Between ciphertext and plaintext, without I/O: the only module that uses rustls' unbuffered interface.
//!
//! rustls 0.23 calls it [`rustls::unbuffered`]. Version 0.24 has one type of connection in its place, which keeps no buffers
//! either: `Connection::read_tls` works on bytes that are lent to it and yields payloads one by one, and
//! `Connection::write` appends to a vector. Both fit [`Records`] as it is (docs/design/connections.md).

use std::ops::DerefMut;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedConnectionCommon, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{ClientConfig, Error, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::rest::Rest;

/// The most plaintext that a record holds.
pub(crate) const MOST_PLAINTEXT: usize = 16 * 1024;
/// The most that may wait for its rest. A record is shorter; the parts of a handshake message are joined up to here, as in
/// rustls' own buffer.
const MOST_INCOMPLETE: usize = 0xFFFF;

/// A connection of rustls, of either side.
pub trait Connection: DerefMut<Target = UnbufferedConnectionCommon<Self::Data>> + Unpin + private::Sealed {
    /// What rustls keeps for that side.
    type Data;

    #[doc(hidden)]
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Connection for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Connection for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::UnbufferedClientConnection {}
    impl Sealed for super::UnbufferedServerConnection {}
}

/// A client's connection to the server of that name, before its handshake.
pub(crate) fn client(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<UnbufferedClientConnection, Error> {
    UnbufferedClientConnection::new(config, name)
}

/// A server's connection before its handshake.
pub(crate) fn server(config: Arc<ServerConfig>) -> Result<UnbufferedServerConnection, Error> {
    UnbufferedServerConnection::new(config)
}

/// What is to be encrypted.
#[derive(Clone, Copy)]
enum Outgoing<'a> {
    Plaintext(&'a [u8]),
    CloseNotify,
}

/// A connection's state between ciphertext and plaintext.
pub(crate) struct Records<C> {
    connection: C,
    /// The beginning of a record or of a handshake message whose rest has not come. rustls may have decrypted it in place,
    /// so it must come back to it as it is, with more at its end.
    incomplete: Vec<u8>,
    /// Ciphertext that must be sent before anything else.
    pub(crate) unsent: Rest,
    /// The first error. Nothing works after it; on the heap, as it is rare and large.
    failure: Option<Box<Error>>,
    /// The other side has sent its close_notify.
    peer_closed: bool,
    /// We have made ours.
    closed: bool,
}

impl<C: Connection> Records<C> {
    pub(crate) fn new(connection: C) -> Self {
        Self {
            connection,
            incomplete: Vec::new(),
            unsent: Rest::default(),
            failure: None,
            peer_closed: false,
            closed: false,
        }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    pub(crate) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.connection.peer_certificates()
    }

    pub(crate) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether our close_notify is made, after which nothing more can be sent.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failure.as_deref()
    }

    /// Begins the handshake, where it is ours to begin.
    pub(crate) fn begin(&mut self) {
        self.drive(&mut [], None, &mut |_: &[u8]| {});
    }

    /// Whether more may be read: what is incomplete can become complete.
    pub(crate) fn may_read(&self) -> bool {
        self.incomplete.len() <= MOST_INCOMPLETE
    }

    /// Takes ciphertext, and gives plaintext to `sink`. Only what is incomplete is kept.
    pub(crate) fn decrypt(&mut self, incoming: &mut [u8], sink: &mut impl FnMut(&[u8])) {
        if self.incomplete.is_empty() {
            let done = self.drive(incoming, None, sink);
            if done < incoming.len() {
                self.incomplete = incoming[done..].to_vec();
            }
        } else {
            // In place, so that a record that comes byte by byte is not copied with each of them.
            let mut all = std::mem::take(&mut self.incomplete);
            all.extend_from_slice(incoming);
            let done = self.drive(&mut all, None, sink);
            self.incomplete = if done == 0 { all } else { all[done..].to_vec() };
        }
    }

    /// Encrypts into `outgoing`, which grows if it must; returns how much of it is used. None if there is an error, which
    /// [`Records::failure`] has.
    pub(crate) fn encrypt(&mut self, plaintext: &[u8], outgoing: &mut Vec<u8>) -> Option<usize> {
        self.send(Outgoing::Plaintext(plaintext), outgoing)
    }

    /// Likewise our close_notify.
    pub(crate) fn close(&mut self, outgoing: &mut Vec<u8>) -> Option<usize> {
        self.closed = true;
        self.send(Outgoing::CloseNotify, outgoing)
    }

    fn send(&mut self, what: Outgoing<'_>, outgoing: &mut Vec<u8>) -> Option<usize> {
        // All that could be read has been: nothing comes out of what is incomplete, but rustls must see it.
        let mut incomplete = std::mem::take(&mut self.incomplete);
        let mut used = None;
        let done = self.drive(&mut incomplete, Some((what, outgoing, &mut used)), &mut |_: &[u8]| {});
        incomplete.drain(..done);
        self.incomplete = incomplete;
        used
    }

    /// Lets rustls work until it waits for something: more to read, or `send`.
    fn drive(
        &mut self,
        incoming: &mut [u8],
        mut send: Option<(Outgoing<'_>, &mut Vec<u8>, &mut Option<usize>)>,
        sink: &mut impl FnMut(&[u8]),
    ) -> usize {
        let mut done = 0;
        while self.failure.is_none() {
            let UnbufferedStatus { mut discard, state, .. } = self.connection.process(&mut incoming[done..]);
            let (mut waits, mut has_read) = (false, false);
            let outcome = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    has_read = true;
                    loop {
                        match traffic.next_record() {
                            Some(Ok(record)) => {
                                discard += record.discard;
                                sink(record.payload);
                            }
                            Some(Err(error)) => break Err(error),
                            None => break Ok(()),
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.unsent),
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    // It is in `unsent`, which is sent before anything else.
                    data.done();
                    Ok(())
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_closed = true;
                    Ok(())
                }
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    waits = true;
                    match send.take() {
                        Some((what, outgoing, used)) => encrypt(traffic, what, outgoing).map(|size| *used = Some(size)),
                        None => Ok(()),
                    }
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
                    waits = true;
                    Ok(())
                }
                // Early data, which no configuration of ours accepts, and what later versions may have.
                Ok(state) => Err(Error::General(format!("unexpected state of a connection: {state:?}"))),
                Err(error) => Err(error),
            };
            done += discard;
            if let Err(error) = outcome {
                self.fail(error);
            } else if waits || (has_read && done == incoming.len() && !self.connection.wants_write()) {
                // After data, another look at nothing would find nothing.
                break;
            }
        }
        if self.peer_closed || self.failure.is_some() {
            // What follows a close_notify must be ignored (RFC 8446, section 6.1), and after an error nothing is understood.
            return incoming.len();
        }
        done
    }

    /// Keeps the error, and takes the alert that may go with it.
    fn fail(&mut self, error: Error) {
        self.failure = Some(Box::new(error));
        // Only while there is something to send, which rustls looks at first: what has been read is not to be looked at
        // again.
        while self.connection.wants_write() {
            let is_taken = match self.connection.process(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.unsent).is_ok(),
                Ok(ConnectionState::ReadTraffic(mut traffic)) => traffic.next_record().is_some(),
                _ => false,
            };
            if !is_taken {
                break;
            }
        }
    }
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, unsent: &mut Rest) -> Result<(), Error> {
    // The size is known from an attempt without room.
    let size = match data.encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        Err(error) => return Err(Error::General(error.to_string())),
    };
    match unsent.push_with(size, |room| data.encode(room)) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::General(error.to_string())),
    }
}

fn encrypt<D>(mut traffic: WriteTraffic<'_, D>, what: Outgoing<'_>, outgoing: &mut Vec<u8>) -> Result<usize, Error> {
    loop {
        let size = match what {
            Outgoing::Plaintext(plaintext) => traffic.encrypt(plaintext, outgoing),
            Outgoing::CloseNotify => traffic.queue_close_notify(outgoing),
        };
        match size {
            Ok(size) => return Ok(size),
            // Something else has to go first, such as the answer to a key update.
            Err(EncryptError::InsufficientSize(size)) => outgoing.resize(size.required_size, 0),
            Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
        }
    }
}
