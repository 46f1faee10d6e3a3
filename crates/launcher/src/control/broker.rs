//! Where the requests to a live run are answered: control lines go out to all processes, and what these report about
//! them comes back as one answer. It does no I/O; the run's supervisor hands in what the processes write.

use std::collections::{BTreeMap, BTreeSet};

use fleet_protocol::lines::{Control, DeviceLine};
use tokio::sync::{mpsc, oneshot};

use super::{Request, Status};

/// The broker of one run.
#[derive(Debug)]
pub(crate) struct Broker {
    status: Status,
    alive: BTreeSet<usize>,
    next_id: u64,
    orders: BTreeMap<u64, Order>,
    devices: BTreeMap<String, DeviceLine>,
    watchers: Vec<mpsc::UnboundedSender<DeviceLine>>,
}

/// A control line that not all processes have answered.
#[derive(Debug)]
struct Order {
    missing: BTreeSet<usize>,
    devices: u32,
    refused: Option<String>,
    answer: oneshot::Sender<Result<u32, String>>,
}

impl Broker {
    pub(crate) fn new(status: Status, processes: usize) -> Self {
        Self {
            status,
            alive: (0..processes).collect(),
            next_id: 0,
            orders: BTreeMap::new(),
            devices: BTreeMap::new(),
            watchers: Vec::new(),
        }
    }

    /// Takes a question. What it returns is to be sent to every process.
    pub(crate) fn ask(&mut self, question: Request) -> Option<Control> {
        // The caller may have gone away; then the answer goes nowhere.
        match question {
            Request::Status { answer } => {
                let _ = answer.send(self.status.clone());
                None
            }
            // The supervisor ends the run; there is nothing to send for it.
            Request::End { answer } | Request::Leave { answer } => {
                let _ = answer.send(());
                None
            }
            Request::Watch { lines, answer } => {
                let sent = self.devices.values().all(|device| lines.send(device.clone()).is_ok());
                if sent {
                    self.watchers.push(lines);
                }
                let _ = answer.send(());
                None
            }
            Request::Order { answer, .. } if self.alive.is_empty() => {
                let _ = answer.send(Err("no process is left".to_owned()));
                None
            }
            Request::Order { control, answer } => {
                self.next_id += 1;
                let order = Order {
                    missing: self.alive.clone(),
                    devices: 0,
                    refused: None,
                    answer,
                };
                self.orders.insert(self.next_id, order);
                // The order turns here: it gets a number of the run's own. Each asker counts from 1 (a roll, a person at
                // the socket, an event), and a process answers with the number alone, so with theirs one `done` could
                // answer another asker's order. The socket answers each with its own number again.
                Some(Control {
                    id: self.next_id,
                    ..control
                })
            }
        }
    }

    pub(crate) fn done(&mut self, process: usize, id: u64, devices: u32) {
        self.answered(process, id, |order| order.devices += devices);
    }

    /// Whether it was about a line of ours.
    pub(crate) fn refused(&mut self, process: usize, id: Option<u64>, message: &str) -> bool {
        let Some(id) = id.filter(|id| self.orders.contains_key(id)) else {
            return false;
        };
        self.answered(process, id, |order| {
            order.refused.get_or_insert_with(|| message.to_owned());
        });
        true
    }

    pub(crate) fn device(&mut self, device: &DeviceLine) {
        // A fleet has no more devices than its plan.
        if self.devices.len() >= self.status.devices as usize && !self.devices.contains_key(&device.id) {
            return;
        }
        self.watchers.retain(|lines| lines.send(device.clone()).is_ok());
        let known = self.devices.entry(device.id.clone()).or_insert_with(|| device.clone());
        // Which certificate a device uses and which hub it is assigned to stay true until it reports another.
        let leaf_sha256 = device.leaf_sha256.clone().or_else(|| known.leaf_sha256.take());
        let hub = device.hub.clone().or_else(|| known.hub.take());
        *known = DeviceLine {
            leaf_sha256,
            hub,
            ..device.clone()
        };
    }

    /// The last line of each device.
    pub(crate) fn into_devices(self) -> BTreeMap<String, DeviceLine> {
        self.devices
    }

    /// A process that has ended answers no more.
    pub(crate) fn ended(&mut self, process: usize) {
        self.alive.remove(&process);
        let waiting: Vec<u64> = self.orders.keys().copied().collect();
        for id in waiting {
            self.answered(process, id, |_| {});
        }
    }

    /// A process that was away, or another in its place, answers again what is asked from now on.
    pub(crate) fn back(&mut self, process: usize) {
        self.alive.insert(process);
    }

    fn answered(&mut self, process: usize, id: u64, note: impl FnOnce(&mut Order)) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        if order.missing.remove(&process) {
            note(order);
        }
        if order.missing.is_empty()
            && let Some(order) = self.orders.remove(&id)
        {
            let _ = order.answer.send(order.refused.map_or(Ok(order.devices), Err));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use fleet_protocol::lines::{Action, State};

    use super::*;

    fn broker(processes: usize) -> Broker {
        let status = Status {
            run_id: "r1".into(),
            pid: 1,
            devices: 4,
            plan: PathBuf::from("plan.json"),
            figures: serde_json::Value::Null,
            set: Vec::new(),
            service: None,
        };
        Broker::new(status, processes)
    }

    fn order(broker: &mut Broker) -> (u64, oneshot::Receiver<Result<u32, String>>) {
        let (answer, answered) = oneshot::channel();
        let control = Control::new(Action::Reregister);
        let sent = broker.ask(Request::Order { control, answer }).unwrap();
        (sent.id, answered)
    }

    fn line(id: &str, state: State, leaf: Option<&str>) -> DeviceLine {
        DeviceLine {
            id: id.into(),
            state,
            hub: None,
            leaf_sha256: leaf.map(Into::into),
            offline_ms: None,
            reason: None,
            message: None,
            negative: false,
        }
    }

    #[test]
    fn an_order_is_answered_when_all_processes_have_answered_with_the_sum_of_their_devices() {
        let mut broker = broker(2);
        let (first, mut answered) = order(&mut broker);
        let (second, mut other) = order(&mut broker);
        assert_ne!(first, second, "two askers with the same id are kept apart");
        broker.done(0, first, 3);
        broker.done(0, first, 3);
        assert!(answered.try_recv().is_err(), "one process is missing");
        broker.done(1, first, 2);
        assert_eq!(answered.try_recv().unwrap(), Ok(5));
        assert!(other.try_recv().is_err());
        assert!(broker.refused(0, Some(second), "no"));
        broker.done(1, second, 2);
        assert_eq!(other.try_recv().unwrap(), Err("no".to_owned()));
        assert!(
            !broker.refused(0, Some(second), "no"),
            "no request waits for it any more"
        );
        assert!(!broker.refused(0, None, "no"));
    }

    #[test]
    fn a_process_that_ends_keeps_no_order_waiting() {
        let mut broker = broker(2);
        let (id, mut answered) = order(&mut broker);
        broker.done(1, id, 2);
        broker.ended(0);
        assert_eq!(answered.try_recv().unwrap(), Ok(2));
        broker.back(0);
        let (id, mut answered) = order(&mut broker);
        broker.done(1, id, 2);
        assert!(answered.try_recv().is_err(), "it is asked again once it is back");
        broker.done(0, id, 1);
        assert_eq!(answered.try_recv().unwrap(), Ok(3));
        broker.ended(0);
        broker.ended(1);
        let (answer, mut answered) = oneshot::channel();
        let control = Control::new(Action::Stop);
        assert_eq!(broker.ask(Request::Order { control, answer }), None);
        assert!(answered.try_recv().unwrap().is_err());
    }

    #[test]
    fn no_more_devices_are_kept_than_a_fleet_has() {
        let mut broker = broker(1);
        for number in 0..9 {
            broker.device(&line(&number.to_string(), State::Online, None));
        }
        broker.device(&line("0", State::Parked, None));
        let devices = broker.into_devices();
        assert_eq!((devices.len(), devices["0"].state), (4, State::Parked));
    }

    #[test]
    fn a_watch_gets_the_last_line_of_each_device_with_its_certificate_and_then_each_new_one() {
        let mut broker = broker(1);
        broker.device(&line("b", State::Online, Some("aa")));
        broker.device(&line("a", State::Registering, None));
        broker.device(&line("b", State::BackingOff, None));
        let (lines, mut received) = mpsc::unbounded_channel();
        let (answer, mut answered) = oneshot::channel();
        broker.ask(Request::Watch { lines, answer });
        answered.try_recv().unwrap();
        assert_eq!(received.try_recv().unwrap(), line("a", State::Registering, None));
        assert_eq!(received.try_recv().unwrap(), line("b", State::BackingOff, Some("aa")));
        assert!(received.try_recv().is_err());
        broker.device(&line("a", State::Online, Some("bb")));
        assert_eq!(received.try_recv().unwrap(), line("a", State::Online, Some("bb")));
    }
}
