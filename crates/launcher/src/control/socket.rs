//! The control socket of a live run, both ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fleet_protocol::lines::{Control, DeviceLine};
use futures_util::StreamExt;
use iot_protocol::shown;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_util::codec::{FramedRead, LinesCodec};

use super::state_lock::SOCKET;
use super::{LiveError, Request, Response, RunHandle, Status};

/// Longer paths don't fit into the system's address of a socket, with its last byte (Linux 108, macOS and the BSDs 104).
const LONGEST_PATH: usize = 103;

/// The longest line that a run reads: an order that names every device of a large fleet.
const LONGEST_QUESTION: usize = 16 << 20;
/// The longest line that is read from a run: its status, with a line for each device that failed.
const LONGEST_ANSWER: usize = 64 << 20;

/// What a live run is asked beside control lines.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunRequest {
    id: u64,
    #[serde(rename = "do")]
    what: RunQuery,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RunQuery {
    Status,
    Watch,
    End,
    Leave,
}

/// Listens until this is dropped, and then removes the socket.
#[derive(Debug)]
pub(crate) struct Serving {
    path: PathBuf,
    accepting: AbortHandle,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.abort();
        // A stale one refuses connections.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The address of the socket in `folder`, however long the folder's path is; the file keeps the address good.
fn address(folder: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = folder.join(SOCKET);
    if path.as_os_str().len() <= LONGEST_PATH {
        return Ok((path, None));
    }
    if !cfg!(target_os = "linux") {
        let (length, path) = (path.as_os_str().len(), shown::path(&path));
        let message = format!("`{path}` has {length} bytes, and a socket's path at most {LONGEST_PATH}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    // Linux has a short name for every open folder.
    let open = File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())).join(SOCKET);
    Ok((short, Some(open)))
}

/// Listens on the socket in `folder`, which has to be held, so that one which is there is stale.
///
/// # Errors
///
/// The system refused.
pub(crate) fn serve(folder: &Path, live: RunHandle) -> io::Result<Serving> {
    let path = folder.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (address, _open) = address(folder)?;
    let listener = UnixListener::bind(address)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let accepting = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(attend(stream, live.clone()))),
                // Too many open files, or a client that left before it was read. The next one may fare better, but must
                // not be waited for at full speed.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    });
    Ok(Serving {
        path,
        accepting: accepting.abort_handle(),
    })
}

/// Answers one client until it goes away.
async fn attend(stream: UnixStream, live: RunHandle) {
    let (reader, writer) = stream.into_split();
    let (answers, to_write) = mpsc::unbounded_channel();
    let writing = tokio::spawn(write_lines(writer, to_write));
    let mut lines = FramedRead::new(reader, LinesCodec::new_with_max_length(LONGEST_QUESTION));
    while let Some(Ok(line)) = lines.next().await {
        if line.trim().is_empty() {
            continue;
        }
        match read(&line) {
            Ok(Asked::Control(control)) => {
                // An order that is spread over a time must not keep the next one waiting.
                let (live, answers) = (live.clone(), answers.clone());
                tokio::spawn(async move {
                    let id = control.id;
                    let answer = match live.order(control).await {
                        Ok(devices) => Response::Done { id, devices },
                        Err(LiveError::Refused(message)) => Response::Refused { id: Some(id), message },
                        Err(error @ LiveError::Gone) => refused(Some(id), &error),
                    };
                    let _ = answers.send(answer);
                });
            }
            Ok(Asked::Run(RunRequest { id, what })) => inquire(id, what, &live, &answers).await,
            Err(answer) => drop(answers.send(*answer)),
        }
    }
    // A client may close its writing half and still listen; one that is gone makes the writing fail.
    drop(answers);
    let _ = writing.await;
}

async fn inquire(id: u64, what: RunQuery, live: &RunHandle, answers: &mpsc::UnboundedSender<Response>) {
    // Whether the client still listens is seen where the answers are written.
    match what {
        RunQuery::Status => {
            let answer = match live.status().await {
                Ok(status) => Response::Status {
                    id,
                    status: Box::new(status),
                },
                Err(error) => refused(Some(id), &error),
            };
            let _ = answers.send(answer);
        }
        RunQuery::End | RunQuery::Leave => {
            let done = match what {
                RunQuery::Leave => live.leave().await,
                _ => live.end().await,
            };
            let answer = match done {
                Ok(()) => Response::Done { id, devices: 0 },
                Err(error) => refused(Some(id), &error),
            };
            let _ = answers.send(answer);
        }
        RunQuery::Watch => match live.watch().await {
            Ok(mut devices) => {
                while let Ok(device) = devices.try_recv() {
                    let _ = answers.send(Response::Device(device));
                }
                let _ = answers.send(Response::Done { id, devices: 0 });
                let answers = answers.downgrade();
                tokio::spawn(async move {
                    while let Some(device) = devices.recv().await {
                        let Some(answers) = answers.upgrade() else { break };
                        if answers.send(Response::Device(device)).is_err() {
                            break;
                        }
                    }
                });
            }
            Err(error) => drop(answers.send(refused(Some(id), &error))),
        },
    }
}

fn refused(id: Option<u64>, why: &impl ToString) -> Response {
    let message = why.to_string();
    Response::Refused { id, message }
}

enum Asked {
    Control(Control),
    Run(RunRequest),
}

fn read(line: &str) -> Result<Asked, Box<Response>> {
    let value: serde_json::Value = serde_json::from_str(line).map_err(|error| Box::new(refused(None, &error)))?;
    let id = value.get("id").and_then(serde_json::Value::as_u64);
    let about = value.get("do").and_then(serde_json::Value::as_str);
    let asked = match about {
        Some("status" | "watch" | "end") => serde_json::from_value(value).map(Asked::Run),
        _ => serde_json::from_value(value).map(Asked::Control),
    };
    asked.map_err(|error| Box::new(refused(id, &error)))
}

async fn write_lines(mut writer: OwnedWriteHalf, mut lines: mpsc::UnboundedReceiver<Response>) {
    while let Some(answer) = lines.recv().await {
        let Ok(mut line) = serde_json::to_vec(&answer) else {
            continue;
        };
        line.push(b'\n');
        if writer.write_all(&line).await.is_err() {
            return;
        }
    }
}

/// The live run whose state is in `folder`; `None` where no run is alive.
///
/// # Errors
///
/// There is a socket, but the system does not let us in.
pub(crate) async fn connect(folder: &Path) -> io::Result<Option<RunHandle>> {
    if !folder.join(SOCKET).try_exists()? {
        return Ok(None);
    }
    let (address, _open) = address(folder)?;
    let stream = match UnixStream::connect(address).await {
        Ok(stream) => stream,
        // A socket that a dead run has left, or one that was removed just now.
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let (live, questions) = RunHandle::pair();
    tokio::spawn(carry(stream, questions));
    Ok(Some(live))
}

/// What a client waits for, by the id of its line.
#[derive(Debug, Default)]
struct Waiting {
    orders: BTreeMap<u64, oneshot::Sender<Result<u32, String>>>,
    statuses: BTreeMap<u64, oneshot::Sender<Status>>,
    /// Of `watch`, `end` and `leave`, which are only acknowledged.
    acknowledged: BTreeMap<u64, oneshot::Sender<()>>,
    lines: Vec<mpsc::UnboundedSender<DeviceLine>>,
}

/// Carries requests to the socket and responses back, until one end is gone. Then all that wait get the end of the run.
async fn carry(stream: UnixStream, mut questions: mpsc::UnboundedReceiver<Request>) {
    let (reader, mut writer) = stream.into_split();
    let waiting = Arc::new(Mutex::new(Waiting::default()));
    let reading = tokio::spawn(read_answers(reader, Arc::clone(&waiting)));
    let over = reading.abort_handle();
    let asking = async {
        let mut id = 0;
        while let Some(question) = questions.recv().await {
            id += 1;
            let line = note(&waiting, id, question);
            let Ok(mut line) = line else { continue };
            line.push(b'\n');
            if writer.write_all(&line).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asking => over.abort(),
        _ = reading => {}
    }
}

fn note(waiting: &Mutex<Waiting>, id: u64, question: Request) -> serde_json::Result<Vec<u8>> {
    let mut waiting = lock(waiting);
    match question {
        Request::Order { control, answer } => {
            waiting.orders.insert(id, answer);
            serde_json::to_vec(&Control { id, ..control })
        }
        Request::Status { answer } => {
            waiting.statuses.insert(id, answer);
            serde_json::to_vec(&RunRequest {
                id,
                what: RunQuery::Status,
            })
        }
        Request::End { answer } => {
            waiting.acknowledged.insert(id, answer);
            serde_json::to_vec(&RunRequest {
                id,
                what: RunQuery::End,
            })
        }
        Request::Leave { answer } => {
            waiting.acknowledged.insert(id, answer);
            serde_json::to_vec(&RunRequest {
                id,
                what: RunQuery::Leave,
            })
        }
        Request::Watch { lines, answer } => {
            waiting.acknowledged.insert(id, answer);
            waiting.lines.push(lines);
            serde_json::to_vec(&RunRequest {
                id,
                what: RunQuery::Watch,
            })
        }
    }
}

async fn read_answers(reader: tokio::net::unix::OwnedReadHalf, waiting: Arc<Mutex<Waiting>>) {
    let mut lines = FramedRead::new(reader, LinesCodec::new_with_max_length(LONGEST_ANSWER));
    while let Some(Ok(line)) = lines.next().await {
        // A run of another version may send more than this version reads.
        let Ok(answer) = serde_json::from_str::<Response>(&line) else {
            continue;
        };
        let mut waiting = lock(&waiting);
        // The caller may have gone.
        match answer {
            Response::Device(device) => waiting.lines.retain(|lines| lines.send(device.clone()).is_ok()),
            Response::Status { id, status } => {
                if let Some(answer) = waiting.statuses.remove(&id) {
                    let _ = answer.send(*status);
                }
            }
            Response::Done { id, devices } => {
                if let Some(answer) = waiting.orders.remove(&id) {
                    let _ = answer.send(Ok(devices));
                } else if let Some(answer) = waiting.acknowledged.remove(&id) {
                    let _ = answer.send(());
                }
            }
            Response::Refused { id, message } => {
                if let Some(id) = id {
                    waiting.statuses.remove(&id);
                    waiting.acknowledged.remove(&id);
                    if let Some(answer) = waiting.orders.remove(&id) {
                        let _ = answer.send(Err(message));
                    }
                }
            }
        }
    }
    *lock(&waiting) = Waiting::default();
}

/// Nothing panics while it holds the lock.
fn lock(waiting: &Mutex<Waiting>) -> std::sync::MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
