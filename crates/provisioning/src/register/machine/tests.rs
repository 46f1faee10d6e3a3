//! The machine in virtual time. Bodies are those of the public documentation.

use iot_protocol::id::RegistrationId;
use proptest::prelude::*;

use super::*;

const ASSIGNING: &str = r#"{"operationId":"4.op","status":"assigning"}"#;
const ASSIGNED: &str = r#"{"operationId":"4.op","status":"assigned","registrationState":{"x509":{},
    "registrationId":"thermo-0001","createdDateTimeUtc":"2026-11-23T15:00:00.1234567Z",
    "assignedHub":"hub1.azure-devices.net","deviceId":"thermo-0001","status":"assigned",
    "substatus":"initialAssignment","lastUpdatedDateTimeUtc":"2026-11-23T15:00:00.2345678Z","etag":"IjAw"}}"#;
const DISABLED: &str = r#"{"operationId":"","status":"disabled","registrationState":{"registrationId":"thermo-0001","status":"disabled"}}"#;
const NOT_APPROVED: &str = r#"{"operationId":"4.op","status":"failed","registrationState":{"registrationId":"thermo-0001",
    "status":"failed","errorCode":400209,"errorMessage":"Device is not approved."}}"#;
const THROTTLED: &str = r#"{"errorCode":429001,"trackingId":"t","message":"Too many."}"#;
const UNAVAILABLE: &str = r#"{"errorCode":503000,"trackingId":"t","message":"Later."}"#;

/// Milliseconds since the registration began.
type Millis = u64;

struct Rig {
    machine: Machine<Box<dyn FnMut() -> f64>>,
    start: Instant,
    now: Millis,
    /// When polls were sent.
    polls: Vec<Millis>,
}

impl Rig {
    /// A machine with five minutes, half a minute per answer, and always half of the possible jitter.
    fn new() -> Self {
        Self::with_jitter(|| 0.5)
    }

    fn with_jitter(jitter: impl FnMut() -> f64 + 'static) -> Self {
        let patience = Patience {
            deadline: Duration::from_secs(300),
            answer_timeout: Duration::from_secs(30),
        };
        let request = RegistrationRequest::new(&RegistrationId::new("thermo-0001").unwrap(), None);
        let start = Instant::now();
        Self {
            machine: Machine::new(&request, patience, Box::new(jitter), start),
            start,
            now: 0,
            polls: Vec::new(),
        }
    }

    /// A machine whose PUT was sent.
    fn asking() -> Self {
        let mut rig = Self::new();
        assert!(matches!(rig.handle(Event::Connected), Action::Subscribe));
        assert_eq!(
            topic_of(&rig.handle(Event::Subscribed)),
            "$dps/registrations/PUT/iotdps-register/?$rid=1"
        );
        rig
    }

    /// A machine whose first poll was sent.
    fn polling() -> Self {
        let mut rig = Self::asking();
        rig.waits_until(3_000, 202, Some(3), ASSIGNING);
        rig.asks("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.op");
        rig
    }

    fn handle(&mut self, event: Event) -> Action {
        let now = self.start + Duration::from_millis(self.now);
        let action = self.machine.handle(event, now);
        if let Action::Publish {
            topic: RequestTopic::Poll { .. },
            body,
        } = &action
        {
            assert!(body.is_empty());
            self.polls.push(self.now);
        }
        action
    }

    /// An answer to the last request.
    fn answer(&mut self, status: u16, retry_after: Option<u64>, body: &'static str) -> Action {
        let request_id = RequestId::from_number(self.machine.requests);
        let topic = ResponseTopic {
            status,
            request_id,
            retry_after,
        }
        .to_string();
        self.handle(Event::Response {
            topic,
            body: Bytes::from_static(body.as_bytes()),
        })
    }

    fn deadline(&self) -> Millis {
        u64::try_from((self.machine.deadline() - self.start).as_millis()).unwrap()
    }

    #[track_caller]
    fn waits_until(&mut self, deadline: Millis, status: u16, retry_after: Option<u64>, body: &'static str) {
        let action = self.answer(status, retry_after, body);
        assert!(matches!(action, Action::Wait), "{action:?}");
        assert_eq!(self.deadline(), deadline);
    }

    /// Lets the time pass to the deadline, where a request has to be made.
    #[track_caller]
    fn asks(&mut self, topic: &str) {
        self.now = self.deadline();
        assert_eq!(topic_of(&self.handle(Event::Deadline)), topic);
    }

    #[track_caller]
    fn fails(&mut self, status: u16, retry_after: Option<u64>, body: &'static str) -> RegistrationFailure {
        match self.answer(status, retry_after, body) {
            Action::Fail(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

fn topic_of(action: &Action) -> String {
    match action {
        Action::Publish { topic, .. } => topic.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn whole_registration_as_documented() {
    let mut rig = Rig::new();
    assert!(matches!(rig.handle(Event::Connected), Action::Subscribe));
    rig.now = 100;
    let Action::Publish { topic, body } = rig.handle(Event::Subscribed) else {
        panic!("a PUT comes next")
    };
    assert_eq!(topic.to_string(), "$dps/registrations/PUT/iotdps-register/?$rid=1");
    assert_eq!(body, r#"{"registrationId":"thermo-0001"}"#);
    rig.now = 200;
    rig.waits_until(3_200, 202, Some(3), ASSIGNING);
    rig.asks("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.op");
    rig.now = 3_300;
    rig.waits_until(6_300, 202, Some(3), ASSIGNING);
    rig.asks("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=3&operationId=4.op");
    rig.now = 6_400;
    let Action::Done(assigned) = rig.answer(200, None, ASSIGNED) else {
        panic!("it is assigned")
    };
    assert_eq!(assigned.assigned_hub.as_str(), "hub1.azure-devices.net");
    assert_eq!(assigned.device_id.as_str(), "thermo-0001");
    assert_eq!(assigned.substatus, Some(Substatus::InitialAssignment));
    assert_eq!(rig.machine.waited(), Duration::from_secs(6), "3 s before each poll");
    assert_eq!(rig.machine.throttled(), 0);
}

#[test]
fn model_is_announced_in_the_payload() {
    let model = "dtmi:com:example:Thermostat;1".parse().unwrap();
    let request = RegistrationRequest::new(&RegistrationId::new("thermo-0001").unwrap(), Some(&model));
    let patience = Patience {
        deadline: Duration::from_secs(300),
        answer_timeout: Duration::from_secs(30),
    };
    let now = Instant::now();
    let mut machine = Machine::new(&request, patience, || 0.0, now);
    let Action::Publish { body, .. } = machine.handle(Event::Subscribed, now) else {
        panic!("a PUT comes next")
    };
    assert_eq!(
        body,
        r#"{"registrationId":"thermo-0001","payload":{"modelId":"dtmi:com:example:Thermostat;1"}}"#
    );
}

#[test]
fn assignment_may_come_at_once() {
    assert!(matches!(Rig::asking().answer(200, None, ASSIGNED), Action::Done(_)));
}

#[test]
fn poll_without_retry_after_waits_two_seconds_and_jitter() {
    for (jitter, deadline) in [(0.0, 2_000), (0.5, 4_500), (1.0, 7_000), (9.0, 7_000)] {
        let mut rig = Rig::with_jitter(move || jitter);
        rig.handle(Event::Subscribed);
        rig.waits_until(deadline, 202, None, ASSIGNING);
    }
}

#[test]
fn final_refusals_end_the_registration_on_put_and_on_get() {
    let unauthorized = r#"{"errorCode":401002,"trackingId":"8ad0463c","message":"Invalid certificate."}"#;
    let not_found = r#"{"errorCode":404201,"trackingId":"t","message":"No enrollment."}"#;
    let conflict = r#"{"errorCode":409000,"trackingId":"t","message":"Again?"}"#;
    let custom = r#"{"operationId":"4.op","status":"failed","registrationState":{"registrationId":"thermo-0001",
        "status":"failed","errorCode":400207,"errorMessage":"Custom allocation failed with status code: 400"}}"#;
    for (status, body, reason, retryable) in [
        (200, DISABLED, "dps_disabled", false),
        (200, NOT_APPROVED, "dps_not_approved", false),
        (200, custom, "dps_assignment_failed", false),
        (401, unauthorized, "dps_unauthorized", false),
        (404, not_found, "dps_not_found", false),
        (400, "", "dps_bad_request", false),
        (409, conflict, "dps_conflict", true),
        (403, "not json", "dps_error", false),
        (302, "", "dps_error", false),
    ] {
        for mut rig in [Rig::asking(), Rig::polling()] {
            let failure = rig.fails(status, None, body);
            assert_eq!(
                (failure.reason(), failure.is_retryable()),
                (reason, retryable),
                "{failure:?}"
            );
            assert_eq!(failure.retry_after(), None);
        }
    }
}

#[test]
fn refusal_carries_the_words_of_the_service() {
    let body = r#"{"errorCode":401002,"trackingId":"8ad0463c","message":"Invalid certificate.","info":{}}"#;
    let failure = Rig::asking().fails(401, None, body);
    assert_eq!(
        failure.to_string(),
        "was refused: 401002 Invalid certificate. (tracking id 8ad0463c)"
    );
    let failure = Rig::asking().fails(200, None, NOT_APPROVED);
    assert_eq!(
        failure.to_string(),
        "failed in the assignment: 400209 Device is not approved."
    );
    let failure = Rig::asking().fails(404, None, "");
    assert!(
        matches!(failure, RegistrationFailure::Service { code: 404_000, .. }),
        "{failure:?}"
    );
}

#[test]
fn throttled_put_is_put_again_after_the_wait() {
    let mut rig = Rig::asking();
    // What the service names, and half of as much again.
    rig.waits_until(10_500, 429, Some(7), THROTTLED);
    rig.asks("$dps/registrations/PUT/iotdps-register/?$rid=2");
    // Without a wait of the service's: 5 s and half of as much, doubled each time.
    rig.waits_until(25_500, 429, None, THROTTLED);
    rig.asks("$dps/registrations/PUT/iotdps-register/?$rid=3");
    rig.waits_until(55_500, 503, None, UNAVAILABLE);
    rig.asks("$dps/registrations/PUT/iotdps-register/?$rid=4");
    assert_eq!(
        (rig.machine.throttled(), rig.machine.waited()),
        (2, Duration::from_millis(55_500))
    );
    assert!(matches!(rig.answer(200, None, ASSIGNED), Action::Done(_)));
}

#[test]
fn throttled_poll_polls_the_same_operation_again() {
    let mut rig = Rig::polling();
    for (status, retry_after, number) in [(429, Some(2), 3), (500, Some(2), 4), (503, None, 5), (429, None, 6)] {
        assert!(matches!(rig.answer(status, retry_after, "{}"), Action::Wait));
        rig.asks(&format!(
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid={number}&operationId=4.op"
        ));
    }
    assert_eq!(rig.machine.throttled(), 2);
}

#[test]
fn a_throttled_device_never_asks_early_and_ever_more_rarely() {
    for share in [0.0, 0.5, 1.0] {
        let mut rig = Rig::with_jitter(move || share);
        rig.handle(Event::Subscribed);
        let mut asked = 1;
        loop {
            let answered = rig.now;
            match rig.answer(429, Some(1), THROTTLED) {
                Action::Wait => {}
                Action::Fail(failure) => break assert_eq!(failure.reason(), "dps_throttled"),
                other => panic!("{other:?}"),
            }
            assert!(rig.deadline() >= answered + 1_000, "before it was asked to");
            // The rig counts whole milliseconds, rounded down.
            rig.now = rig.deadline() + 1;
            rig.handle(Event::Deadline);
            asked += 1;
            if asked > 400 {
                break;
            }
        }
        // In five minutes; 300 would be one a second. Without any spread it would be that.
        let most = if share > 0.0 { 24 } else { 301 };
        assert!(asked <= most, "{asked} requests with a share of {share}");
    }
}

#[test]
fn back_off_ends_at_a_minute_and_begins_anew_after_progress() {
    let mut rig = Rig::with_jitter(|| 0.0);
    rig.handle(Event::Subscribed);
    for wait in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
        let now = rig.now;
        rig.waits_until(now + wait, 500, None, "");
        rig.now = rig.deadline();
        rig.handle(Event::Deadline);
    }
    let now = rig.now;
    rig.waits_until(now + 1_000, 202, Some(1), ASSIGNING);
    rig.now = rig.deadline();
    rig.handle(Event::Deadline);
    let now = rig.now;
    rig.waits_until(now + 5_000, 500, None, "");
}

#[test]
fn wait_beyond_the_deadline_is_given_up_at_once_with_its_reason() {
    for (status, body, reason) in [
        (429, THROTTLED, "dps_throttled"),
        (503, UNAVAILABLE, "dps_unavailable"),
        (202, ASSIGNING, "dps_deadline"),
    ] {
        for retry_after in [300, u64::MAX] {
            let failure = Rig::asking().fails(status, Some(retry_after), body);
            assert_eq!((failure.reason(), failure.is_retryable()), (reason, true));
            let asked = (status != 202).then(|| Duration::from_secs(retry_after));
            assert_eq!(failure.retry_after(), asked, "the caller may keep it");
        }
    }
}

#[test]
fn the_whole_takes_no_longer_than_its_deadline() {
    let mut rig = Rig::new();
    rig.handle(Event::Connected);
    assert_eq!(rig.deadline(), 300_000, "subscribing is bounded, too");
    let mut rig = Rig::asking();
    loop {
        match rig.answer(202, Some(40), ASSIGNING) {
            Action::Wait => {
                rig.now = rig.deadline();
                assert!(rig.now < 300_000);
                rig.handle(Event::Deadline);
            }
            Action::Fail(RegistrationFailure::DeadlineExceeded { limit }) => {
                assert_eq!((rig.now, limit.as_secs()), (280_000, 300));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn request_without_an_answer_is_given_up() {
    let mut rig = Rig::asking();
    assert_eq!(rig.deadline(), 30_000);
    rig.now = 29_999;
    assert!(
        matches!(rig.handle(Event::Deadline), Action::Wait),
        "an early timer does no harm"
    );
    rig.now = 30_000;
    let action = rig.handle(Event::Deadline);
    let Action::Fail(failure @ RegistrationFailure::Unanswered { .. }) = action else {
        panic!("{action:?}")
    };
    assert_eq!((failure.reason(), failure.is_retryable()), ("dps_unanswered", true));

    // Near the end of the whole, that comes first.
    let mut rig = Rig::asking();
    rig.waits_until(295_000, 429, Some(290), THROTTLED);
    rig.now = rig.deadline();
    rig.handle(Event::Deadline);
    assert_eq!(rig.deadline(), 300_000);
    rig.now = 300_000;
    assert!(matches!(
        rig.handle(Event::Deadline),
        Action::Fail(RegistrationFailure::DeadlineExceeded { .. })
    ));
}

#[test]
fn five_polls_in_ten_seconds_are_never_exceeded_even_if_dps_asks_for_it() {
    let mut rig = Rig::asking();
    for _ in 0..30 {
        // Answered 10 ms after each request, with no wait at all.
        rig.now += 10;
        assert!(matches!(rig.answer(202, Some(0), ASSIGNING), Action::Wait));
        rig.now = rig.deadline();
        rig.handle(Event::Deadline);
    }
    assert_eq!(rig.polls.len(), 30);
    for six in rig.polls.windows(6) {
        assert!(six[5] - six[0] > 10_000, "{six:?}");
    }
    assert!(rig.polls[4] < 100, "and five are not held back: {:?}", &rig.polls[..5]);
}

#[test]
fn answers_to_other_requests_are_passed_over() {
    let mut rig = Rig::polling();
    let late = ResponseTopic {
        status: 401,
        request_id: RequestId::from_number(1),
        retry_after: None,
    };
    assert!(matches!(
        rig.handle(Event::Response {
            topic: late.to_string(),
            body: Bytes::new()
        }),
        Action::Wait
    ));
    // The answer itself, and then once more while the next poll is being waited for.
    let now = rig.now;
    rig.waits_until(now + 3_000, 202, Some(3), ASSIGNING);
    rig.waits_until(now + 3_000, 202, Some(9), ASSIGNING);
    rig.asks("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=3&operationId=4.op");
}

#[test]
fn operation_id_may_be_left_out_of_the_answer_to_a_poll_only() {
    let without = r#"{"status":"assigning"}"#;
    assert_eq!(Rig::asking().fails(202, Some(3), without).reason(), "dps_protocol");
    let mut rig = Rig::polling();
    assert!(matches!(rig.answer(202, Some(3), without), Action::Wait));
    rig.asks("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=3&operationId=4.op");
}

#[test]
fn answers_that_cannot_be_understood_end_the_registration() {
    for body in [
        "",
        "not json",
        "{}",
        r#"{"operationId":"4.op","status":"dreaming"}"#,
        r#"{"operationId":"4.op","status":"assigned"}"#,
        r#"{"operationId":"4.op","status":"assigned","registrationState":{"status":"assigned","deviceId":"a"}}"#,
        r#"{"operationId":"4.op","status":"assigned","registrationState":{"status":"assigned","deviceId":"a","assignedHub":"no host!"}}"#,
        r#"{"operationId":"4.op","status":"unassigned"}"#,
    ] {
        assert_eq!(Rig::asking().fails(200, None, body).reason(), "dps_protocol", "{body}");
    }
    for topic in ["", "$dps/registrations/res/abc/?$rid=1", "$iothub/twin/res/200/?$rid=1"] {
        let action = Rig::asking().handle(Event::Response {
            topic: topic.to_owned(),
            body: Bytes::new(),
        });
        assert!(
            matches!(action, Action::Fail(RegistrationFailure::Protocol { .. })),
            "{topic}: {action:?}"
        );
    }
}

proptest! {
    /// Whatever DPS answers, and however fast: the machine never panics, never polls too often, and comes to an end.
    #[test]
    fn any_answers_lead_to_an_end(
        answers in prop::collection::vec(
            (
                prop::sample::select(vec![200u16, 202, 400, 401, 409, 429, 500, 503]),
                prop::option::of(prop_oneof![0..5u64, any::<u64>()]),
                prop::sample::select(vec![ASSIGNING, ASSIGNING, ASSIGNING, ASSIGNED, DISABLED, NOT_APPROVED, THROTTLED, "", "[]"]),
                0..40_000u64,
            ),
            1..200,
        ),
        jitter in 0.0..1.0f64,
    ) {
        let mut rig = Rig::with_jitter(move || jitter);
        rig.handle(Event::Connected);
        let mut action = rig.handle(Event::Subscribed);
        let mut ended = false;
        for (status, retry_after, body, after) in answers {
            if rig.now + after >= rig.deadline() {
                rig.now = rig.deadline();
                action = rig.handle(Event::Deadline);
            } else {
                rig.now += after;
                action = rig.answer(status, retry_after, body);
            }
            ended = matches!(action, Action::Done(_) | Action::Fail(_));
            if ended {
                break;
            }
        }
        prop_assert!(rig.now <= 300_000);
        prop_assert!(ended || rig.deadline() <= 300_000, "{action:?}");
        for six in rig.polls.windows(6) {
            prop_assert!(six[5] - six[0] > 10_000, "{:?}", six);
        }
    }
}
