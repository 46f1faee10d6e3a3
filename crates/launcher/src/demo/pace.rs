//! When the next step begins: when a person presses Enter, or by itself.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::time::sleep;

use super::narrator::Narrator;
use crate::exit::Failure;

/// What begins a step.
#[derive(Debug)]
pub(super) enum Pace {
    /// A line of stdin.
    Enter(Lines<BufReader<Stdin>>),
    /// The end of a pause.
    Auto(Duration),
}

impl Pace {
    /// By itself with `auto`, after `pause`; otherwise by Enter.
    ///
    /// # Errors
    ///
    /// There is no terminal on which a person could press Enter.
    pub(super) fn new(auto: bool, pause: Option<Duration>) -> Result<Self, Failure> {
        if auto {
            return Ok(Self::Auto(pause.unwrap_or_default()));
        }
        if !std::io::stdin().is_terminal() {
            let error = anyhow!("each step waits for Enter, and stdin is not a terminal");
            return Err(Failure::refused(error.hint("--auto goes on by itself")));
        }
        Ok(Self::Enter(BufReader::new(tokio::io::stdin()).lines()))
    }

    /// Waits for the next step.
    ///
    /// # Errors
    ///
    /// Stdin has ended: the person has left.
    pub(super) async fn wait(&mut self, narrator: Narrator) -> Result<(), Failure> {
        match self {
            Self::Enter(lines) => {
                narrator.prompt().await?;
                let line = lines.next_line().await.context("can't read from stdin")?;
                line.map(drop).ok_or(Failure::Interrupted)
            }
            Self::Auto(pause) => {
                sleep(*pause).await;
                Ok(())
            }
        }
    }
}
