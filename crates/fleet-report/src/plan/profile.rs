//! How many devices are online when: the stages want a number that moves evenly, and the number of those that are connected
//! follows it as fast as the rate of connections allows.

use super::demand::StageDemand;

/// What the stages come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The most devices online at the same time.
    pub most: f64,
    /// The time that all devices are online, added up, in seconds.
    pub device_seconds: f64,
    /// The most connections in a second.
    pub connects_per_s: f64,
    /// Connections of the whole run, reconnecting ones included.
    pub connects: f64,
    /// Seconds from the beginning of the stages until the largest wanted number would be online.
    pub all_online_s: f64,
    pieces: Vec<Piece>,
}

/// A time in which the number of connected devices moves evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    seconds: f64,
    from: f64,
    to: f64,
}

impl Profile {
    /// The profile of `stages` for so many `devices`, of which `rate` may connect in a second.
    #[must_use]
    pub fn of(stages: &[StageDemand], devices: f64, rate: f64) -> Self {
        let peak = stages.iter().map(|stage| stage.share).fold(0.0, f64::max) * devices;
        let mut profile = Self {
            most: 0.0,
            device_seconds: 0.0,
            connects_per_s: 0.0,
            connects: 0.0,
            all_online_s: 0.0,
            pieces: Vec::new(),
        };
        let (mut wanted, mut connected, mut elapsed, mut peak_seen) = (0.0_f64, 0.0_f64, 0.0_f64, false);
        for stage in stages {
            let target = stage.share * devices;
            for piece in pieces(wanted, connected, target, stage.over_s, rate) {
                profile.add(piece);
                connected = piece.to;
            }
            // A stage without a length lets the number jump, but leaves no time to connect.
            connected = connected.min(target);
            elapsed += stage.over_s;
            wanted = target;
            if !peak_seen && target >= peak {
                peak_seen = true;
                profile.all_online_s = elapsed + (peak - connected).max(0.0) / rate;
            }
        }
        profile
    }

    /// How many devices are online so many seconds after the stages have begun.
    #[must_use]
    pub fn online_at(&self, seconds: f64) -> f64 {
        let mut begin = 0.0;
        for piece in &self.pieces {
            if seconds < begin + piece.seconds {
                return piece.from + (piece.to - piece.from) * (seconds - begin) / piece.seconds;
            }
            begin += piece.seconds;
        }
        self.pieces.last().map_or(0.0, |last| last.to)
    }

    fn add(&mut self, piece: Piece) {
        let Piece { seconds, from, to } = piece;
        self.pieces.push(piece);
        self.most = self.most.max(from).max(to);
        self.device_seconds += (from + to) / 2.0 * seconds;
        if to > from {
            self.connects += to - from;
            self.connects_per_s = self.connects_per_s.max((to - from) / seconds);
        }
    }
}

/// A stage in at most two pieces: until the connected devices are as many as the wanted ones, and from then on.
fn pieces(wanted: f64, connected: f64, target: f64, seconds: f64, rate: f64) -> Vec<Piece> {
    if seconds <= 0.0 {
        return Vec::new();
    }
    let slope = (target - wanted) / seconds;
    let behind = (wanted - connected).max(0.0);
    // They never meet where the wanted number rises as fast as devices may connect.
    let met = if rate > slope {
        (behind / (rate - slope)).min(seconds)
    } else {
        seconds
    };
    let at_met = connected + rate * met;
    let mut pieces = Vec::new();
    if met > 0.0 {
        pieces.push(Piece {
            seconds: met,
            from: connected,
            to: at_met,
        });
    }
    if met < seconds {
        pieces.push(Piece {
            seconds: seconds - met,
            from: at_met,
            to: target,
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(stages: &[(f64, f64)], devices: f64, rate: f64) -> Profile {
        let stages = stages.iter().map(|(share, over_s)| StageDemand {
            share: *share,
            over_s: *over_s,
        });
        Profile::of(&stages.collect::<Vec<_>>(), devices, rate)
    }

    /// Each by hand: most, device seconds, connects per second, connects, all online.
    #[test]
    fn the_connected_follow_the_wanted_as_fast_as_they_may() {
        for (stages, devices, rate, expected) in [
            // As fast as wanted: a ramp of 5 s, 30 s held, 5 s down. 100 × (2.5 + 30 + 2.5).
            (
                &[(1.0, 5.0), (1.0, 30.0), (0.0, 5.0)][..],
                100.0,
                50.0,
                [100.0, 3500.0, 20.0, 100.0, 5.0],
            ),
            // 10 in the ramp, 30 held (all 40 after 40 s), of 40 s: a triangle.
            (&[(1.0, 10.0), (1.0, 30.0)], 40.0, 1.0, [40.0, 800.0, 1.0, 40.0, 40.0]),
            // 12 of 40 in 12 s; the others would need 28 s more.
            (&[(1.0, 2.0), (1.0, 10.0)], 40.0, 1.0, [12.0, 72.0, 1.0, 12.0, 40.0]),
            // All are wanted at once and come at 10/s for 4 s, then 6 s held.
            (&[(1.0, 0.0), (1.0, 10.0)], 40.0, 10.0, [40.0, 320.0, 10.0, 40.0, 4.0]),
            // Down to half and up again: 20 connect twice.
            (
                &[(1.0, 4.0), (0.5, 4.0), (1.0, 4.0)],
                40.0,
                50.0,
                [40.0, 320.0, 10.0, 60.0, 4.0],
            ),
            // A fall before all are there: they meet after (40-10)/(1+10) s.
            (&[(1.0, 10.0), (0.0, 4.0)], 40.0, 1.0, {
                let met = 30.0 / 11.0;
                let most = 10.0 + met;
                let seconds = 50.0 + (10.0 + most) / 2.0 * met + most / 2.0 * (4.0 - met);
                [most, seconds, 1.0, most, 40.0]
            }),
            (&[], 40.0, 1.0, [0.0; 5]),
        ] {
            let found = profile(stages, devices, rate);
            let found = [
                found.most,
                found.device_seconds,
                found.connects_per_s,
                found.connects,
                found.all_online_s,
            ];
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "{stages:?}: {found} and {expected}");
            }
        }
    }

    #[test]
    fn at_each_moment_so_many_are_online() {
        let profile = profile(&[(1.0, 10.0), (1.0, 30.0), (0.0, 10.0)], 40.0, 50.0);
        for (seconds, online) in [
            (0.0, 0.0),
            (5.0, 20.0),
            (10.0, 40.0),
            (39.0, 40.0),
            (45.0, 20.0),
            (60.0, 0.0),
        ] {
            assert!((profile.online_at(seconds) - online).abs() < 1e-9, "{seconds}");
        }
    }

    #[test]
    fn a_thousand_and_two_devices_at_one_a_second_are_online_after_16m42s() {
        let found = profile(&[(1.0, 30.0), (1.0, 300.0), (0.0, 10.0)], 1002.0, 1.0);
        assert_eq!(
            settings::Span::seconds(crate::plan::whole_seconds(found.all_online_s)).to_string(),
            "16m42s"
        );
    }
}
