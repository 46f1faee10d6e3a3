//! What a collector reports of its shards, for a person.

use std::time::Duration;

use fleet_protocol::collect::Hello;
use fleet_protocol::plan::Shard as Number;
use fleet_report::words::{agreeing, devices, stretches};
use iot_protocol::shown;
use settings::Span;

use crate::process::shards::Called;

/// What shards are called in messages.
pub(crate) const CALLED: Called = Called {
    name: NAME,
    killed: "given up",
};
const NAME: &str = "shard";

pub(super) fn missing(missing: &[u32], count: u32) -> String {
    let (those, counted) = (stretches(missing), missing.len());
    let (is, what) = (agreeing(counted, "is", "are"), agreeing(counted, NAME, "shards"));
    format!("{counted} of {count} {is} missing: {what} {those}")
}

pub(super) fn there(number: Number, hello: &Hello) -> String {
    format!(
        "{NAME} {number} is there: {} on {}",
        devices(hello.devices),
        shown::text(&hello.host)
    )
}

pub(super) fn left(number: Number, why: &str) -> String {
    format!("{NAME} {number} has left: {why}")
}

pub(super) fn lost(number: Number, devices: &str, host: &str, why: &str, after: Duration) -> String {
    let (host, after) = (shown::text(host), Span(after));
    format!(
        "{NAME} {number} is lost, with {devices} on {host}: {why}; its devices may go on, and the run waits {after} for it"
    )
}

pub(super) fn back(number: Number) -> String {
    format!("{NAME} {number} is back")
}

pub(super) fn replaced(number: Number, hello: &Hello) -> String {
    format!(
        "{NAME} {number} goes on in another process, on {}",
        shown::text(&hello.host)
    )
}

/// How a process died, by its sim: the first line is enough here, as the sim has printed all of it.
pub(super) fn died(number: Number, how: &str) -> String {
    let first = how
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches("; its last words:");
    format!("{NAME} {number} died: {}", shown::text(first))
}

pub(super) fn waits(died: &str, after: Duration) -> String {
    format!("{died}; the run waits {} for another process", Span(after))
}

pub(super) fn not_replaced(number: Number) -> String {
    format!("{NAME} {number} had died, and no other process has taken its place")
}

pub(super) fn given_up(number: Number) -> String {
    format!("{NAME} {number} was given up")
}

pub(super) fn lost_for_good(number: Number, devices: &str, after: Duration) -> String {
    let after = Span(after);
    format!("{NAME} {number} is lost for good, with {devices}: for {after}, neither it nor another process has come")
}
