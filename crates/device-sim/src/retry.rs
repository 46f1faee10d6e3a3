//! Trying again now, asked for by hand: Enter on the terminal, and on Unix SIGUSR1.
//!
//! A device that was refused waits for minutes before it tries again. Whoever has just corrected the mistake need not.

use std::io::{IsTerminal, stdin};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::console;
use crate::fleet::Input;

/// Whether Enter is there to be pressed: stdin is a terminal, and no control lines are read from it.
pub(crate) fn enter_is_read(control_lines: bool) -> bool {
    !control_lines && stdin().is_terminal()
}

/// Listens until the fleet has gone.
pub(crate) fn listen(inputs: &mpsc::UnboundedSender<Input>, enter: bool) {
    #[cfg(unix)]
    tokio::spawn(on_signal(inputs.clone()));
    if enter {
        let inputs = inputs.clone();
        let retry = move || ask(&inputs).is_some_and(|answer| report(answer.blocking_recv()));
        let listen = move || while terminal::enter() && retry() {};
        // Not a task: reading a terminal blocks, and must not keep the process from ending. Where the machine allows no
        // further thread, the signal is left.
        drop(thread::Builder::new().name("enter".to_owned()).spawn(listen));
    }
}

#[cfg(unix)]
async fn on_signal(inputs: mpsc::UnboundedSender<Input>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut asked) = signal(SignalKind::user_defined1()) else {
        return;
    };
    while asked.recv().await.is_some() {
        let Some(answer) = ask(&inputs) else { return };
        if !report(answer.await) {
            return;
        }
    }
}

/// Has devices that wait try again. `None` where there is no fleet any more.
fn ask(inputs: &mpsc::UnboundedSender<Input>) -> Option<oneshot::Receiver<u32>> {
    let (answer, answered) = oneshot::channel();
    inputs.send(Input::Retry(answer)).ok().map(|()| answered)
}

/// Reports how many devices try again. `false` where there is no fleet any more.
fn report(devices: Result<u32, oneshot::error::RecvError>) -> bool {
    devices.is_ok_and(|devices| {
        console::note(words(devices));
        true
    })
}

fn words(devices: u32) -> String {
    match devices {
        0 => "nothing to try again: no device waits after a failure".to_owned(),
        1 => "trying again now: 1 device".to_owned(),
        _ => format!("trying again now: {devices} devices"),
    }
}

#[cfg(unix)]
mod terminal {
    use std::io::stdin;
    use std::thread::park_timeout;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::{Errno, read};
    use rustix::process::getpgrp;
    use rustix::termios::tcgetpgrp;

    /// How often a job in the background looks whether it has the terminal again, while another job is typed to.
    const LOOK: Duration = Duration::from_secs(1);

    /// Waits for Enter. `false` where the terminal has gone.
    pub(super) fn enter() -> bool {
        let stdin = stdin();
        let mut bytes = [0; 256];
        loop {
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(_) => return false,
            }
            // What is typed now is for another job, and the system would stop this one if it read it.
            if is_in_background() {
                park_timeout(LOOK);
                continue;
            }
            match read(&stdin, &mut bytes) {
                Ok(0) => return false,
                Ok(count) if bytes[..count].contains(&b'\n') => return true,
                Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return false,
            }
        }
    }

    /// Whether another job has the terminal. One that is not the terminal of this session has no jobs.
    fn is_in_background() -> bool {
        tcgetpgrp(stdin()).is_ok_and(|foreground| foreground != getpgrp())
    }
}

#[cfg(not(unix))]
mod terminal {
    /// Waits for Enter. `false` where the terminal has gone.
    pub(super) fn enter() -> bool {
        matches!(std::io::stdin().read_line(&mut String::new()), Ok(1..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_how_many_devices_try_again() {
        let said = [0, 1, 2].map(words).join("\n");
        let wanted = "nothing to try again: no device waits after a failure\n\
                      trying again now: 1 device\ntrying again now: 2 devices";
        assert_eq!(said, wanted);
    }
}
