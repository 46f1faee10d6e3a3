//! From TLS to WebSocket: the upgrade, and the reasons for which a server refuses it.

use std::io;

use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::{Request, generate_key};
use unbuffered_tls::ClientStream;

use crate::UpgradeFailure;
use crate::proxy::authority;
use crate::stream::{PATH, SUBPROTOCOL, Socket, WebSocket, WebSocketFault, websocket_config};

/// The port that need not be named.
const DEFAULT_PORT: u16 = 443;

/// Why there is no WebSocket: the server's answer, or the connection.
pub(super) enum NoWebSocket {
    Upgrade(UpgradeFailure),
    Closed,
    Io(io::Error),
}

/// Asks the server called `name` for MQTT over WebSocket.
pub(super) async fn upgrade(
    tls: ClientStream<Socket>,
    name: &str,
    port: u16,
) -> Result<WebSocket<ClientStream<Socket>>, NoWebSocket> {
    let request = request(name, port).map_err(no_websocket)?;
    let (frames, _) = client_async_with_config(request, tls, Some(websocket_config()))
        .await
        .map_err(no_websocket)?;
    Ok(WebSocket::new(frames))
}

fn request(name: &str, port: u16) -> Result<Request, Error> {
    let named = authority(name, port);
    let host = match port {
        DEFAULT_PORT => named.strip_suffix(":443").unwrap_or(&named),
        _ => &named,
    };
    Ok(Request::get(format!("wss://{host}{PATH}"))
        .header("Host", host)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .header("Sec-WebSocket-Protocol", SUBPROTOCOL)
        .body(())?)
}

fn no_websocket(error: Error) -> NoWebSocket {
    NoWebSocket::Upgrade(match error {
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => return NoWebSocket::Closed,
        Error::Io(error) => return NoWebSocket::Io(error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => return NoWebSocket::Closed,
        Error::Http(response) => UpgradeFailure::Refused {
            status: response.status().as_u16(),
        },
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => UpgradeFailure::Subprotocol,
        error => UpgradeFailure::Protocol(WebSocketFault::new(error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_named_with_a_port_that_is_not_the_usual_one() {
        for (name, port, host) in [
            ("hub1.azure-devices.net", 443, "hub1.azure-devices.net"),
            ("hub1.azure-devices.net", 8443, "hub1.azure-devices.net:8443"),
            ("::1", 443, "[::1]"),
            ("::1", 4430, "[::1]:4430"),
        ] {
            let request = request(name, port).unwrap();
            assert_eq!(request.headers()["Host"], host);
            assert_eq!(request.uri().path(), PATH);
        }
    }
}
