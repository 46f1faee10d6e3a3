//! Through a proxy: HTTP CONNECT, and what the proxy answers.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Proxy, ProxyFailure};

/// No proxy sends a longer head before it opens a tunnel.
const LONGEST_ANSWER: usize = 8 * 1024;
const END: &[u8] = b"\r\n\r\n";

/// Asks `proxy` for a tunnel to `host` and `port`; afterwards `tcp` is that tunnel.
pub(super) async fn open_tunnel(
    tcp: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), ProxyFailure> {
    let sent = tcp.write_all(proxy.request(host, port).as_bytes()).await;
    // If sending failed, the proxy may have sent the reason before it closed.
    let status = read_answer(tcp).await;
    let status = match (status, sent) {
        (Ok(status), _) => status,
        (Err(_), Err(error)) => return Err(error.into()),
        (Err(failure), Ok(())) => return Err(failure),
    };
    match status {
        200 => Ok(()),
        status => Err(ProxyFailure::Refused { status }),
    }
}

async fn read_answer(tcp: &mut (impl AsyncRead + Unpin)) -> Result<u16, ProxyFailure> {
    let mut head = Vec::with_capacity(512);
    loop {
        let room = (LONGEST_ANSWER - head.len()) as u64;
        if (&mut *tcp).take(room).read_buf(&mut head).await? == 0 {
            return Err(ProxyFailure::Closed);
        }
        if let Some(status) = parse_answer(&head)? {
            return Ok(status);
        }
    }
}

/// The status of a complete answer head; none if part of it is still missing.
fn parse_answer(head: &[u8]) -> Result<Option<u16>, ProxyFailure> {
    // HTTP/1.x, three digits, and then a reason or nothing.
    const SHAPE: &[u8] = b"HTTP/1.? ###";
    let malformed = ProxyFailure::Malformed;
    for (byte, shape) in head.iter().zip(SHAPE) {
        let fits = match shape {
            b'?' | b'#' => byte.is_ascii_digit(),
            shape => byte == shape,
        };
        if !fits {
            return Err(malformed("answer is not http/1"));
        }
    }
    if let Some(after) = head.get(SHAPE.len())
        && !matches!(after, b' ' | b'\r')
    {
        return Err(malformed("status has more than three digits"));
    }
    let Some(end) = head.windows(END.len()).position(|window| window == END) else {
        if head.len() >= LONGEST_ANSWER {
            return Err(malformed("answer is over 8 KiB"));
        }
        return Ok(None);
    };
    let digits = head.get(SHAPE.len() - 3..SHAPE.len()).unwrap_or_default();
    let status = digits
        .iter()
        .fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    // In TLS the client speaks first, so nothing that arrives now is from the server behind the proxy. A refusal may
    // well have a body.
    if status == 200 && end + END.len() != head.len() {
        return Err(malformed("bytes follow the answer"));
    }
    Ok(Some(status))
}

impl From<io::Error> for ProxyFailure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_are_distinguished() {
        for (head, expected) in [
            ("", Ok(None)),
            ("HTTP/1.1 2", Ok(None)),
            ("HTTP/1.1 200 OK\r\nVia: x\r\n", Ok(None)),
            ("HTTP/1.1 200 OK\r\n\r\n", Ok(Some(200))),
            ("HTTP/1.0 200\r\n\r\n", Ok(Some(200))),
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\nA: b\r\n\r\nbody",
                Ok(Some(407)),
            ),
            ("HTTP/1.1 200 OK\r\n\r\nx", Err("bytes follow the answer")),
            ("HTTP/2 200 OK\r\n\r\n", Err("answer is not http/1")),
            ("SSH-2.0", Err("answer is not http/1")),
            ("HTTP/1.1 2x0 OK\r\n\r\n", Err("answer is not http/1")),
            ("HTTP/1.1 2000 OK\r\n\r\n", Err("status has more than three digits")),
        ] {
            let answer = parse_answer(head.as_bytes()).map_err(|failure| match failure {
                ProxyFailure::Malformed(what) => what,
                other => panic!("{other:?}"),
            });
            assert_eq!(answer, expected, "{head:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_answer(&bytes);
        }

        /// Reading in pieces gives the same result as reading in one piece, and it is always a valid status.
        #[test]
        fn arbitrary_answers_never_panic(status in "[0-9]{0,4}", rest in "[ -~\r\n]{0,60}", cut in any::<prop::sample::Index>()) {
            let head = format!("HTTP/1.1 {status}{rest}\r\n\r\n");
            let whole = parse_answer(head.as_bytes());
            if let Ok(Some(found)) = &whole {
                prop_assert!(*found < 1_000);
            }
            let part = parse_answer(&head.as_bytes()[..cut.index(head.len())]);
            if matches!(part, Err(ProxyFailure::Malformed(_))) {
                prop_assert!(whole.is_err());
            }
        }
    }

    #[tokio::test]
    async fn endless_answer_is_cut_at_its_limit() {
        let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'x'; 2 * LONGEST_ANSWER]].concat();
        let mut rest = &endless[..];
        let failure = read_answer(&mut rest).await.unwrap_err();
        assert!(
            matches!(failure, ProxyFailure::Malformed("answer is over 8 KiB")),
            "{failure:?}"
        );
        assert_eq!(endless.len() - rest.len(), LONGEST_ANSWER);
    }
}
