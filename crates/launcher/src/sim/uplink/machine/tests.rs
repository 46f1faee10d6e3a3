use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

use fleet_protocol::collect::COLLECT_VERSION;
use fleet_protocol::histogram::{Encoder, decode};
use fleet_protocol::lines::{Action, DeviceLine, EndReason, Phase, State, Stats};
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn hello() -> Hello {
    Hello {
        version: COLLECT_VERSION,
        run_id: "r1".to_owned(),
        index: 3,
        count: NonZeroU32::new(8).unwrap(),
        incarnation: NonZeroU32::new(413).unwrap(),
        devices: 2,
        host: "h".to_owned(),
        stages_in_ms: None,
    }
}

/// What a process has reported, as itself or a collector counts it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Figures {
    offered: u64,
    timed: u64,
    states: BTreeMap<String, State>,
    is_finished: bool,
}

impl Figures {
    fn line(&mut self, line: &Line) {
        match line {
            Line::Stats(stats) => {
                self.offered = stats.counters["telemetry_offered"];
                self.timed += timed(stats);
            }
            Line::Device(device) => drop(self.states.insert(device.id.clone(), device.state)),
            Line::End { .. } => self.is_finished = true,
            _ => {}
        }
    }
}

fn timed(stats: &Stats) -> u64 {
    let texts = stats.histograms.values();
    texts.map(|text| decode(text).unwrap().len()).sum()
}

fn figures(offered: u64, times: u64) -> Line {
    let mut histogram = Phase::histogram();
    histogram.record_n(5_000, times).unwrap();
    Line::Stats(Stats {
        counters: BTreeMap::from([("telemetry_offered".to_owned(), offered)]),
        histograms: BTreeMap::from([("publish/g".to_owned(), Encoder::default().encode(&histogram))]),
        ..Stats::default()
    })
}

fn device(id: u8, state: State) -> Line {
    Line::Device(DeviceLine {
        id: format!("device-{id}"),
        state,
        hub: None,
        leaf_sha256: None,
        offline_ms: None,
        reason: None,
        message: None,
        negative: false,
    })
}

/// A collector as the protocol describes it.
#[derive(Debug, Default)]
struct Collector {
    taken: u64,
    figures: Figures,
    has_ended: bool,
    /// How often a snapshot has come.
    snapshots: u32,
}

impl Collector {
    fn receive(&mut self, message: ToCollector) -> ToSim {
        match message {
            ToCollector::Hello(_) => return ToSim::Welcome { taken: self.taken },
            ToCollector::Line { n, line } if self.is_new(n) => self.figures.line(&line),
            ToCollector::Ended { n, .. } if self.is_new(n) => self.has_ended = true,
            ToCollector::Snapshot(snapshot) if snapshot.n > self.taken => {
                self.snapshots += 1;
                self.taken = snapshot.n;
                let devices = snapshot.devices.iter();
                self.figures = Figures {
                    offered: snapshot.stats.counters.get("telemetry_offered").copied().unwrap_or(0),
                    timed: timed(&snapshot.stats),
                    states: devices.map(|device| (device.id.clone(), device.state)).collect(),
                    is_finished: snapshot.end.is_some(),
                };
            }
            ToCollector::Line { .. } | ToCollector::Ended { .. } | ToCollector::Snapshot(_) => {}
        }
        ToSim::Taken { n: self.taken }
    }

    fn is_new(&mut self, n: u64) -> bool {
        assert!(n <= self.taken + 1, "{n} after {}", self.taken);
        let is_new = n == self.taken + 1;
        self.taken = self.taken.max(n);
        is_new
    }
}

/// A sim, a collector, and what is on its way between them.
struct World {
    now: Instant,
    machine: Machine,
    collector: Collector,
    up: VecDeque<String>,
    down: VecDeque<ToSim>,
    news: Vec<News>,
    process: Figures,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            now,
            machine: Machine::new(hello(), now),
            collector: Collector::default(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            news: Vec::new(),
            process: Figures::default(),
        }
    }

    /// Connected, and let in.
    fn open() -> Self {
        let mut world = Self::new();
        world.sends();
        world.arrive(1);
        world.reply(1);
        world
    }

    /// The same, and the process may run.
    fn going() -> Self {
        let mut world = Self::open();
        world.receive(ToSim::Go { stages_in_ms: 10_000 }).unwrap();
        world.news.clear();
        world
    }

    fn line(&mut self, line: Line) {
        self.process.line(&line);
        self.machine.line(line);
    }

    /// The driver: connects when it is time, and sends all that there is.
    fn sends(&mut self) {
        if self.machine.retry().is_some_and(|retry| self.now >= retry) {
            self.machine.connecting();
            let hello = self.machine.connected(self.now);
            self.up.push_back(hello);
        }
        while let Some(message) = self.machine.next(self.now) {
            self.up.push_back(message.to_string());
        }
    }

    /// So many messages reach the collector, which answers each.
    fn arrive(&mut self, count: usize) {
        for message in self.up.drain(..count.min(self.up.len())) {
            let reply = self.collector.receive(serde_json::from_str(&message).unwrap());
            self.down.push_back(reply);
        }
    }

    /// So many answers reach the sim.
    fn reply(&mut self, count: usize) {
        for reply in self.down.drain(..count.min(self.down.len())).collect::<Vec<_>>() {
            if self.machine.is_connected() {
                self.receive(reply).unwrap();
            }
        }
    }

    fn receive(&mut self, message: ToSim) -> Result<(), String> {
        let news = self.machine.receive(self.now, message)?;
        self.news.extend(news);
        Ok(())
    }

    /// The connection breaks, with all that is on its way.
    fn cut(&mut self, why: &str) -> Option<LinkNews> {
        self.up.clear();
        self.down.clear();
        self.machine.lost(self.now, why.to_owned())
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
    }

    fn links(&mut self) -> Vec<LinkNews> {
        let news = std::mem::take(&mut self.news).into_iter();
        news.map(|news| match news {
            News::Link(link) => link,
            other => panic!("{other:?}"),
        })
        .collect()
    }
}

#[derive(Debug, Clone)]
enum Op {
    Figures { offered: u64, times: u64 },
    Device(u8, bool),
    Arrive(usize),
    Reply(usize),
    Cut,
    Restart,
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..9_u64, 0..5_u64).prop_map(|(offered, times)| Op::Figures { offered, times }),
        2 => (0..3_u8, any::<bool>()).prop_map(|(id, online)| Op::Device(id, online)),
        4 => (0..5_usize).prop_map(Op::Arrive),
        4 => (0..5_usize).prop_map(Op::Reply),
        2 => Just(Op::Cut),
        1 => Just(Op::Restart),
        2 => (0..20_000_u64).prop_map(Op::Pass),
    ]
}

proptest! {
    /// Whatever is lost on the way, and however often the collector begins anew: at the end it has counted what the process
    /// has, no more and no less.
    #[test]
    fn nothing_is_lost_or_counted_twice(ops in prop::collection::vec(op(), 0..80)) {
        let (mut world, mut offered) = (World::new(), 0);
        for op in ops {
            match op {
                Op::Figures { offered: more, times } => {
                    offered += more;
                    world.line(figures(offered, times));
                }
                Op::Device(id, online) => world.line(device(id, if online { State::Online } else { State::Parked })),
                Op::Arrive(count) => world.arrive(count),
                Op::Reply(count) => world.reply(count),
                Op::Cut => drop(world.cut("cut")),
                Op::Restart => {
                    world.cut("restart");
                    world.collector = Collector::default();
                }
                Op::Pass(ms) => world.passes(Duration::from_millis(ms)),
            }
            world.sends();
        }
        world.line(Line::End { reason: EndReason::StagesOver });
        world.machine.ended(None);
        for _ in 0..10 {
            world.passes(SECOND * 10);
            world.sends();
            world.arrive(usize::MAX);
            world.reply(usize::MAX);
        }
        prop_assert!(world.machine.is_delivered());
        prop_assert!(world.collector.has_ended);
        prop_assert_eq!(&world.collector.figures, &world.process);
        prop_assert_eq!(world.machine.retry(), None, "there is nothing left to connect for");
    }
}

#[tokio::test]
async fn a_collector_that_was_started_again_gets_one_snapshot_and_then_lines() {
    let mut world = World::going();
    for offered in 1..=3 {
        world.line(figures(offered, 1));
        world.sends();
        world.arrive(1);
        world.reply(1);
    }
    world.cut("reset");
    world.collector = Collector::default();
    world.passes(SECOND);
    world.sends();
    assert!(world.up[0].contains(r#""stages_in_ms":9000"#), "{}", world.up[0]);
    world.arrive(1);
    world.reply(1);
    world.line(figures(4, 2));
    world.sends();
    world.line(figures(5, 1));
    world.sends();
    world.arrive(2);
    world.reply(2);
    assert_eq!((world.collector.snapshots, world.collector.taken), (1, 5));
    assert_eq!(world.collector.figures, world.process);
    world.passes(SECOND * 10);
    world.cut("reset");
    world.passes(SECOND * 10);
    world.sends();
    assert!(world.up[0].contains(r#""stages_in_ms":-11000"#), "{}", world.up[0]);
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_tried_with_growing_pauses_and_mentioned_once() {
    let mut world = World::new();
    let mut pauses = Vec::new();
    for try_ in 0..9 {
        world.machine.connecting();
        let news = world.cut("connection refused");
        let expected = (try_ == 0).then(|| LinkNews::Waiting("connection refused".to_owned()));
        assert_eq!(news, expected);
        let retry = world.machine.retry().unwrap();
        pauses.push(retry - world.now);
        world.now = retry;
    }
    for (index, pause) in pauses.iter().enumerate() {
        let longest = (Duration::from_millis(500) * 2_u32.pow(u32::try_from(index).unwrap())).min(SECOND * 10);
        assert!(*pause >= longest / 2 && *pause <= longest, "{pauses:?}");
    }
    world.machine.connecting();
    let other = world.cut("no such host");
    assert_eq!(other, Some(LinkNews::Waiting("no such host".to_owned())));
}

#[tokio::test]
async fn sims_that_lose_their_collector_together_come_back_apart() {
    let retry = |incarnation| {
        let mut hello = hello();
        hello.incarnation = NonZeroU32::new(incarnation).unwrap();
        let now = Instant::now();
        let mut machine = Machine::new(hello, now);
        machine.connecting();
        machine.lost(now, String::new());
        machine.retry().unwrap() - now
    };
    let all: std::collections::BTreeSet<_> = (1..=20).map(retry).collect();
    assert!(all.len() > 10, "{all:?}");
}

#[tokio::test]
async fn a_person_reads_when_the_collector_goes_and_when_it_is_back() {
    let mut world = World::going();
    world.passes(SECOND * 60);
    let gone = world.cut("it has closed the connection");
    assert_eq!(gone, Some(LinkNews::Gone("it has closed the connection".to_owned())));
    let begun = world.now;
    let mut mentioned = Vec::new();
    while world.now < begun + SECOND * 130 {
        world.now = world.machine.retry().unwrap();
        world.machine.connecting();
        mentioned.extend(world.cut("connection refused"));
    }
    assert_eq!(mentioned.len(), 2, "{mentioned:?}");
    assert!(matches!(mentioned[1], LinkNews::StillGone(time) if time >= SECOND * 120));
    world.now = world.machine.retry().unwrap();
    let away = world.now - begun;
    world.sends();
    world.arrive(1);
    world.reply(1);
    assert_eq!(world.links(), [LinkNews::Back(away)]);
}

#[tokio::test]
async fn while_devices_wait_a_lost_collector_is_waited_for_again() {
    let mut world = World::open();
    assert_eq!(world.links(), [LinkNews::LetIn]);
    let why = "it has closed the connection";
    assert_eq!(world.cut(why), Some(LinkNews::Waiting(why.to_owned())));
    world.passes(SECOND);
    world.sends();
    assert!(!world.up[0].contains("stages_in_ms"), "{}", world.up[0]);
    world.arrive(1);
    world.reply(1);
    assert_eq!(world.links(), [LinkNews::LetIn]);
}

#[tokio::test]
async fn each_refusal_has_its_consequence_before_and_after_go() {
    use Refusal::{Claimed, NotItsShard, OtherRun, OtherShards, Over, Superseded, Version};
    for (why, before, after) in [
        (Version, true, false),
        (OtherRun, true, false),
        (OtherShards, true, false),
        (NotItsShard, true, false),
        (Claimed, false, false),
        (Superseded, true, true),
        (Over, true, true),
    ] {
        for (mut world, is_final) in [(World::open(), before), (World::going(), after)] {
            world.news.clear();
            world.cut("reset");
            world.passes(SECOND * 10);
            world.sends();
            let message = "because".to_owned();
            world.receive(ToSim::Refused { why, message }).unwrap();
            assert!(!world.machine.is_connected());
            let news = world.news.pop();
            let is_refused = matches!(&news, Some(News::Refused { why: what, .. }) if *what == why);
            assert_eq!(is_refused, is_final, "{why:?}: {news:?}");
            assert_eq!(world.machine.retry().is_none(), is_final, "{why:?}");
            assert_eq!(world.cut("closed"), None, "it is not mentioned twice");
        }
    }
    let mut world = World::new();
    for news in [Some(LinkNews::Claimed("taken".to_owned())), None] {
        world.now = world.machine.retry().unwrap();
        world.sends();
        let message = "taken".to_owned();
        world.receive(ToSim::Refused { why: Claimed, message }).unwrap();
        assert_eq!(world.news.pop(), news.map(News::Link));
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_is_an_error_and_no_more() {
    let control = || ToSim::Control(Control::new(Action::Disconnect));
    let refused = |mut world: World, message| world.receive(message).unwrap_err();
    assert!(refused(World::open(), control()).contains("before go"));
    assert!(refused(World::going(), ToSim::Welcome { taken: 0 }).contains("welcome"));
    assert!(refused(World::going(), ToSim::Taken { n: 1 }).contains("never sent"));
    let mut greeting = World::new();
    greeting.sends();
    for message in [
        ToSim::Stop,
        control(),
        ToSim::Taken { n: 0 },
        ToSim::Go { stages_in_ms: 0 },
    ] {
        greeting.receive(message).unwrap_err();
    }
    let words = greeting.receive(ToSim::Welcome { taken: 1 }).unwrap_err();
    assert_eq!(words, "it has number 1 of this process, which has written 0");
}

#[tokio::test]
async fn go_counts_once_and_orders_and_stop_pass_in_their_order() {
    let mut world = World::open();
    world.news.clear();
    for message in [
        ToSim::Go { stages_in_ms: 7 },
        ToSim::Go { stages_in_ms: 9 },
        ToSim::Control(Control::new(Action::Disconnect)),
        ToSim::Stop,
    ] {
        world.receive(message).unwrap();
    }
    let expected = [
        News::Go { stages_in_ms: 7 },
        News::Control(Control::new(Action::Disconnect)),
        News::Stop,
    ];
    assert_eq!(world.news, expected);
}

#[tokio::test]
async fn a_collector_that_hangs_is_given_up() {
    let mut world = World::new();
    world.sends();
    assert_eq!(world.machine.overdue(world.now), None);
    world.passes(WELCOME_WITHIN);
    assert_eq!(world.machine.deadline(), Some(world.now));
    assert_eq!(
        world.machine.overdue(world.now).unwrap(),
        "it has not answered within 10s"
    );

    let mut world = World::going();
    world.passes(SECOND * 1_000);
    assert_eq!(world.machine.deadline(), None, "it owes nothing");
    world.line(figures(1, 1));
    world.sends();
    world.passes(SECOND * 20);
    world.line(figures(2, 1));
    world.sends();
    // One of two is progress.
    world.arrive(1);
    world.reply(1);
    world.passes(SECOND * 29);
    assert_eq!(world.machine.overdue(world.now), None);
    world.passes(SECOND);
    assert_eq!(
        world.machine.overdue(world.now).unwrap(),
        "it has taken nothing for 30s"
    );
}
