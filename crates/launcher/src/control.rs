//! Talking to a live run: what can be asked of it, by a socket in its state folder or from within.
//!
//! The socket carries JSON lines. In: the control lines of device-sim ([`Control`]), which go on to every process of the
//! run, and `{"id":1,"do":"status"}` and `{"id":2,"do":"watch"}`. Out: an [`Response`] to each, and after `watch` the lines of
//! all devices, first the last one of each and then the new ones as they come.
//!
//! [`RunHandle`] is the same on both sides of the socket: its holder need not care whether the run is this very
//! process.

pub(crate) mod broker;
#[cfg(unix)]
mod socket;
pub(crate) mod state_lock;
pub(crate) mod status;

use fleet_protocol::lines::{Control, DeviceLine};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

pub(crate) use status::{Service, Status};

#[cfg(unix)]
pub(crate) use socket::{Serving, connect, serve};

/// What is answered on the socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Response {
    /// Every process has carried the line out.
    Done {
        /// The line's id.
        id: u64,
        /// How many devices it reached.
        devices: u32,
    },
    /// Nothing was done, or not by all.
    Refused {
        /// The line's id, where it was readable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// Why.
        message: String,
    },
    /// What the run is.
    Status {
        /// The line's id.
        id: u64,
        /// The run.
        #[serde(flatten)]
        status: Box<Status>,
    },
    /// A device changed its state, or had it when the watching began.
    Device(DeviceLine),
}

/// Something that a live run is asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// A control line for every process; its id is the asker's own business.
    Order {
        control: Control,
        /// How many devices it reached, or why it did not.
        answer: oneshot::Sender<Result<u32, String>>,
    },
    /// What the run is.
    Status { answer: oneshot::Sender<Status> },
    /// The run is to end as after Ctrl-C: devices drain, the report is written.
    End {
        /// Given when the end has begun.
        answer: oneshot::Sender<()>,
    },
    /// The run is to leave at once, as after a second Ctrl-C.
    Leave {
        /// Given when that has begun.
        answer: oneshot::Sender<()>,
    },
    /// All lines of devices from now on, after the last one of each.
    Watch {
        /// Where they go.
        lines: mpsc::UnboundedSender<DeviceLine>,
        /// Given when the devices of this moment have been sent.
        answer: oneshot::Sender<()>,
    },
}

/// Why a live run did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LiveError {
    /// The run has ended.
    #[error("the run has ended")]
    Gone,
    /// It refused.
    #[error("the run refused: {0}")]
    Refused(String),
}

/// A live run that can be asked.
#[derive(Debug, Clone)]
pub(crate) struct RunHandle {
    questions: mpsc::UnboundedSender<Request>,
}

impl RunHandle {
    /// The asking end, and the end where the questions arrive.
    #[must_use]
    pub(crate) fn pair() -> (Self, mpsc::UnboundedReceiver<Request>) {
        let (questions, asked) = mpsc::unbounded_channel();
        (Self { questions }, asked)
    }

    /// Gives an order to all processes. Returns how many devices it reached when all of them have got it.
    ///
    /// # Errors
    ///
    /// The run refused, or is over.
    pub(crate) async fn order(&self, control: Control) -> Result<u32, LiveError> {
        self.ask(|answer| Request::Order { control, answer })
            .await?
            .map_err(LiveError::Refused)
    }

    /// Lets the run end as after Ctrl-C. Returns when the end has begun.
    ///
    /// # Errors
    ///
    /// The run is over.
    pub(crate) async fn end(&self) -> Result<(), LiveError> {
        self.ask(|answer| Request::End { answer }).await
    }

    /// Lets the run leave at once, as after a second Ctrl-C: nothing is drained.
    ///
    /// # Errors
    ///
    /// The run is over.
    pub(crate) async fn leave(&self) -> Result<(), LiveError> {
        self.ask(|answer| Request::Leave { answer }).await
    }

    /// Waits for the end of the run.
    pub(crate) async fn gone(&self) {
        self.questions.closed().await;
    }

    /// What the run is.
    ///
    /// # Errors
    ///
    /// The run is over.
    pub(crate) async fn status(&self) -> Result<Status, LiveError> {
        self.ask(|answer| Request::Status { answer }).await
    }

    /// The lines of all devices: first the last one of each, which have arrived when this returns.
    ///
    /// # Errors
    ///
    /// The run is over.
    pub(crate) async fn watch(&self) -> Result<mpsc::UnboundedReceiver<DeviceLine>, LiveError> {
        let (lines, received) = mpsc::unbounded_channel();
        self.ask(|answer| Request::Watch { lines, answer }).await?;
        Ok(received)
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, LiveError> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(question(answer)).map_err(|_| LiveError::Gone)?;
        answered.await.map_err(|_| LiveError::Gone)
    }
}
