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

/// The beginning of a text of a sim, for one line.
pub(super) fn short(text: &str) -> String {
    let first: String = text.lines().next().unwrap_or_default().chars().take(SHORT).collect();
    shown::text(&first).to_string()
}

/// As long as the name of a machine may be.
const SHORT: usize = 64;

pub(super) fn missing(missing: &[u32], count: u32) -> String {
    let (those, counted) = (stretches(missing), missing.len());
    let (is, what) = (agreeing(counted, "is", "are"), agreeing(counted, NAME, "shards"));
    format!("{counted} of {count} {is} missing: {what} {those}")
}

pub(super) fn there(number: Number, hello: &Hello) -> String {
    format!(
        "{NAME} {number} is there: {} on {}",
        devices(hello.devices),
        short(&hello.host)
    )
}

pub(super) fn left(number: Number, why: &str) -> String {
    format!("{NAME} {number} has left: {why}")
}

pub(super) fn stopped(number: Number) -> String {
    format!("{NAME} {number} was stopped before its stages were over")
}

pub(super) fn lost(number: Number, devices: &str, host: &str, why: &str, after: Duration) -> String {
    let after = Span(after);
    format!(
        "{NAME} {number} is lost, with {devices} on {host}: {why}; its devices may go on, and the run waits {after} for it"
    )
}

pub(super) fn back(number: Number) -> String {
    format!("{NAME} {number} is back")
}

pub(super) fn replaced(number: Number, hello: &Hello) -> String {
    format!("{NAME} {number} goes on in another process, on {}", short(&hello.host))
}

/// How a process died, by its sim, which has printed all of it: the first line is enough here.
pub(super) fn died(number: Number, how: &str) -> String {
    let first = how.lines().next().unwrap_or_default();
    let first: String = first.trim_end_matches("; its last words:").chars().take(LONG).collect();
    format!("{NAME} {number} died: {}", shown::text(&first))
}

/// An exit status has room in it.
const LONG: usize = 200;

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
