//! DPS over HTTPS: the same registrations as over MQTT, at both ports that speak HTTP inside TLS. The expected paths are
//! those of the [device registration API](https://learn.microsoft.com/rest/api/iot-dps/device/runtime-registration).

use std::time::Duration;

use iot_emulator::{Config, Emulator, Event, FaultRules};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use testing::emulator::{config, event};
use testing::party::Party;
use testing::rest::{self, Rest};

const VERSION: &str = "api-version=2021-06-01";

/// A client with its own TLS, which shows the certificates of a party, if it has any.
struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    fn new(emulator: &Emulator, port: u16, party: Option<&Party>) -> Self {
        let http = rest::client(emulator, party);
        let base = format!("https://localhost:{port}");
        Self { http, base }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&str>) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_owned());
        }
        request.send().await.unwrap()
    }

    async fn register(&self, id: &str) -> Response {
        let path = format!("/0ne00EMULATOR/registrations/{id}/register?{VERSION}");
        let body = json!({"registrationId": id, "payload": {"modelId": "dtmi:com:example:Thermostat;1"}});
        self.ask(Method::PUT, &path, Some(&body.to_string())).await
    }
}

async fn emulator(config: Config) -> Emulator {
    let ws = Some("127.0.0.1:0".parse().unwrap());
    Emulator::start(Config { ws, ..config }).await.unwrap()
}

fn ports(emulator: &Emulator) -> [u16; 2] {
    [
        emulator.ws_addr().unwrap().port(),
        emulator.https_addr().unwrap().port(),
    ]
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_device_registers_at_either_port_as_over_mqtt() {
    let emulator = emulator(config()).await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("thermostats", &root).await;
    for (port, id) in ports(&emulator).into_iter().zip(["t-1", "t-2"]) {
        let client = Client::new(&emulator, port, Some(&root.intermediate("middle").leaf(id)));
        let state = format!("/0ne00EMULATOR/registrations/{id}?{VERSION}");
        let never = client.ask(Method::POST, &state, Some("{}")).await;
        assert_eq!(never.status(), 404);
        assert_eq!(json_of(never).await["errorCode"], 404_202);

        let begun = client.register(id).await;
        assert_eq!(begun.status(), 202);
        assert_eq!(begun.headers()["retry-after"], "0");
        assert!(begun.headers().contains_key("x-ms-request-id"));
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let body = json_of(begun).await;
        assert_eq!(body["status"], "assigning");
        let operation = body["operationId"].as_str().unwrap();
        let expected = format!("/0ne00EMULATOR/registrations/{id}/operations/{operation}?{VERSION}");
        assert_eq!(location, expected);

        let ended = client.ask(Method::GET, &location, None).await;
        assert_eq!(ended.status(), 200);
        assert!(!ended.headers().contains_key("retry-after"));
        let body = json_of(ended).await;
        let found = &body["registrationState"];
        assert_eq!((&body["status"], &found["deviceId"]), (&json!("assigned"), &json!(id)));
        assert_eq!(found["assignedHub"], "localhost");

        let record = client.ask(Method::POST, &state, Some("{}")).await;
        assert_eq!(record.status(), 200);
        assert_eq!(
            json_of(record).await,
            *found,
            "the record is the state of the registration"
        );
        event(&emulator, id, |event| matches!(event, Event::Registered { .. })).await;
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_device_that_does_not_wait_is_asked_to_and_a_sixth_poll_is_one_too_many() {
    let wait = Config {
        dps_retry_after: Duration::from_secs(600),
        ..config()
    };
    let emulator = emulator(wait).await;
    let party = Party::self_signed("lab-1");
    Rest::new(&emulator).enroll_individual("lab-1", &party).await;
    let client = Client::new(&emulator, ports(&emulator)[0], Some(&party));
    let begun = client.register("lab-1").await;
    let location = begun.headers()["location"].to_str().unwrap().to_owned();
    let mut answers = Vec::new();
    for _ in 0..6 {
        let answer = client.ask(Method::GET, &location, None).await;
        assert!(answer.headers().contains_key("retry-after"));
        answers.push(answer.status().as_u16());
    }
    assert_eq!(answers, [202, 202, 202, 202, 202, 429]);
    let state = format!("/0ne00EMULATOR/registrations/lab-1?{VERSION}");
    let state = json_of(client.ask(Method::POST, &state, None).await).await;
    assert_eq!(state, json!({"registrationId": "lab-1", "status": "assigning"}));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_answered_as_dps_does() {
    let emulator = emulator(config()).await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("thermostats", &root).await;
    let (good, stranger) = (root.leaf("t-1"), Party::root("other").leaf("t-1"));
    let register = format!("/0ne00EMULATOR/registrations/t-1/register?{VERSION}");
    let other_id = json!({"registrationId": "t-2"}).to_string();
    let large = format!("\"{}\"", "x".repeat(100_000));
    let put = Method::PUT;
    for port in ports(&emulator) {
        for (party, method, path, body, code) in [
            (None, &put, register.clone(), Some("{}"), 401_002),
            (Some(&stranger), &put, register.clone(), Some("{}"), 401_002),
            (Some(&good), &put, register.replace("t-1", "t-2"), Some("{}"), 401_002),
            (
                Some(&good),
                &put,
                register.replace("0ne00EMULATOR", "0ne0"),
                Some("{}"),
                401_000,
            ),
            (
                Some(&good),
                &put,
                register.replace("2021-06-01", "1999-01-01"),
                Some("{}"),
                400_000,
            ),
            (Some(&good), &put, register.replace(VERSION, ""), Some("{}"), 400_000),
            (
                Some(&good),
                &put,
                register.replace("t-1", "t%20%201"),
                Some("{}"),
                400_000,
            ),
            (Some(&good), &put, register.replace("t-1", "%ff"), Some("{}"), 400_000),
            (Some(&good), &put, register.clone(), Some("no JSON"), 400_000),
            (Some(&good), &put, register.clone(), Some(&other_id), 400_004),
            (Some(&good), &put, register.clone(), Some(&large), 413_000),
            (Some(&good), &Method::POST, register.clone(), Some("{}"), 405_000),
            (
                Some(&good),
                &Method::GET,
                format!("/0ne00EMULATOR/registrations/t-1/operations/none?{VERSION}"),
                None,
                404_201,
            ),
        ] {
            let client = Client::new(&emulator, port, party);
            let answer = client.ask(method.clone(), &path, body).await;
            let status = u32::from(answer.status().as_u16());
            let error = json_of(answer).await;
            assert_eq!(
                (status, &error["errorCode"]),
                (code / 1000, &json!(code)),
                "{method} {path}: {error}"
            );
            assert!(error["trackingId"].is_string(), "{error}");
        }
        let text = Client::new(&emulator, port, Some(&good))
            .http
            .put(format!("https://localhost:{port}{register}"));
        let answer = text
            .header("Content-Type", "text/plain")
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 415);
        let nothing = Client::new(&emulator, port, Some(&good))
            .ask(put.clone(), &register, None)
            .await;
        assert_eq!(nothing.status(), 202, "the body may be left out");
    }
    assert_eq!(emulator.stats().panics, 0);
}

#[tokio::test]
async fn faults_are_in_the_way_as_over_mqtt() {
    let rules = "[[rule]]\nphase = \"register\"\ncount = 1\nverdict = \"answer\"\nstatus = 429\nretry_after = \"7s\"";
    let rough = Config {
        faults: FaultRules::parse(rules).unwrap(),
        ..config()
    };
    let emulator = emulator(rough).await;
    let party = Party::self_signed("lab-1");
    Rest::new(&emulator).enroll_individual("lab-1", &party).await;
    let client = Client::new(&emulator, ports(&emulator)[0], Some(&party));
    let refused = client.register("lab-1").await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(json_of(refused).await["errorCode"], 429_001);
    assert_eq!(client.register("lab-1").await.status(), 202);
    event(&emulator, "lab-1", |event| matches!(event, Event::Fault { .. })).await;
}
