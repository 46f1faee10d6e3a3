//! The registration's driver against a scripted DPS over real TLS.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::time::Duration;

use iot_protocol::id::{IdScope, ModelId, RegistrationId};
use mqtt_link::testing::packets::{
    ConnectReturnCode, Packet, accepted, acknowledged, publish, publish_at_least_once, refused, subscribe, subscribed,
};
use mqtt_link::testing::{Connection, Server, TestCa};
use mqtt_link::{ConnectRefusal, Credentials, Qos};
use provisioning::register::{Registered, Registration, RegistrationError, RegistrationFailure, RegistrationOptions};

const PUT: &str = "$dps/registrations/PUT/iotdps-register/?$rid=";
const BODY: &str = r#"{"registrationId":"thermo-0001","payload":{"modelId":"dtmi:com:example:Thermostat;1"}}"#;
const ASSIGNING: &str = r#"{"operationId":"4.op","status":"assigning"}"#;
const ASSIGNED: &str = r#"{"operationId":"4.op","status":"assigned","registrationState":{"x509":{},
    "registrationId":"thermo-0001","assignedHub":"hub1.azure-devices.net","deviceId":"thermo-0001",
    "status":"assigned","substatus":"initialAssignment"}}"#;

async fn register(
    server: &Server,
    ca: &TestCa,
    options: &RegistrationOptions,
) -> Result<Registered, RegistrationError> {
    Registration {
        endpoint: &server.endpoint(ca),
        id_scope: &IdScope::new("0ne00ABCDEF").unwrap(),
        registration_id: &RegistrationId::new("thermo-0001").unwrap(),
        model_id: Some(&ModelId::new("dtmi:com:example:Thermostat;1").unwrap()),
        credentials: &Credentials::X509(ca.client("thermo-0001")),
        jitter_seed: 7,
    }
    .run_with(options)
    .await
}

fn is_connect_of_thermo_0001(packet: &Packet) -> bool {
    let Packet::Connect(connect) = packet else { return false };
    let login = connect.login.as_ref();
    connect.client_id == "thermo-0001"
        && connect.clean_session
        && connect.last_will.is_none()
        && login.is_some_and(|login| {
            login.username == "0ne00ABCDEF/registrations/thermo-0001/api-version=2019-03-31"
                && login.password.is_empty()
        })
}

/// A connection whose device has subscribed.
fn dps() -> Connection {
    Connection::new()
        .receives_where("the CONNECT of thermo-0001", is_connect_of_thermo_0001)
        .sends(accepted())
        .receives(subscribe(1, &[("$dps/registrations/res/#", Qos::AtLeastOnce)]))
        .sends(subscribed(1, &[true]))
}

fn put(packet_id: u16, request_id: u16) -> Packet {
    publish_at_least_once(packet_id, &format!("{PUT}{request_id}"), BODY)
}

fn get(packet_id: u16, request_id: u16) -> Packet {
    let topic = format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid={request_id}&operationId=4.op");
    publish_at_least_once(packet_id, &topic, "")
}

fn answer(status: u16, request_id: u16, retry_after: Option<u32>, body: &str) -> Packet {
    let retry_after = retry_after
        .map(|seconds| format!("&retry-after={seconds}"))
        .unwrap_or_default();
    publish(
        &format!("$dps/registrations/res/{status}/?$rid={request_id}{retry_after}"),
        body,
    )
}

#[tokio::test]
async fn device_registers_polls_and_learns_its_hub() {
    let ca = TestCa::new("test root");
    let script = dps()
        .receives(put(2, 1))
        .sends(acknowledged(2))
        .sends(answer(202, 1, Some(1), ASSIGNING))
        .receives(get(3, 2))
        .sends(acknowledged(3))
        .sends(answer(
            429,
            2,
            Some(1),
            r#"{"errorCode":429001,"trackingId":"t","message":"Too many."}"#,
        ))
        .receives(get(4, 3))
        .sends(acknowledged(4))
        .sends(answer(200, 3, None, ASSIGNED))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let registered = register(&server, &ca, &RegistrationOptions::default()).await.unwrap();
    assert_eq!(registered.assigned_hub.as_str(), "hub1.azure-devices.net");
    assert_eq!(registered.device_id.as_str(), "thermo-0001");
    assert_eq!(registered.throttled, 1);
    assert!(registered.waited >= Duration::from_secs(2), "{:?}", registered.waited);
    assert!(registered.waited < Duration::from_secs(10), "{:?}", registered.waited);
    assert!(registered.timings.tls > Duration::ZERO);
    let seen = server.finish().await;
    assert_eq!(seen[0].client_chain.len(), 1, "it attests with its certificate");
}

#[tokio::test]
async fn refused_device_is_named_with_the_words_of_the_service_and_leaves_in_order() {
    let ca = TestCa::new("test root");
    let body = r#"{"errorCode":401002,"trackingId":"8ad0463c","message":"Invalid certificate."}"#;
    let script = dps()
        .receives(put(2, 1))
        .sends_together([acknowledged(2), answer(401, 1, None, body)])
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let error = register(&server, &ca, &RegistrationOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "registration of `thermo-0001` was refused: 401002 Invalid certificate. (tracking id 8ad0463c)"
    );
    assert_eq!((error.reason(), error.is_retryable()), ("dps_unauthorized", false));
    server.finish().await;
}

#[tokio::test]
async fn device_unknown_at_connect_is_not_a_network_error() {
    let ca = TestCa::new("test root");
    let refusal = Connection::new()
        .receives_where("the CONNECT of thermo-0001", is_connect_of_thermo_0001)
        .sends(refused(ConnectReturnCode::NotAuthorized))
        .closes();
    let server = Server::start(&ca, vec![refusal]).await;
    let error = register(&server, &ca, &RegistrationOptions::default())
        .await
        .unwrap_err();
    let RegistrationFailure::Connect(connect) = error.failure() else {
        panic!("{error:?}")
    };
    assert_eq!(connect.refusal(), Some(ConnectRefusal::NotAuthorized));
    assert_eq!((error.reason(), error.is_retryable()), ("mqtt_not_authorized", false));
    assert_eq!(
        error.to_string(),
        "registration of `thermo-0001` could not connect to dps"
    );
    server.finish().await;
}

#[tokio::test]
async fn connection_lost_or_subscription_refused_in_the_middle_is_distinguished() {
    let ca = TestCa::new("test root");
    let script = vec![
        dps()
            .receives(put(2, 1))
            .sends(acknowledged(2))
            .sends(answer(503, 1, Some(0), ""))
            .receives(put(3, 2))
            .closes(),
        Connection::accepted()
            .receives_where("a SUBSCRIBE", |packet| matches!(packet, Packet::Subscribe(_)))
            .sends(subscribed(1, &[false]))
            .receives(Packet::Disconnect),
    ];
    let server = Server::start(&ca, script).await;
    for (reason, retryable) in [("closed", true), ("subscribe_refused", false)] {
        let error = register(&server, &ca, &RegistrationOptions::default())
            .await
            .unwrap_err();
        assert_eq!((error.reason(), error.is_retryable()), (reason, retryable), "{error:?}");
    }
    server.finish().await;
}

#[tokio::test]
async fn silence_of_dps_is_given_up_and_its_last_words_are_kept() {
    let ca = TestCa::new("test root");
    let script = dps()
        .receives(put(2, 1))
        .sends(answer(429, 1, Some(0), ""))
        .receives(put(3, 2))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let options = RegistrationOptions {
        answer_timeout: Duration::from_secs(1),
        ..RegistrationOptions::default()
    };
    let error = register(&server, &ca, &options).await.unwrap_err();
    assert_eq!((error.reason(), error.throttled()), ("dps_unanswered", 1));
    server.finish().await;
}

#[tokio::test]
async fn deadline_bounds_connecting_and_subscribing_too() {
    let ca = TestCa::new("test root");
    let silent = Connection::accepted()
        .receives_where("a SUBSCRIBE", |packet| matches!(packet, Packet::Subscribe(_)))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![Connection::without_handshake(), silent]).await;
    let options = RegistrationOptions {
        deadline: Duration::from_secs(2),
        ..RegistrationOptions::default()
    };
    for reason in ["timeout_tls", "dps_deadline"] {
        let error = register(&server, &ca, &options).await.unwrap_err();
        assert_eq!((error.reason(), error.is_retryable()), (reason, true), "{error:?}");
    }
    server.finish().await;
}

/// At a DPS that judges certificates: our emulator.
mod at_the_emulator {
    use iot_emulator::{Config, Emulator};
    use jiff::Timestamp;
    use mqtt_link::{Endpoint, Tls, TrustRoots};
    use provisioning::central::{ApiToken, Central};
    use provisioning::certificate::load::{self, Identity};
    use provisioning::certificate::make::{CertificateAuthority, KeyType, Validity};
    use provisioning::enroll::{EnrollmentGroupSpec, enroll_group};

    use super::*;

    fn trusted(emulator: &Emulator) -> TrustRoots {
        TrustRoots::Certificates(load::certificates_in(emulator.ca_pem().as_bytes(), "the CA").unwrap())
    }

    async fn register_as(
        emulator: &Emulator,
        ca: &CertificateAuthority,
        common_name: &str,
    ) -> Result<Registered, RegistrationError> {
        let leaf = ca
            .leaf(common_name, KeyType::P256, Validity::leaf(Timestamp::now()))
            .unwrap();
        let identity =
            Identity::from_pem(leaf.cert_pem().as_bytes(), "leaf", leaf.key_pem().as_bytes(), "key").unwrap();
        let tls = Tls::new(trusted(emulator)).unwrap();
        Registration {
            endpoint: &Endpoint::new("localhost", emulator.mqtt_addr().port(), tls)
                .unwrap()
                .via("127.0.0.1"),
            id_scope: emulator.id_scope(),
            registration_id: &RegistrationId::new("thermo-0001").unwrap(),
            model_id: None,
            credentials: &Credentials::X509(identity.certified_key()),
            jitter_seed: 7,
        }
        .run()
        .await
    }

    #[tokio::test]
    async fn device_of_an_enrolled_group_is_assigned_and_a_stranger_is_not() {
        let config = Config {
            dps_retry_after: Duration::from_secs(1),
            ..Config::default()
        };
        let emulator = Emulator::start(config).await.unwrap();
        let url = format!("https://localhost:{}", emulator.https_addr().unwrap().port());
        let central = Central::new(&url, &ApiToken::new(emulator.api_token()), trusted(&emulator)).unwrap();
        let now = Timestamp::now();
        let root = |name| CertificateAuthority::root(name, KeyType::P256, Validity::root(now)).unwrap();
        let (ours, stranger) = (root("ours"), root("stranger"));
        let wanted = EnrollmentGroupSpec::new("thermostats", "Thermostats", &ours);
        enroll_group(&central, &wanted, now, &|_| {}).await.unwrap();

        let registered = register_as(&emulator, &ours, "thermo-0001").await.unwrap();
        assert_eq!(registered.assigned_hub.as_str(), "localhost");
        assert_eq!(registered.device_id.as_str(), "thermo-0001");
        assert!(registered.waited >= Duration::from_secs(1), "{:?}", registered.waited);

        for (ca, common_name) in [(&stranger, "thermo-0001"), (&ours, "thermo-0002")] {
            let error = register_as(&emulator, ca, common_name).await.unwrap_err();
            assert!(!error.is_retryable(), "{error:?}");
        }
        emulator.shutdown().await;
    }
}
