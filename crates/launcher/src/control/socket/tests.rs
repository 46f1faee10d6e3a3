use fleet_protocol::lines::{Action, State};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::*;
use crate::control::broker::Broker;

fn status() -> Status {
    Status {
        run_id: "r1".into(),
        pid: 7,
        devices: 2,
        plan: PathBuf::from("/somewhere/plan.json"),
        figures: serde_json::Value::Null,
        set: Vec::new(),
        service: None,
    }
}

fn online(id: &str) -> DeviceLine {
    DeviceLine {
        id: id.into(),
        state: State::Online,
        hub: None,
        leaf_sha256: Some("aa".into()),
        offline_ms: None,
        reason: None,
        message: None,
        negative: false,
    }
}

/// A run of one process with a device, which refuses to stop.
fn run() -> (RunHandle, mpsc::UnboundedSender<DeviceLine>) {
    let (live, mut questions) = RunHandle::pair();
    let (reports, mut written) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut broker = Broker::new(status(), 1);
        broker.device(&online("a"));
        loop {
            tokio::select! {
                Some(question) = questions.recv() => match broker.ask(question) {
                    Some(control) if control.action == Action::Stop => {
                        broker.refused(0, Some(control.id), "not now");
                    }
                    Some(control) => broker.done(0, control.id, 2),
                    None => {}
                },
                Some(device) = written.recv() => broker.device(&device),
                else => break,
            }
        }
    });
    (live, reports)
}

async fn through_the_socket(folder: &Path) {
    let (served, reports) = run();
    let serving = serve(folder, served).unwrap();
    let mode = std::fs::metadata(folder.join(SOCKET)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let live = connect(folder).await.unwrap().expect("a live run");
    assert_eq!(live.status().await.unwrap(), status());
    assert_eq!(live.order(Control::new(Action::Reconnect)).await, Ok(2));
    let refusal = LiveError::Refused("not now".into());
    assert_eq!(live.order(Control::new(Action::Stop)).await, Err(refusal));
    let mut lines = live.watch().await.unwrap();
    assert_eq!(lines.try_recv().unwrap(), online("a"));
    reports.send(online("b")).unwrap();
    assert_eq!(lines.recv().await.unwrap(), online("b"));

    drop(serving);
    assert!(!folder.join(SOCKET).exists());
    assert!(connect(folder).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_asked_through_the_socket_is_answered_as_from_within() {
    let folder = tempfile::tempdir().unwrap();
    through_the_socket(folder.path()).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_folder_with_a_path_too_long_for_a_socket_serves_as_well() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a-long-name".repeat(12));
    std::fs::create_dir(&folder).unwrap();
    assert!(folder.as_os_str().len() > 108);
    through_the_socket(&folder).await;
}

#[tokio::test]
async fn the_socket_of_a_dead_run_is_no_run_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    // As the system leaves it behind when a process is killed.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap());
    assert!(connect(folder.path()).await.unwrap().is_none());
    through_the_socket(folder.path()).await;
}

#[tokio::test]
async fn an_invalid_line_is_refused_and_the_next_one_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (live, _says) = run();
    let _serving = serve(folder.path(), live).unwrap();
    let stream = UnixStream::connect(folder.path().join(SOCKET)).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let asked = "nonsense\n{\"id\":4,\"do\":\"explode\"}\n\n{\"id\":5,\"do\":\"reconnect\",\"over\":\"0s\"}\n";
    writer.write_all(asked.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(reader).lines();
    let mut next = async || -> Response { serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap() };
    assert!(matches!(next().await, Response::Refused { id: None, .. }));
    assert!(matches!(next().await, Response::Refused { id: Some(4), .. }));
    assert_eq!(next().await, Response::Done { id: 5, devices: 2 });
}

#[tokio::test]
async fn a_line_without_end_ends_the_conversation_and_not_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (live, _says) = run();
    let _serving = serve(folder.path(), live).unwrap();
    let mut stream = UnixStream::connect(folder.path().join(SOCKET)).await.unwrap();
    let piece = vec![b'x'; 1 << 20];
    // As much as is read of a line, and more; the other end closes somewhere in it.
    for _ in 0..LONGEST_QUESTION / piece.len() + 4 {
        if stream.write_all(&piece).await.is_err() {
            break;
        }
    }
    let mut rest = Vec::new();
    // A reset is an end, too.
    drop(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await);
    assert!(rest.is_empty());
    let live = connect(folder.path()).await.unwrap().expect("a live run");
    assert_eq!(live.status().await.unwrap(), status());
}
