//! The real program, killed under load again and again: what it has acknowledged is there at the next start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use reqwest::{Method, StatusCode};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, Packet, Publish, Subscribe};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::process::{Program, program};
use testing::device::{DPS_FILTER, Device, Hello, REGISTER};
use testing::party::Party;
use testing::rest::Rest;

const ROUNDS: u64 = 20;

/// What the program has acknowledged.
#[derive(Default)]
struct Acknowledged {
    groups: Vec<String>,
    devices: Vec<String>,
    /// Registered devices, with whether a message to them was accepted.
    registered: BTreeMap<String, (Arc<Party>, bool)>,
    /// The last value that a device reported, and its version.
    reported: (u64, u64),
    desired: u64,
}

/// One life of the program, as those see it who put load on it.
#[derive(Clone)]
struct Life {
    round: u64,
    program: Arc<Program>,
    rest: Rest,
    acknowledged: Arc<Mutex<Acknowledged>>,
    count: watch::Sender<u64>,
}

impl Life {
    fn start(state: &Path, round: u64, acknowledged: &Arc<Mutex<Acknowledged>>) -> Self {
        let program = Program::start(program(state).args(["--dps-retry-after", "0"]));
        Self {
            round,
            rest: Rest::new(&program),
            program: Arc::new(program),
            acknowledged: Arc::clone(acknowledged),
            count: watch::Sender::new(0),
        }
    }

    fn acknowledge(&self, note: impl FnOnce(&mut Acknowledged)) {
        note(&mut self.acknowledged.lock().unwrap());
        self.count.send_modify(|count| *count += 1);
    }

    /// A REST write that must go well; none if the program is gone.
    async fn write(&self, method: Method, path: &str, body: Value) -> Option<()> {
        let expected = match method {
            Method::PUT => StatusCode::OK,
            _ => StatusCode::ACCEPTED,
        };
        let answer = self.rest.attempt(method, path, Some(body.to_string())).await.ok()?;
        assert_eq!(answer.status(), expected, "{path}");
        Some(())
    }

    async fn enroll(self) -> Option<()> {
        for number in 0.. {
            let name = format!("w-{}-{number}", self.round);
            let body = json!({"displayName": name, "type": "iot", "attestation": {"type": "x509"}});
            let path = format!("/api/enrollmentGroups/{name}?api-version=2022-07-31");
            self.write(Method::PUT, &path, body).await?;
            self.acknowledge(|all| all.groups.push(name.clone()));
            let path = format!("/api/devices/{name}?api-version=2022-07-31");
            self.write(Method::PUT, &path, json!({"displayName": name})).await?;
            self.acknowledge(|all| all.devices.push(name));
        }
        None
    }

    async fn desire(self) -> Option<()> {
        let path = "/api/devices/t-0/properties?api-version=2022-07-31";
        let last = self.acknowledged.lock().unwrap().desired;
        for value in last + 1.. {
            self.write(Method::PATCH, path, json!({"targetTemperature": value}))
                .await?;
            self.acknowledge(|all| all.desired = value);
        }
        None
    }

    async fn register(self, root: Arc<Party>, line: u64) -> Option<()> {
        for number in 0.. {
            let id = format!("r-{}-{line}-{number}", self.round);
            let leaf = Arc::new(root.leaf(&id));
            let mut device = hello(&self.program, &leaf, Hello::dps(&id)).await?;
            subscribe(&mut device, DPS_FILTER).await?;
            let (_, answer) = exchange(&mut device, REGISTER, "{}").await?;
            let operation = answer["operationId"].as_str().unwrap();
            let poll = format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={operation}");
            let (_, answer) = exchange(&mut device, &poll, "").await?;
            assert_eq!(answer["status"], "assigned", "{answer}");
            self.acknowledge(|all| drop(all.registered.insert(id.clone(), (leaf, false))));
            let path = format!("/emulator/devices/{id}/messages");
            self.write(Method::POST, &path, json!({"body": id})).await?;
            self.acknowledge(|all| all.registered.get_mut(&id).unwrap().1 = true);
        }
        None
    }

    async fn report(self, leaf: Arc<Party>) -> Option<()> {
        let mut device = hello(&self.program, &leaf, Hello::hub("t-0")).await?;
        subscribe(&mut device, "$iothub/twin/res/#").await?;
        let (last, _) = self.acknowledged.lock().unwrap().reported;
        for value in last + 1.. {
            let topic = "$iothub/twin/PATCH/properties/reported/?$rid=1";
            let (topic, _) = exchange(&mut device, topic, &json!({"n": value}).to_string()).await?;
            let version = topic.strip_prefix("$iothub/twin/res/204/?$rid=1&$version=");
            let version = version.unwrap_or_else(|| panic!("{topic}")).parse().unwrap();
            self.acknowledge(|all| all.reported = (value, version));
        }
        None
    }

    /// Finds everything that was acknowledged: at most, what was on its way beside it.
    async fn finds(&self, is_new: impl Fn(&str) -> bool) {
        let (mut paths, registered, (value, version), desired) = {
            let all = self.acknowledged.lock().unwrap();
            let groups = all.groups.iter().map(|id| format!("enrollmentGroups/{id}"));
            let devices = all.devices.iter().map(|id| format!("devices/{id}"));
            let paths: Vec<_> = groups.chain(devices).collect();
            (paths, all.registered.clone(), all.reported, all.desired)
        };
        paths.retain(|path| is_new(path.rsplit('/').next().unwrap()));
        for path in paths {
            assert_eq!(self.rest.get(&path).await.0, 200, "{path}");
        }
        for (id, (leaf, was_sent_to)) in registered.into_iter().filter(|(id, _)| is_new(id)) {
            let (_, view) = self
                .rest
                .raw(Method::GET, &format!("/emulator/devices/{id}"), None)
                .await;
            assert!(
                view["messages_waiting"].as_u64() >= Some(was_sent_to.into()),
                "{id}: {view}"
            );
            let (_, answer) = Device::greet(&*self.program, Some(&*leaf), Hello::hub(&id).keep_session()).await;
            assert_eq!(answer.code, ConnectReturnCode::Success, "{id}");
        }
        let (_, view) = self.rest.raw(Method::GET, "/emulator/devices/t-0", None).await;
        let twin = &view["twin"];
        let reported = (
            twin["reported"]["n"].as_u64().unwrap_or(0),
            twin["reported"]["$version"].as_u64().unwrap(),
        );
        assert!(
            [(value, version), (value + 1, version + 1)].contains(&reported),
            "{reported:?} after {value} at version {version}"
        );
        let kept = twin["desired"]["targetTemperature"].as_u64().unwrap_or(0);
        assert!([desired, desired + 1].contains(&kept), "desired {kept} after {desired}");
        // What was on its way is acknowledged now that it is seen.
        let mut all = self.acknowledged.lock().unwrap();
        (all.reported, all.desired) = (reported, kept);
    }
}

/// Connects, which must go well; none if the program is gone.
async fn hello(program: &Program, party: &Party, hello: Hello) -> Option<Device> {
    let mut device = Device::try_dial(program, party).await.ok()?;
    match device.ask(Packet::Connect(hello.connect)).await? {
        Packet::ConnAck(answer) if answer.code == ConnectReturnCode::Success => Some(device),
        answer => panic!("{answer:?}"),
    }
}

async fn subscribe(device: &mut Device, filter: &str) -> Option<()> {
    let mut subscribe = Subscribe::new(filter, QoS::AtMostOnce);
    subscribe.pkid = 1;
    let answer = device.ask(Packet::Subscribe(subscribe)).await?;
    assert!(matches!(answer, Packet::SubAck(_)), "{answer:?}");
    Some(())
}

/// Publishes, and gives topic and body of the answer.
async fn exchange(device: &mut Device, topic: &str, body: &str) -> Option<(String, Value)> {
    match device
        .ask(Packet::Publish(Publish::new(topic, QoS::AtMostOnce, body)))
        .await?
    {
        Packet::Publish(answer) => Some((
            answer.topic,
            serde_json::from_slice(&answer.payload).unwrap_or_default(),
        )),
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_under_load_it_loses_nothing_that_it_has_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = Arc::new(Mutex::new(Acknowledged {
        reported: (0, 1),
        ..Acknowledged::default()
    }));
    let root = Arc::new(Party::root("root"));
    let leaf = Arc::new(root.leaf("t-0"));
    for round in 0..ROUNDS {
        let life = Life::start(folder.path(), round, &acknowledged);
        if round == 0 {
            life.rest.enroll_group("g", &root).await;
            Device::register(&*life.program, &leaf, "t-0").await;
        }
        // Names of the round before, which the last kill may have taken.
        let last = round.wrapping_sub(1).to_string();
        life.finds(|name| name.split('-').nth(1) == Some(&*last)).await;

        let load = [
            tokio::spawn(life.clone().enroll()),
            tokio::spawn(life.clone().desire()),
            tokio::spawn(life.clone().register(Arc::clone(&root), 0)),
            tokio::spawn(life.clone().register(Arc::clone(&root), 1)),
            tokio::spawn(life.clone().report(Arc::clone(&leaf))),
        ];
        // Each life ends at another moment.
        let enough = 60 + round * 37 % 120;
        let mut count = life.count.subscribe();
        count.wait_for(|count| *count >= enough).await.unwrap();
        life.program.kill();
        for task in load {
            assert!(task.await.unwrap().is_none());
        }
    }
    let life = Life::start(folder.path(), ROUNDS, &acknowledged);
    life.finds(|_| true).await;
    life.program.kill();
    {
        let all = acknowledged.lock().unwrap();
        let least = usize::try_from(ROUNDS).unwrap();
        let messages = all.registered.values().filter(|(_, was_sent_to)| *was_sent_to).count();
        for (what, count) in [
            ("groups", all.groups.len()),
            ("devices", all.devices.len()),
            ("registered", all.registered.len()),
            ("messages", messages),
            ("reported", usize::try_from(all.reported.0).unwrap()),
            ("desired", usize::try_from(all.desired).unwrap()),
        ] {
            assert!(count >= least, "only {count} {what} were under load");
        }
    }
}
