//! A device's end of a connection to a hostile server: it hears the same packets however the bytes are cut, keeps no more
//! than one packet, and never loses count of what it waits for.

use mqtt_link::MAX_PACKET;
use mqtt_link::fuzzing::Client;
use tokio::time::Instant;

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let now = Instant::now();
    let mut whole = Client::new(now);
    let goes_on = whole.receive(bytes);
    let mut pieces = Client::new(now);
    let mut still = true;
    for piece in bytes.chunks(usize::from(*cut).max(1)) {
        still = pieces.receive(piece);
        if !still {
            break;
        }
    }
    assert_eq!((goes_on, &whole.received), (still, &pieces.received));
    for client in [whole, pieces] {
        assert!(client.in_flight() <= 1, "one message was sent");
        assert!(client.waiting() <= bytes.len().min(MAX_PACKET + 5));
    }
}
