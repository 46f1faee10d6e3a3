//! A process under measurement: its lines, its CPU clock, its resident memory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use fleet_protocol::lines::{Line, Stats, counter};
use nix::time::ClockId;
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A running program. Dropping it kills it; should this process vanish, the end of its stdin stops it.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    pid: Pid,
    lines: Lines<BufReader<ChildStdout>>,
    _stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts `program`. It gets a process group of its own, so that Ctrl-C in a terminal reaches only the bench, which
    /// then ends it. Its stderr is ours.
    pub(crate) fn start(
        name: impl Into<String>,
        program: &Path,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> anyhow::Result<Self> {
        let name = name.into();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("can't start {name} ({})", program.display()))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let stdout = child.stdout.take().ok_or_else(|| anyhow!("{name} has no stdout"))?;
        Ok(Self {
            pid: Pid::from_raw(pid.ok_or_else(|| anyhow!("{name} has no process id"))?),
            _stdin: child.stdin.take(),
            lines: BufReader::new(stdout).lines(),
            child,
            name,
        })
    }

    /// The same under callgrind, which counts no instructions before it is switched on, and writes to `folder`.
    pub(crate) fn start_counted(
        name: impl Into<String>,
        program: &Path,
        arguments: impl IntoIterator<Item = OsString>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut output = OsString::from("--callgrind-out-file=");
        output.push(folder.join("callgrind.%p"));
        let mut all = ["--tool=callgrind", "--instr-atstart=no", "--quiet"]
            .map(Into::into)
            .to_vec();
        all.extend([output, program.into()]);
        all.extend(arguments);
        Self::start(name, Path::new("valgrind"), all)
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Its next line.
    pub(crate) async fn line(&mut self) -> anyhow::Result<String> {
        match self.lines.next_line().await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => bail!("{} ended early: {}", self.name, self.child.wait().await?),
            Err(error) => Err(error).with_context(|| format!("can't read from {}", self.name)),
        }
    }

    /// Reads its lines until there are figures of which `wanted` is true.
    pub(crate) async fn figures(
        &mut self,
        within: Duration,
        wanted: impl Fn(&Stats) -> bool,
    ) -> anyhow::Result<Counters> {
        let mut last = Counters::default();
        let reading = async {
            loop {
                if let Ok(Line::Stats(stats)) = serde_json::from_str(&self.line().await?) {
                    let done = wanted(&stats);
                    last = Counters {
                        at: stats.t,
                        counts: stats.counters,
                    };
                    if done {
                        return Ok(());
                    }
                }
            }
        };
        let read = timeout(within, reading).await;
        match read {
            Ok(Ok(())) => Ok(last),
            Ok(Err(error)) => Err(error),
            Err(_) => bail!(
                "{} did not get there within {within:?}; it is at {:?}",
                self.name,
                last.counts
            ),
        }
    }

    /// User and system time that it has used, threads that are gone included. What `utime + stime` of `/proc/<pid>/stat`
    /// say, in nanoseconds instead of hundredths of a second.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let now = ClockId::pid_cpu_clock_id(self.pid).and_then(ClockId::now);
        Ok(now
            .with_context(|| format!("can't read the CPU clock of {}", self.name))?
            .into())
    }

    /// Its resident memory in KiB. From `smaps_rollup`, since `VmRSS` is only nearly true while threads run.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/smaps_rollup", self.pid);
        let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {path}"))?;
        let rss = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kib = rss.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok());
        kib.ok_or_else(|| anyhow!("{path} has no Rss"))
    }

    /// Ends it at once, and waits until it is gone.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        let killed = self.child.kill().await;
        killed.with_context(|| format!("can't end {}", self.name))
    }
}

/// The counters of a stats line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    /// Seconds since the process began.
    pub(crate) at: f64,
    counts: BTreeMap<String, u64>,
}

impl Counters {
    /// Messages that the hub has acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.counts.get(counter::TELEMETRY_ACKED).copied().unwrap_or_default()
    }

    /// What should not happen in a benchmark, since it costs and others don't have it.
    pub(crate) fn mishaps(&self) -> impl Iterator<Item = (&str, u64)> {
        let unwanted = [
            counter::TELEMETRY_DROPPED,
            counter::RECONNECTS,
            counter::REGISTER_FAILED,
            counter::CONNECT_FAILED,
            counter::TWIN_GET_FAILED,
            counter::REPORT_FAILED,
        ];
        let mishaps = self
            .counts
            .iter()
            .filter(move |(name, count)| **count > 0 && unwanted.iter().any(|prefix| name.starts_with(prefix)));
        mishaps.map(|(name, count)| (name.as_str(), *count))
    }
}
