//! Programs that a run starts: its own executable, with a subcommand.
//!
//! Each runs in a process group of its own, so that Ctrl-C in a terminal reaches only the launcher, which then lets them
//! drain. Should the launcher vanish, the end of their stdin stops them.

mod environment;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, anyhow};
use iot_protocol::shown;
#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) use environment::Environment;

/// As many lines of stderr are kept as last words.
const LAST_WORDS: usize = 20;
/// Reading what a process has left in its pipe takes no longer.
const STDERR_WITHIN: Duration = Duration::from_secs(1);

/// A process reads its orders as they come.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Process,
    stdin: Option<ChildStdin>,
    stderr: Option<JoinHandle<()>>,
    words: Arc<Mutex<VecDeque<String>>>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// The last lines of its stderr.
    pub last_words: Vec<String>,
}

impl Child {
    /// Starts `executable` with `arguments`, and of this process's environment with what `environment` lets through. `name`
    /// stands for it in messages. Its stdout is the second value.
    ///
    /// # Errors
    ///
    /// It can't be started.
    pub(crate) fn start(
        executable: &Path,
        name: impl Into<String>,
        arguments: impl IntoIterator<Item = OsString>,
        environment: &Environment,
    ) -> anyhow::Result<(Self, Lines<BufReader<ChildStdout>>)> {
        Self::start_heard(executable, name, arguments, environment, |_| {})
    }

    /// The same; each line of its stderr goes to `heard` too.
    ///
    /// # Errors
    ///
    /// It can't be started.
    pub(crate) fn start_heard(
        executable: &Path,
        name: impl Into<String>,
        arguments: impl IntoIterator<Item = OsString>,
        environment: &Environment,
        heard: impl Fn(&str) + Send + 'static,
    ) -> anyhow::Result<(Self, Lines<BufReader<ChildStdout>>)> {
        let name = name.into();
        let mut command = Command::new(executable);
        command
            .args(arguments)
            .env_clear()
            .envs(environment.choose(std::env::vars_os()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command
            .spawn()
            .with_context(|| format!("can't start {name} ({})", shown::path(executable)))?;
        let stdin = process.stdin.take();
        let pipes = process.stdout.take().zip(process.stderr.take());
        let (stdout, stderr) = pipes.ok_or_else(|| anyhow!("{name} has no stdout or stderr"))?;
        let words = Arc::new(Mutex::new(VecDeque::new()));
        let stderr = tokio::spawn({
            let (words, mut lines) = (Arc::clone(&words), BufReader::new(stderr).lines());
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    heard(&line);
                    let mut words = lock(&words);
                    if words.len() == LAST_WORDS {
                        words.pop_front();
                    }
                    words.push_back(line);
                }
            }
        });
        let child = Self {
            name,
            process,
            stdin,
            stderr: Some(stderr),
            words,
        };
        Ok((child, BufReader::new(stdout).lines()))
    }

    /// What it is called in messages.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Writes a line to its stdin. A process that has ended reads nothing, which its end reports.
    pub(crate) async fn write_line(&mut self, line: &str) {
        if let Some(stdin) = &mut self.stdin
            && stdin.write_all(format!("{line}\n").as_bytes()).await.is_err()
        {
            self.stdin = None;
        }
    }

    /// Writes an order to its stdin. A process that does not read it in time has not read for long, and would not read that
    /// it is to stop either: it is killed.
    pub(crate) async fn order(&mut self, line: &str) {
        if timeout(TAKEN_WITHIN, self.write_line(line)).await.is_err() {
            self.kill();
        }
    }

    /// Asks it to stop, by the end of its stdin.
    pub(crate) fn stop(&mut self) {
        self.stdin = None;
    }

    /// Asks it to stop, as `kill` does: for a program that takes no orders from its stdin.
    #[cfg(unix)]
    pub(crate) fn terminate(&mut self) {
        // It has no number any more once its end was waited for, so no other process can be meant.
        let pid = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // It fails only where there is nothing left to stop.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Ends it: other systems have no way to ask.
    #[cfg(not(unix))]
    pub(crate) fn terminate(&mut self) {
        self.kill();
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        // It fails only where there is nothing left to kill.
        let _ = self.process.start_kill();
    }

    /// Whether it has ended already.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Waits until it has ended. May be asked again.
    ///
    /// # Errors
    ///
    /// The system has lost it.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<Ended> {
        let status = self
            .process
            .wait()
            .await
            .with_context(|| format!("can't wait for {}", self.name))?;
        // Its stderr is closed now, unless a child of its own still holds it; then what was read has to do.
        if let Some(mut stderr) = self.stderr.take()
            && timeout(STDERR_WITHIN, &mut stderr).await.is_err()
        {
            stderr.abort();
        }
        Ok(Ended {
            status,
            last_words: lock(&self.words).iter().cloned().collect(),
        })
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        match self.last_words.as_slice() {
            [] => write!(f, ", without a last word"),
            words => write!(f, "; its last words:\n  {}", words.join("\n  ")),
        }
    }
}

/// Nothing panics while it holds the lock, and half a line could do no harm.
fn lock(words: &Mutex<VecDeque<String>>) -> std::sync::MutexGuard<'_, VecDeque<String>> {
    words.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
