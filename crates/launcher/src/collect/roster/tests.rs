mod model;

use std::collections::BTreeMap;

use fleet_protocol::collect::{COLLECT_VERSION, Refusal, Snapshot};
use fleet_protocol::lines::{Action as Ordered, DeviceLine, EndReason, Line, State, Stats, counter};
use fleet_report::totals::Totals;

use super::*;
use crate::process::shards::Since;

const SECOND: Duration = Duration::from_secs(1);

/// A collector of three shards with seven devices, and what has come out of it.
struct World {
    roster: Roster,
    begun: Instant,
    now: Instant,
    sent: Vec<(Connection, ToSim)>,
    closed: Vec<Connection>,
    events: Vec<Event>,
    said: Vec<String>,
    go: Option<(Duration, bool)>,
    not_ready: Option<String>,
    is_over: bool,
}

fn world() -> World {
    let now = Instant::now();
    let terms = Terms {
        run_id: "r1".to_owned(),
        count: NonZeroU32::new(3).unwrap(),
        devices: 7,
        named: ["3 devices, a to c", "2 devices, d and e", "2 devices, f and g"]
            .map(str::to_owned)
            .to_vec(),
        lost_after: SECOND * 120,
        ready_until: now + SECOND * 600,
        lead: SECOND * 10,
    };
    World {
        roster: Roster::new(terms),
        begun: now,
        now,
        sent: Vec::new(),
        closed: Vec::new(),
        events: Vec::new(),
        said: Vec::new(),
        go: None,
        not_ready: None,
        is_over: false,
    }
}

fn hello(index: u32, incarnation: u32) -> Hello {
    Hello {
        version: COLLECT_VERSION,
        run_id: "r1".to_owned(),
        index,
        count: NonZeroU32::new(3).unwrap(),
        incarnation: NonZeroU32::new(incarnation).unwrap(),
        devices: if index == 0 { 3 } else { 2 },
        host: format!("host-{index}"),
        stages_in_ms: None,
    }
}

fn later(index: u32, incarnation: u32, stages_in_ms: i64) -> Hello {
    Hello {
        stages_in_ms: Some(stages_in_ms),
        ..hello(index, incarnation)
    }
}

fn stats(offered: u64) -> Stats {
    Stats {
        counters: BTreeMap::from([(counter::TELEMETRY_OFFERED.to_owned(), offered)]),
        ..Stats::default()
    }
}

fn line(n: u64, offered: u64) -> ToCollector {
    let line = Line::Stats(stats(offered));
    ToCollector::Line { n, line }
}

fn end(n: u64) -> ToCollector {
    let reason = EndReason::StagesOver;
    let line = Line::End { reason };
    ToCollector::Line { n, line }
}

fn stopped(n: u64) -> ToCollector {
    let reason = EndReason::Stopped;
    let line = Line::End { reason };
    ToCollector::Line { n, line }
}

fn ended(n: u64) -> ToCollector {
    ToCollector::Ended { n, died: None }
}

fn died(n: u64) -> ToCollector {
    let died = Some("exit status: 101; its last words:\n  oh".to_owned());
    ToCollector::Ended { n, died }
}

impl World {
    fn collect(&mut self) {
        for action in self.roster.actions() {
            match action {
                Action::Send(connection, message) => self.sent.push((connection, message)),
                Action::Close(connection) => self.closed.push(connection),
                Action::Event(event) => self.events.push(event),
                Action::Report(words) => self.said.push(words),
                Action::Go { begin, restarted } => {
                    let begin = begin.saturating_duration_since(self.begun);
                    assert!(self.go.replace((begin, restarted)).is_none(), "go comes once");
                }
                Action::NotReady(missing) => self.not_ready = Some(missing),
                Action::Over => assert!(!std::mem::replace(&mut self.is_over, true)),
            }
        }
    }

    fn hello(&mut self, connection: Connection, hello: &Hello) {
        let Hello { index, count, .. } = *hello;
        self.hello_as(connection, hello, Number { index, count });
    }

    fn hello_as(&mut self, connection: Connection, hello: &Hello, certificate: Number) {
        self.roster.hello(connection, hello, certificate, self.now);
        self.collect();
    }

    fn message(&mut self, connection: Connection, message: ToCollector) -> Result<(), String> {
        let done = self.roster.message(connection, message, self.now);
        self.collect();
        done
    }

    #[track_caller]
    fn takes(&mut self, connection: Connection, messages: impl IntoIterator<Item = ToCollector>) {
        for message in messages {
            self.message(connection, message).unwrap();
        }
    }

    fn close(&mut self, connection: Connection) {
        self.roster.closed(connection, "the connection was reset", self.now);
        self.collect();
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.roster.tick(self.now);
        self.collect();
    }

    fn stop(&mut self) {
        self.roster.stop();
        self.collect();
    }

    /// All shards are there, each on the connection of its number with the process of the next number, and go.
    fn going() -> Self {
        let mut world = world();
        for index in 0..3 {
            world.hello(u64::from(index), &hello(index, index + 1));
        }
        world.sent.clear();
        world.said.clear();
        world
    }

    /// What was sent on a connection, as it is written, since this was asked last.
    fn sent_on(&mut self, connection: Connection) -> Vec<String> {
        let (on, rest) = std::mem::take(&mut self.sent)
            .into_iter()
            .partition(|(to, _)| *to == connection);
        self.sent = rest;
        let on: Vec<(Connection, ToSim)> = on;
        on.iter()
            .map(|(_, message)| serde_json::to_string(message).unwrap())
            .collect()
    }

    #[track_caller]
    fn refused(&mut self, connection: Connection) -> (Refusal, String) {
        assert_eq!(self.closed.pop(), Some(connection));
        match self.sent.pop() {
            Some((to, ToSim::Refused { why, message })) if to == connection => (why, message),
            other => panic!("{other:?}"),
        }
    }

    /// What became of shards, in short.
    fn fates(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.events);
        let fate = |event: Event| match event.update {
            Update::Note(_, words) => Some(words),
            Update::Ended { died } => Some(died.unwrap_or_else(|| format!("shard {}/3 has ended", event.shard))),
            _ => None,
        };
        events.into_iter().filter_map(fate).collect()
    }

    /// How many messages all lines together have offered, and how many lines of figures there were.
    fn offered(&self) -> (u64, usize) {
        let mut totals = Totals::new(3);
        let mut lines = 0;
        for event in &self.events {
            if let Update::Figures(line, _) = &event.update {
                let line = line.stats.clone();
                totals.add(event.shard, line);
                lines += 1;
            }
        }
        (totals.counter(counter::TELEMETRY_OFFERED), lines)
    }
}

#[tokio::test]
async fn the_run_goes_when_the_last_shard_is_there() {
    let mut world = world();
    assert_eq!(world.roster.missing().unwrap(), "3 of 3 are missing: shards 0 to 2");
    world.hello(7, &hello(1, 5));
    world.hello(8, &hello(0, 5));
    assert_eq!(world.roster.missing().unwrap(), "1 of 3 is missing: shard 2");
    // One that leaves before is missing again, and another process may come.
    world.close(7);
    world.hello(9, &hello(1, 6));
    assert_eq!(world.go, None);
    world.now += SECOND * 3;
    world.hello(10, &hello(2, 1));
    assert_eq!(world.go, Some((SECOND * 13, false)));
    assert_eq!(world.roster.missing(), None);
    let (welcome, go) = (
        r#"{"type":"welcome","taken":0}"#,
        r#"{"type":"go","stages_in_ms":10000}"#,
    );
    for connection in [8, 9, 10] {
        assert_eq!(world.sent_on(connection), [welcome, go]);
    }
    assert_eq!(world.sent_on(7), [welcome]);
    assert_eq!(
        world.said,
        [
            "shard 1/3 is there: 2 devices on host-1",
            "shard 0/3 is there: 3 devices on host-0",
            "shard 1/3 has left: the connection was reset",
            "shard 1/3 is there: 2 devices on host-1",
            "shard 2/3 is there: 2 devices on host-2",
        ]
    );
    assert!(world.events.is_empty(), "before the run there is nothing to supervise");
}

#[tokio::test]
async fn sims_are_stopped_and_the_missing_named_when_it_takes_too_long() {
    let mut world = world();
    world.hello(0, &hello(1, 5));
    world.sent.clear();
    let ready_until = world.begun + SECOND * 600;
    assert_eq!(world.roster.deadline(), Some(ready_until));
    world.passes(SECOND * 599);
    assert_eq!(world.not_ready, None);
    world.passes(SECOND);
    assert_eq!(world.not_ready.as_deref(), Some("2 of 3 are missing: shards 0, 2"));
    assert_eq!(world.sent_on(0), [r#"{"type":"stop"}"#]);
    world.hello(1, &hello(0, 1));
    assert_eq!(world.refused(1).0, Refusal::Over);
}

#[tokio::test]
async fn a_sim_that_is_not_of_this_run_is_refused_with_the_reason() {
    let third = |index| Number {
        index,
        count: NonZeroU32::new(3).unwrap(),
    };
    let four = NonZeroU32::new(4).unwrap();
    let changed = |change: fn(&mut Hello)| {
        let mut hello = hello(1, 5);
        change(&mut hello);
        hello
    };
    let mut world = world();
    for (hello, certificate, why, words) in [
        (
            changed(|hello| hello.version = 2),
            third(1),
            Refusal::Version,
            "this collector speaks version 1 of its protocol, and the sim version 2: use the same program",
        ),
        (
            changed(|hello| hello.run_id = "r\u{1b}2".to_owned()),
            third(1),
            Refusal::OtherRun,
            "this collector is of run r1, and the sim's plan of run r\\u{1b}2: give both the same plan",
        ),
        (
            changed(|hello| hello.count = NonZeroU32::new(4).unwrap()),
            Number { index: 1, count: four },
            Refusal::OtherShards,
            "the fleet is cut into 3 shards here, and the sim has shard 1 of 4",
        ),
        (
            changed(|hello| hello.index = 3),
            third(1),
            Refusal::OtherShards,
            "the fleet is cut into 3 shards here, and the sim has shard 3 of 3",
        ),
        (
            changed(|hello| hello.devices = 3),
            third(1),
            Refusal::OtherShards,
            "shard 1/3 has 2 devices here, and 3 in the sim's plan",
        ),
        (
            hello(1, 5),
            third(2),
            Refusal::NotItsShard,
            "the certificate is of shard 2/3, and the sim has shard 1/3",
        ),
    ] {
        world.hello_as(1, &hello, certificate);
        assert_eq!(world.refused(1), (why, words.to_owned()));
    }
    world.hello(2, &hello(1, 5));
    world.hello(3, &hello(1, 6));
    let words = "another process has shard 1/3, and is connected".to_owned();
    assert_eq!(world.refused(3), (Refusal::Claimed, words));
    assert!(world.events.is_empty());
}

#[tokio::test]
async fn a_shard_that_comes_back_goes_on_where_it_was() {
    let mut world = World::going();
    world.takes(1, [line(1, 10), line(2, 20)]);
    let taken = |n| format!(r#"{{"type":"taken","n":{n}}}"#);
    assert_eq!(world.sent_on(1), [taken(1), taken(2)]);
    world.close(1);
    assert_eq!(
        world.fates(),
        [
            "shard 1/3 is lost, with 2 devices, d and e on host-1: the connection was reset; its devices may go on, and the \
          run waits 2m for it"
        ]
    );
    // What still comes on its old connection is nothing.
    world.takes(1, [line(9, 99)]);
    world.now += SECOND * 119;
    world.hello(5, &later(1, 2, -100_000));
    assert!(matches!(
        world.events[..],
        [
            Event {
                shard: 1,
                update: Update::Back
            },
            _
        ]
    ));
    assert_eq!(world.sent_on(5), [r#"{"type":"welcome","taken":2}"#], "it has its go");
    assert_eq!(world.fates(), ["shard 1/3 is back"]);
    world.takes(5, [line(1, 10), line(2, 20), line(3, 30)]);
    assert_eq!(world.offered(), (30, 1), "what came again is not taken again");
    assert_eq!(
        world.message(5, line(5, 50)),
        Err("number 5 after number 3".to_owned()),
        "nothing is skipped"
    );
    assert_eq!(world.offered(), (30, 1));
    world.passes(SECOND * 600);
    assert!(world.fates().is_empty(), "it is there");
}

#[tokio::test]
async fn the_same_process_on_a_new_connection_takes_the_place_of_the_old_one() {
    let mut world = World::going();
    world.hello(5, &later(1, 2, 9_000));
    assert_eq!(world.closed, [1]);
    world.close(1);
    world.takes(1, [line(1, 10)]);
    world.takes(5, [line(1, 10)]);
    assert_eq!(world.offered(), (10, 1));
    assert!(world.fates().is_empty(), "it was never away");
}

#[tokio::test]
async fn another_process_takes_the_place_of_one_that_is_lost_and_its_messages_are_added() {
    let mut world = World::going();
    world.takes(1, [line(1, 10)]);
    world.close(1);
    world.fates();
    world.now += SECOND * 20;
    world.hello(5, &hello(1, 9));
    let go = r#"{"type":"go","stages_in_ms":-10000}"#;
    assert_eq!(
        world.sent_on(5),
        [r#"{"type":"welcome","taken":0}"#, go],
        "the stages began before"
    );
    assert_eq!(world.fates(), ["shard 1/3 goes on in another process, on host-1"]);
    world.takes(5, [line(1, 4)]);
    assert_eq!(world.offered(), (14, 1));
    world.hello(6, &later(1, 2, -1));
    let (why, words) = world.refused(6);
    assert_eq!(
        (why, &*words),
        (
            Refusal::Superseded,
            "another process has taken the place of this one as shard 1/3"
        )
    );
}

#[tokio::test]
async fn a_shard_that_stays_away_is_lost_for_good_and_the_run_ends() {
    let mut world = World::going();
    world.close(1);
    world.fates();
    assert_eq!(world.roster.deadline(), Some(world.now + SECOND * 120));
    world.passes(SECOND * 119);
    assert!(world.fates().is_empty());
    world.passes(SECOND);
    assert_eq!(
        world.fates(),
        ["shard 1/3 is lost for good, with 2 devices, d and e: for 2m, neither it nor another process has come"]
    );
    world.hello(5, &later(1, 2, -1));
    assert_eq!(
        world.refused(5),
        (Refusal::Over, "shard 1/3 was given up, and the run ends".to_owned())
    );
    world.stop();
    world.takes(0, [end(1), ended(2)]);
    assert!(!world.is_over);
    world.takes(2, [end(1), ended(2)]);
    assert!(world.is_over);
}

#[tokio::test]
async fn a_shard_whose_process_died_is_waited_for_until_the_run_ends() {
    let mut world = World::going();
    world.takes(1, [line(1, 10), died(2)]);
    assert_eq!(
        world.fates(),
        ["shard 1/3 died: exit status: 101; the run waits 2m for another process"]
    );
    world.hello(5, &hello(1, 9));
    world.takes(5, [line(1, 1), ended(2)]);
    assert_eq!(
        world.fates(),
        [
            "shard 1/3 goes on in another process, on host-1",
            "shard 1/3 died: it ended without a last line; the run waits 2m for another process"
        ]
    );
    world.stop();
    assert_eq!(
        world.fates(),
        ["shard 1/3 had died, and no other process has taken its place"]
    );
    // When the run ends anyway, one that dies is not waited for.
    world.takes(0, [died(1)]);
    assert_eq!(world.fates(), ["shard 0/3 died: exit status: 101"]);
}

#[tokio::test]
async fn a_shard_that_its_scheduler_has_stopped_is_waited_for_as_if_it_had_died() {
    let mut world = World::going();
    world.takes(1, [line(1, 10), stopped(2), ended(3)]);
    assert_eq!(
        world.fates(),
        ["shard 1/3 was stopped before its stages were over; the run waits 2m for another process"]
    );
    world.hello(5, &hello(1, 9));
    world.takes(5, [line(1, 1), end(2), ended(3)]);
    assert_eq!(
        world.fates(),
        ["shard 1/3 goes on in another process, on host-1", "shard 1/3 has ended"]
    );
    // Where the run ends, it is what a shard is asked to do.
    world.stop();
    world.takes(0, [stopped(1), ended(2)]);
    assert_eq!(world.fates(), ["shard 0/3 has ended"]);
}

#[tokio::test]
async fn a_run_is_over_when_all_have_ended_and_a_sim_that_missed_it_can_ask_whether_all_was_taken() {
    let mut world = World::going();
    for connection in 0..3 {
        assert!(!world.is_over);
        world.takes(connection, [line(1, 5), end(2), ended(3)]);
    }
    assert!(world.is_over);
    assert_eq!(
        world.fates(),
        ["shard 0/3 has ended", "shard 1/3 has ended", "shard 2/3 has ended"]
    );
    world.sent.clear();
    world.close(1);
    world.hello(5, &later(1, 2, -1));
    assert_eq!(world.sent_on(5), [r#"{"type":"welcome","taken":3}"#]);
    world.takes(5, [ended(3)]);
    assert_eq!(world.sent_on(5), [r#"{"type":"taken","n":3}"#]);
    assert!(world.message(5, line(4, 9)).is_err(), "nothing follows an end");
    world.hello(6, &hello(1, 9));
    assert_eq!(world.refused(6).0, Refusal::Over);
    assert!(world.fates().is_empty());
    assert_eq!(world.roster.deadline(), None);
}

#[tokio::test]
async fn orders_go_to_all_that_are_there_and_a_stop_to_those_too_that_come_back() {
    let mut world = World::going();
    world.close(1);
    world.roster.control(&Control::new(Ordered::Disconnect));
    world.stop();
    let order = r#"{"type":"control","id":0,"do":"disconnect"}"#;
    let stop = r#"{"type":"stop"}"#;
    assert_eq!(world.sent_on(0), [order, stop]);
    assert_eq!(world.sent_on(2), [order, stop]);
    assert!(world.sent_on(1).is_empty());
    world.hello(5, &later(1, 2, -1));
    assert_eq!(world.sent_on(5), [r#"{"type":"welcome","taken":0}"#, stop]);
    world.close(5);
    world.hello(6, &hello(1, 9));
    assert_eq!(world.refused(6).0, Refusal::Over, "no process begins when the run ends");
    world.fates();
    world.roster.kill();
    world.collect();
    assert_eq!(
        world.fates(),
        [
            "shard 0/3 was given up",
            "shard 1/3 was given up",
            "shard 2/3 was given up"
        ]
    );
    assert!(world.is_over);
}

#[tokio::test]
async fn a_collector_that_is_started_again_goes_on_with_the_first_that_had_its_go() {
    let mut world = world();
    world.hello(0, &hello(0, 8));
    assert_eq!(world.go, None);
    world.sent.clear();
    world.now += SECOND;
    world.hello(1, &later(1, 2, 4_000));
    assert_eq!(world.go, Some((SECOND * 5, true)));
    assert_eq!(world.sent_on(0), [r#"{"type":"go","stages_in_ms":4000}"#]);
    assert_eq!(world.sent_on(1), [r#"{"type":"welcome","taken":0}"#], "it has its go");
    let mut offered = Snapshot {
        n: 40,
        stats: stats(400),
        devices: Vec::new(),
        end: None,
    };
    world.takes(1, [ToCollector::Snapshot(offered.clone())]);
    let since = |world: &World| match &world.events.last().unwrap().update {
        Update::Figures(_, since) => *since,
        other => panic!("{other:?}"),
    };
    assert_eq!(since(&world), Since::Before, "that is of no second of this collector's");
    assert_eq!(world.sent_on(1), [r#"{"type":"taken","n":40}"#]);
    world.takes(1, [line(41, 410)]);
    assert_eq!((since(&world), world.offered()), (Since::LastLine, (410, 2)));
    offered.n = 39;
    world.takes(1, [ToCollector::Snapshot(offered)]);
    assert_eq!(world.offered(), (410, 2), "an older snapshot has nothing new");
    // The third has not come since, and is lost in the end.
    world.passes(SECOND * 120);
    assert_eq!(
        world.fates(),
        ["shard 2/3 is lost for good, with 2 devices, f and g: for 2m, neither it nor another process has come"]
    );
}

#[tokio::test]
async fn a_shard_that_was_not_seen_since_a_restart_is_there_when_it_comes() {
    let mut world = world();
    world.hello(1, &later(1, 2, -4_000));
    world.hello(2, &later(2, 3, -4_010));
    assert!(world.fates().is_empty());
    assert_eq!(world.said.last().unwrap(), "shard 2/3 is there: 2 devices on host-2");
}

#[tokio::test]
async fn figures_that_can_not_be_are_refused_and_change_nothing() {
    let mut world = World::going();
    world.takes(1, [line(1, 10)]);
    let refused = world.message(1, line(2, u64::MAX));
    assert_eq!(refused, Err("a figure that can't be: telemetry_offered".to_owned()));
    let done = Line::Done { id: 1, devices: 3 };
    let refused = world.message(1, ToCollector::Line { n: 2, line: done });
    assert_eq!(refused, Err("an order reached 3 of 2 devices".to_owned()));
    world.takes(1, [line(2, 20)]);
    assert_eq!(world.offered(), (20, 2));
}

#[tokio::test]
async fn lines_of_devices_are_taken_too_and_answered_now_and_then() {
    let mut world = World::going();
    let device = |n| {
        let device: DeviceLine = serde_json::from_value(serde_json::json!({"id": "a", "state": "online"})).unwrap();
        assert_eq!(device.state, State::Online);
        let line = Line::Device(device);
        ToCollector::Line { n, line }
    };
    world.takes(0, (1..=600).map(device));
    assert_eq!(
        world.sent_on(0),
        [r#"{"type":"taken","n":256}"#, r#"{"type":"taken","n":512}"#]
    );
    assert_eq!(world.events.len(), 600);
    for answers in [&[r#"{"type":"taken","n":600}"#][..], &[]] {
        world.roster.answer_all();
        world.collect();
        assert_eq!(world.sent_on(0), answers, "the rest is answered once");
    }
}
