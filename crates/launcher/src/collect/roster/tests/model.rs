//! Sims that lose their connections, their processes and their collector in any order.

use std::collections::BTreeMap;

use fleet_protocol::collect::Snapshot;
use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{Line, Phase, Stats, counter};
use fleet_report::totals::Totals;
use proptest::prelude::*;

use super::*;

/// A device-sim process and the sim that keeps what it writes.
#[derive(Debug, Clone)]
struct Model {
    incarnation: u32,
    lines: Vec<Vec<u64>>,
    /// The connection, and up to which line it was sent there.
    connection: Option<(Connection, u64)>,
}

impl Model {
    fn stats(&self, values: &[u64]) -> Stats {
        let mut histogram = Phase::histogram();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        let histograms = BTreeMap::from([("publish/g".to_owned(), Encoder::default().encode(&histogram))]);
        Stats {
            histograms,
            ..stats(self.lines.len() as u64)
        }
    }

    fn line(&self, n: u64) -> ToCollector {
        let before = Self {
            lines: self.lines[..n as usize].to_vec(),
            ..self.clone()
        };
        let line = Line::Stats(before.stats(&self.lines[n as usize - 1]));
        ToCollector::Line { n, line }
    }

    fn snapshot(&self) -> ToCollector {
        ToCollector::Snapshot(Snapshot {
            n: self.lines.len() as u64,
            stats: self.stats(&self.lines.concat()),
            ..Snapshot::default()
        })
    }
}

#[derive(Debug, Clone)]
enum Step {
    Writes(usize, Vec<u64>),
    Sends(usize),
    Loses(usize),
    /// With lines, or with a snapshot.
    Connects(usize, bool),
    /// Its process is gone, and another takes its place. What it had not delivered is lost with it.
    IsReplaced(usize),
    CollectorStarts,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let shard = 0..3_usize;
    let step = prop_oneof![
        6 => (shard.clone(), prop::collection::vec(1_u64..1_000, 0..3)).prop_map(|(shard, times)| Step::Writes(shard, times)),
        6 => shard.clone().prop_map(Step::Sends),
        3 => shard.clone().prop_map(Step::Loses),
        4 => (shard.clone(), any::<bool>()).prop_map(|(shard, lines)| Step::Connects(shard, lines)),
        1 => shard.prop_map(Step::IsReplaced),
        1 => Just(Step::CollectorStarts),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever is lost, comes twice or begins again: in the end a collector has what its sims' processes have written.
    #[test]
    fn in_the_end_every_figure_is_counted_once(steps in steps(), replaces in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::going();
            let mut connection = 2;
            let mut sims: Vec<Model> = (0..3_u32)
                .map(|index| Model { incarnation: index + 1, lines: Vec::new(), connection: Some((index.into(), 0)) })
                .collect();
            // What processes that were replaced have delivered.
            let (mut gone, mut gone_times) = (0, Vec::new());
            let connect = |world: &mut World, sims: &mut Vec<Model>, shard: usize, with_lines: bool, connection: Connection| {
                let sim = &mut sims[shard];
                world.hello(connection, &later(shard as u32, sim.incarnation, -5_000));
                let Some((_, ToSim::Welcome { taken })) = world.sent.iter().find(|(to, _)| *to == connection).cloned() else {
                    panic!("{:?}", world.sent);
                };
                let all = sim.lines.len() as u64;
                let sent = if with_lines && taken > 0 || taken == all { taken } else { all };
                sim.connection = Some((connection, sent));
                if sent > taken {
                    let snapshot = sim.snapshot();
                    world.takes(connection, [snapshot]);
                }
            };
            for step in steps {
                match step {
                    Step::Writes(shard, times) => sims[shard].lines.push(times),
                    Step::Sends(shard) => {
                        let sim = &mut sims[shard];
                        if let Some((connection, sent)) = &mut sim.connection && *sent < sim.lines.len() as u64 {
                            *sent += 1;
                            let (connection, line) = (*connection, *sent);
                            let line = sim.line(line);
                            world.takes(connection, [line]);
                        }
                    }
                    Step::Loses(shard) => {
                        if let Some((connection, _)) = sims[shard].connection.take() {
                            world.close(connection);
                        }
                    }
                    Step::Connects(shard, with_lines) if sims[shard].connection.is_none() => {
                        connection += 1;
                        connect(&mut world, &mut sims, shard, with_lines, connection);
                    }
                    Step::IsReplaced(shard) if replaces => {
                        let sim = &mut sims[shard];
                        if let Some((old, sent)) = sim.connection.take() {
                            world.close(old);
                            gone += sent;
                            gone_times.extend(sim.lines[..sent as usize].concat());
                            let incarnation = sim.incarnation + 3;
                            connection += 1;
                            *sim = Model { incarnation, lines: Vec::new(), connection: Some((connection, 0)) };
                            world.hello(connection, &hello(shard as u32, incarnation));
                        }
                    }
                    // A collector that begins anew has nothing of processes that are gone.
                    Step::CollectorStarts if !replaces => {
                        world = super::world();
                        sims.iter_mut().for_each(|sim| sim.connection = None);
                    }
                    Step::Connects(..) | Step::IsReplaced(_) | Step::CollectorStarts => {}
                }
            }
            for shard in 0..3 {
                if sims[shard].connection.is_none() {
                    connection += 1;
                    connect(&mut world, &mut sims, shard, true, connection);
                }
                let (connection, sent) = sims[shard].connection.unwrap();
                let rest: Vec<_> = (sent + 1..=sims[shard].lines.len() as u64).map(|n| sims[shard].line(n)).collect();
                world.takes(connection, rest);
            }
            let mut totals = Totals::new(3);
            for event in world.events {
                if let Update::Figures(line, _) = event.update {
                    totals.add(event.shard, *line);
                }
            }
            let written: u64 = sims.iter().map(|sim| sim.lines.len() as u64).sum();
            assert_eq!(totals.counter(counter::TELEMETRY_OFFERED), written + gone);
            let mut times = Phase::histogram();
            let all = sims.iter().flat_map(|sim| sim.lines.concat()).chain(gone_times);
            all.for_each(|time| times.record(time).unwrap());
            assert_eq!(totals.times_of(Phase::Publish).to_histogram(), times);
        });
    }
}
