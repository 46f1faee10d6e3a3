//! From HTTP to WebSocket: the one request that is understood, and an answer to any other.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::Role;

use super::WebSocket;
use super::frames::config;
use crate::dps::https::is_request;
use crate::stream::Stream;

/// Where MQTT is, at DPS and at a hub alike. The SDK for C# asks DPS for the root.
const PATHS: [&str; 2] = ["/$iothub/websocket", "/"];
/// The name of MQTT 3.1.1 among the WebSocket subprotocols.
const SUBPROTOCOL: &str = "mqtt";
/// Longest request. Those of the SDKs have a few hundred bytes.
const MAX_HEAD: usize = 8 * 1024;

/// What a client speaks, once it has sent a request.
pub(crate) enum Spoken<S> {
    /// MQTT, from here on in frames.
    WebSocket(Box<WebSocket<S>>),
    /// A request to DPS over HTTPS, which has the same port; and what was read of it.
    Http(S, Vec<u8>),
}

/// Why a connection did not become a WebSocket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoWebSocket {
    #[error("WebSocket refused with {}: {}", .0.status.as_u16(), .0.reason)]
    Refused(Refusal),
    #[error("connection lost before it became a WebSocket")]
    Lost(#[from] io::Error),
}

/// An answer other than 101.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    /// A header that a client of HTTP gets besides.
    header: Option<(&'static str, &'static str)>,
    reason: String,
}

/// Reads the request, answers it, and goes on in frames; or leaves it to DPS.
pub(crate) async fn upgrade<S: Stream>(mut stream: S) -> Result<Spoken<S>, NoWebSocket> {
    let mut read = Vec::new();
    let judged = loop {
        if is_request(&read) {
            return Ok(Spoken::Http(stream, read));
        }
        match judge(&read) {
            Ok(Some(accepted)) => break Ok(accepted),
            Ok(None) if stream.read_buf(&mut read).await? == 0 => {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            Ok(None) => {}
            Err(refusal) => break Err(refusal),
        }
    };
    match judged {
        Ok((size, answer)) => {
            stream.write_all(&answer).await?;
            stream.flush().await?;
            // A client that is in a hurry may have sent frames already.
            let early = read.split_off(size);
            let frames = WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config())).await;
            Ok(Spoken::WebSocket(Box::new(WebSocket::new(frames))))
        }
        Err(refusal) => {
            stream.write_all(refusal.to_http().as_bytes()).await?;
            stream.shutdown().await?;
            Err(NoWebSocket::Refused(refusal))
        }
    }
}

/// Looks at what has come of a request: nothing yet, or how long it was and the answer to it.
fn judge(read: &[u8]) -> Result<Option<(usize, Vec<u8>)>, Refusal> {
    let (size, request) = match Request::try_parse(read) {
        Ok(Some(parsed)) => parsed,
        Ok(None) if read.len() > MAX_HEAD => return Err(Refusal::too_large()),
        Ok(None) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !PATHS.contains(&request.uri().path()) {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("there is nothing at `{}`", request.uri().path()),
        ));
    }
    let mut answer = create_response(&request)?;
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    if !offered.any(|name| name.trim() == SUBPROTOCOL) {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "the request does not offer the subprotocol `mqtt`",
        ));
    }
    answer
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let mut text = Vec::new();
    write_response(&mut text, &answer)?;
    Ok(Some((size, text)))
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            header: None,
            reason: reason.into(),
        }
    }

    fn too_large() -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too large")
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    fn to_http(&self) -> String {
        let Self { status, header, reason } = self;
        let header = header.map_or(String::new(), |(name, value)| format!("{name}: {value}\r\n"));
        let length = reason.len() + 1;
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
             Connection: close\r\n{header}\r\n{reason}\n"
        )
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match &error {
            Error::Protocol(ProtocolError::WrongHttpMethod) => {
                Self::new(StatusCode::METHOD_NOT_ALLOWED, "the method is not GET").with("Allow", "GET")
            }
            Error::Protocol(ProtocolError::WrongHttpVersion) => {
                Self::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "the request is not HTTP/1.1")
            }
            Error::Protocol(
                ProtocolError::MissingConnectionUpgradeHeader | ProtocolError::MissingUpgradeWebSocketHeader,
            ) => Self::new(StatusCode::UPGRADE_REQUIRED, "only WebSocket is spoken here").with("Upgrade", "websocket"),
            Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => Self::new(
                StatusCode::UPGRADE_REQUIRED,
                "only version 13 of WebSocket is spoken here",
            )
            .with("Sec-WebSocket-Version", "13"),
            Error::Capacity(CapacityError::TooManyHeaders) => Self::too_large(),
            _ => Self::new(StatusCode::BAD_REQUEST, format!("the request is not readable: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "GET /$iothub/websocket?iothub-no-client-cert=true HTTP/1.1\r\nHost: localhost\r\n\
        Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqttv3.1, mqtt\r\n\r\n";

    #[test]
    fn the_request_of_a_device_is_answered_with_its_subprotocol() {
        for request in [
            GOOD.to_owned(),
            GOOD.replace("/$iothub/websocket?iothub-no-client-cert=true", "/"),
        ] {
            let early = format!("{request}early");
            let (size, answer) = judge(early.as_bytes()).unwrap().unwrap();
            let answer = String::from_utf8(answer).unwrap().to_lowercase();
            assert_eq!(&early[size..], "early");
            assert!(answer.starts_with("http/1.1 101 "), "{answer}");
            for header in [
                "sec-websocket-protocol: mqtt\r\n",
                "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n",
            ] {
                assert!(answer.contains(header), "{answer}");
            }
        }
        for size in 0..GOOD.len() {
            assert_eq!(
                judge(&GOOD.as_bytes()[..size]),
                Ok(None),
                "{size} bytes are not all of it"
            );
        }
    }

    #[test]
    fn any_other_request_gets_the_status_for_what_is_wrong() {
        let long = format!("X: {}\r\nUpgrade", "x".repeat(MAX_HEAD));
        for (from, to, status) in [
            ("GET", "POST", 405),
            ("HTTP/1.1", "HTTP/1.0", 505),
            ("/$iothub/websocket", "/mqtt", 404),
            ("/$iothub/websocket", "/$iothub/websocket/", 404),
            ("keep-alive, Upgrade", "keep-alive", 426),
            ("Upgrade: websocket", "Upgrade: h2c", 426),
            ("Version: 13", "Version: 8", 426),
            ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400),
            ("mqttv3.1, mqtt", "mqttv3.1", 400),
            ("Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", 400),
            ("GET /", "\u{16}\u{3}\u{1}", 400),
            ("Host", &"A: b\r\n".repeat(200), 431),
            ("Upgrade: websocket\r\n", &long, 431),
        ] {
            let request = GOOD.replacen(from, to, 1);
            let request = request
                .strip_suffix("\r\n")
                .filter(|_| to.len() > MAX_HEAD)
                .unwrap_or(&request);
            let refusal = judge(request.as_bytes()).expect_err(to);
            assert_eq!(refusal.status.as_u16(), status, "{to}: {refusal:?}");
            let answer = refusal.to_http();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(
                head.contains(&format!("Content-Length: {}\r\n", body.len())),
                "{answer}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_request_makes_the_parser_panic(
            start in prop::sample::select(vec!["", "GET / HTTP/1.1\r\n", GOOD.trim_end()]),
            noise: Vec<u8>,
        ) {
            let mut request = start.as_bytes().to_vec();
            request.extend(noise);
            request.extend(b"\r\n\r\n");
            let _ = judge(&request);
        }
    }
}
