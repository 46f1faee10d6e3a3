//! Whether a sim is let in.

use fleet_protocol::collect::{COLLECT_VERSION, Hello, Refusal};
use fleet_protocol::plan::Shard as Number;
use fleet_report::words::{counted, devices};

use super::shard::Place;
use super::words::short;
use super::{Phase, Roster};

/// What follows from a hello.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Its process has the shard already.
    Same,
    /// Its process gets the shard.
    New,
    /// Why not, for the sim and for a person.
    Refused(Refusal, String),
}

impl Roster {
    /// Decides about a sim that shows the certificate of a shard.
    pub(super) fn admit(&self, hello: &Hello, certificate: Number) -> Admission {
        match self.stranger(hello, certificate) {
            Some((why, message)) => Admission::Refused(why, message),
            None => self.claim(hello),
        }
    }

    /// Why it is none of this run's sims.
    fn stranger(&self, hello: &Hello, certificate: Number) -> Option<(Refusal, String)> {
        let terms = &self.terms;
        if hello.version != COLLECT_VERSION {
            let message = format!(
                "this collector speaks version {COLLECT_VERSION} of its protocol, and the sim version {}: use the same program",
                hello.version
            );
            return Some((Refusal::Version, message));
        }
        if hello.run_id != terms.run_id {
            let message = format!(
                "this collector is of run {}, and the sim's plan of run {}: give both the same plan",
                terms.run_id,
                short(&hello.run_id)
            );
            return Some((Refusal::OtherRun, message));
        }
        if hello.count != terms.count || hello.index >= terms.count.get() {
            let message = format!(
                "the fleet is cut into {} here, and the sim has shard {} of {}",
                counted(terms.count.get(), "shard", "shards"),
                hello.index,
                hello.count
            );
            return Some((Refusal::OtherShards, message));
        }
        let number = self.number(hello.index);
        let expected = terms.devices_of(hello.index);
        if hello.devices != expected {
            let message = format!(
                "shard {number} has {} here, and {} in the sim's plan",
                devices(expected),
                hello.devices
            );
            return Some((Refusal::OtherShards, message));
        }
        (certificate != number).then(|| {
            let message = format!("the certificate is of shard {certificate}, and the sim has shard {number}");
            (Refusal::NotItsShard, message)
        })
    }

    fn claim(&self, hello: &Hello) -> Admission {
        let (number, shard) = (self.number(hello.index), &self.shards[hello.index as usize]);
        if shard.incarnation == Some(hello.incarnation) {
            let is_given_up = shard.place == Place::Done && !shard.has_ended;
            return match is_given_up {
                true => Admission::Refused(Refusal::Over, format!("shard {number} was given up, and the run ends")),
                false => Admission::Same,
            };
        }
        if shard.earlier.contains(&hello.incarnation) {
            let message = format!("another process has taken the place of this one as shard {number}");
            return Admission::Refused(Refusal::Superseded, message);
        }
        if self.phase == Phase::Over || self.stopping {
            return Admission::Refused(Refusal::Over, "the run is over".to_owned());
        }
        match shard.place {
            Place::Done => Admission::Refused(Refusal::Over, format!("shard {number} has ended")),
            Place::Here(_) => {
                let message = format!("another process has shard {number}, and is connected");
                Admission::Refused(Refusal::Claimed, message)
            }
            Place::Missing | Place::Lost { .. } => Admission::New,
        }
    }
}
