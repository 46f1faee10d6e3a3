//! The view of a live run: it looks at the run each second, waits for keys, and draws what has changed, at most four times
//! a second.

use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use device_sim::console;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::process::{Signal, getpgrp, getpid, getsid, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};

use super::ansi;
use super::draw::{Theme, draw};
use super::keys::{Key, Keys};
use super::screen::{Command, Screen};
use super::snapshot::{Snapshot, Subject};
use super::tty::{Reading, Tty, Typed, close_on_panic};
use crate::control::RunHandle;
use crate::progress::{self, ProgressLog};
use crate::standing::Viewer;

/// The time between two frames.
const FRAME: Duration = Duration::from_millis(250);
/// The time between two looks.
const SECOND: Duration = Duration::from_secs(1);
/// A look is this far from where the clock of the run would show the next second, so that it shows each.
const WITHIN_SECOND: f64 = 0.3;
/// So many lines have a place on the largest screen.
const LINES: usize = 40;
/// So many keys wait, and so many orders; more come only from something that leans on them.
const KEYS: usize = 64;
/// A terminal is not larger than this.
const MOST: (u16, u16) = (400, 200);
/// The driver ends in less time, or waits for a terminal that takes nothing.
const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// Lines of before the view are written in less time, or not read at all.
const LINES_FIRST: Duration = Duration::from_secs(1);

/// A view, which has the terminal until it is closed.
#[derive(Debug)]
pub(crate) struct View {
    tty: Arc<Tty>,
    end: Option<oneshot::Sender<()>>,
    driver: Option<JoinHandle<()>>,
}

impl View {
    /// Opens the view of a run, as soon as this process is in the foreground of its terminal.
    ///
    /// # Errors
    ///
    /// The terminal can't be used.
    pub(crate) fn open(subject: Subject, viewer: Viewer, live: RunHandle, progress: ProgressLog) -> io::Result<Self> {
        let tty = Arc::new(Tty::of_stderr()?);
        close_on_panic(&tty, progress::release_in_panic);
        suspend_when_asked(Arc::clone(&tty))?;
        let (end, ended) = oneshot::channel();
        let (keys, typed) = mpsc::channel(KEYS);
        let driver = Driver {
            tty: Arc::clone(&tty),
            theme: Theme::here(),
            screen: Screen::new(subject),
            viewer,
            live,
            progress,
            keys,
            reading: None,
            looking: None,
            is_over: false,
            orders: JoinSet::new(),
            drawn: None,
            is_changed: true,
            next_frame: Instant::now(),
            writing: None,
        };
        let signals = Signals::listen()?;
        Ok(Self {
            tty,
            end: Some(end),
            driver: Some(tokio::spawn(driver.run(signals, typed, ended))),
        })
    }

    /// Puts the terminal back, and prints the lines that came while the view had it.
    pub(crate) async fn close(mut self) {
        drop(self.end.take());
        if let Some(driver) = self.driver.take() {
            // Where it has panicked, the terminal is put back already; where it waits for a terminal, that is done now.
            let _ = timeout(ENDS_WITHIN, driver).await;
        }
        let tty = Arc::clone(&self.tty);
        let _ = spawn_blocking(move || tty.close()).await;
    }
}

/// However the run ends.
impl Drop for View {
    fn drop(&mut self) {
        self.tty.close();
        progress::release();
    }
}

/// Ctrl-Z puts the terminal back before the process stops, now and as long as the process lives.
fn suspend_when_asked(tty: Arc<Tty>) -> io::Result<()> {
    let mut asked = signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
    tokio::spawn(async move {
        while asked.recv().await.is_some() {
            if is_alone() {
                continue;
            }
            put_aside(&tty).await;
            // It fails only where there is no such process.
            let _ = kill_process(getpid(), Signal::STOP);
        }
    });
    Ok(())
}

/// Whether there is no shell that could continue this process: the system then ignores Ctrl-Z, too.
fn is_alone() -> bool {
    getsid(None).map_or(true, |session| session == getpgrp())
}

/// The view leaves the terminal, and lines are printed.
async fn put_aside(tty: &Arc<Tty>) {
    let tty = Arc::clone(tty);
    let left = spawn_blocking(move || {
        if tty.leave() {
            progress::release();
        }
        console::flush(LINES_FIRST);
    });
    let _ = left.await;
}

/// Signals that are about the terminal.
struct Signals {
    resized: tokio::signal::unix::Signal,
    continued: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(Signal::CONT.as_raw()))?,
        })
    }
}

struct Driver {
    tty: Arc<Tty>,
    theme: Theme,
    screen: Screen,
    viewer: Viewer,
    live: RunHandle,
    progress: ProgressLog,
    keys: mpsc::Sender<Key>,
    /// Keys are read as long as the view has the terminal.
    reading: Option<Reading>,
    looking: Option<JoinHandle<Option<Snapshot>>>,
    /// Nothing more will be seen of the run.
    is_over: bool,
    /// What the run was asked to do, and has not answered.
    orders: JoinSet<()>,
    /// What is on the terminal, as far as that is known.
    drawn: Option<Buffer>,
    is_changed: bool,
    next_frame: Instant,
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl Driver {
    async fn run(mut self, mut signals: Signals, mut typed: mpsc::Receiver<Key>, mut ended: oneshot::Receiver<()>) {
        let mut seconds = interval(SECOND);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !self.tty.is_closed() {
            let may_draw = self.is_changed && self.writing.is_none() && self.tty.is_up();
            tokio::select! {
                _ = &mut ended => return,
                _ = seconds.tick() => {
                    self.raise().await;
                    self.look();
                }
                Some(seen) = joined(&mut self.looking) => self.see(seen, &mut seconds),
                Some(key) = typed.recv() => self.press(key),
                Some(_) = self.orders.join_next() => self.look(),
                Some(()) = signals.resized.recv() => self.is_changed = true,
                Some(()) = signals.continued.recv() => self.come_back().await,
                Some(written) = joined(&mut self.writing) => if written.is_err() {
                    // The terminal is gone. The run goes on without.
                    self.tty.close();
                    progress::release();
                },
                () = sleep_until(self.next_frame), if may_draw => self.frame(),
            }
        }
    }

    /// Takes the terminal, unless the view has it or another program uses it.
    async fn raise(&mut self) {
        if self.tty.is_up() || self.tty.is_closed() || !self.tty.is_foreground() {
            return;
        }
        progress::hold();
        let tty = Arc::clone(&self.tty);
        let entered = spawn_blocking(move || {
            console::flush(LINES_FIRST);
            tty.enter()
        });
        if !matches!(entered.await, Ok(Ok(()))) {
            self.tty.close();
        }
        if !self.tty.is_up() {
            return progress::release();
        }
        self.reading = read_keys(&self.tty, self.keys.clone());
        self.drawn = None;
        self.is_changed = true;
    }

    /// The process was stopped and goes on, perhaps in the background.
    async fn come_back(&mut self) {
        self.reading = None;
        if self.tty.is_up() && !self.tty.is_foreground() && self.tty.lose() {
            progress::release();
        }
        if self.tty.is_up() {
            // Stopped by a signal that no program sees: others may have drawn since.
            put_aside(&self.tty).await;
        }
        self.raise().await;
    }

    fn look(&mut self) {
        if !self.is_over && self.looking.is_none() {
            let viewer = self.viewer.clone();
            self.looking = Some(tokio::spawn(async move { viewer.look(Snapshot::of).await }));
        }
        self.read_lines();
    }

    fn see(&mut self, seen: Option<Snapshot>, seconds: &mut Interval) {
        let Some(snapshot) = seen else {
            self.is_over = true;
            return;
        };
        if self.screen.snapshot.is_none() {
            let next = 1.0 + WITHIN_SECOND - snapshot.position.at_s.fract();
            seconds.reset_after(Duration::try_from_secs_f64(next).unwrap_or(SECOND));
        }
        self.screen.see(snapshot, self.progress.elapsed());
        self.read_lines();
    }

    fn read_lines(&mut self) {
        (self.screen.lines, self.screen.notes) = progress::newest(LINES);
        self.is_changed = true;
    }

    fn press(&mut self, key: Key) {
        self.is_changed = true;
        let Some(command) = self.screen.press(key) else { return };
        if matches!(command, Command::Order(..)) && self.orders.len() >= KEYS {
            return;
        }
        let (live, progress) = (self.live.clone(), self.progress);
        self.orders.spawn(async move {
            let (word, answer) = match command {
                Command::Order(word, control) => (word, live.order(control).await.map(drop)),
                Command::End => ("stop", live.end().await),
                Command::Leave => ("leave", live.leave().await),
            };
            if let Err(error) = answer {
                progress.report(format!("{word}: {error}"));
            }
        });
    }

    fn frame(&mut self) {
        self.is_changed = false;
        let Some((columns, rows)) = self.tty.size().filter(|size| size.0 > 0 && size.1 > 0) else {
            return;
        };
        let mut buffer = Buffer::empty(Rect::new(0, 0, columns.min(MOST.0), rows.min(MOST.1)));
        draw(&self.screen, self.theme, &mut buffer);
        let text = match &self.drawn {
            Some(before) if before.area == buffer.area => ansi::update(before, &buffer),
            _ => ansi::whole(&buffer),
        };
        self.drawn = Some(buffer);
        if text.is_empty() {
            return;
        }
        self.next_frame = Instant::now() + FRAME;
        let tty = Arc::clone(&self.tty);
        self.writing = Some(spawn_blocking(move || tty.write(text.as_bytes())));
    }
}

/// Waits for a task that may not be there; without one, for ever. Nothing of a task that has panicked.
async fn joined<T>(task: &mut Option<JoinHandle<T>>) -> Option<T> {
    let Some(running) = task else {
        return std::future::pending().await;
    };
    let done = running.await;
    *task = None;
    done.ok()
}

/// Reads keys until the result is dropped. Without them the view is only to look at.
fn read_keys(tty: &Arc<Tty>, keys: mpsc::Sender<Key>) -> Option<Reading> {
    let (typed, reading) = Typed::here().ok()?;
    let tty = Arc::clone(tty);
    let read = move || {
        let mut known = Keys::default();
        while let Some(bytes) = typed.next(&tty) {
            for key in known.read(&bytes) {
                // Where very many wait, one more means nothing.
                let _ = keys.try_send(key);
            }
        }
    };
    thread::Builder::new().name("keys".to_owned()).spawn(read).ok()?;
    Some(reading)
}
