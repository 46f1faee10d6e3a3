//! A live run in the terminal: what `fleet run` shows instead of lines where stderr is a terminal that is large enough.
//!
//! | module | is |
//! | --- | --- |
//! | [`ui`] | which of the forms of progress a run has, and why not another |
//! | `snapshot` | what is taken of a run each second |
//! | `history` | the last minutes: rates and times |
//! | `screen` | all that is shown, and what a key does to it. Pure |
//! | `draw` | the screen as cells. Pure |
//! | `keys`, `ansi` | bytes from a terminal, and to it. Pure |
//! | `tty` | the terminal itself: set up, written to, and put back however the run ends |
//! | `view` | looks at the run, waits for keys, and decides when a frame is due |

#[cfg(unix)]
mod ansi;
#[cfg(unix)]
mod draw;
#[cfg(unix)]
mod history;
#[cfg(unix)]
mod keys;
#[cfg(unix)]
mod screen;
#[cfg(unix)]
mod snapshot;
#[cfg(unix)]
mod tty;
pub mod ui;
#[cfg(unix)]
mod view;

#[cfg(unix)]
pub(crate) use snapshot::Subject;
pub use ui::Ui;
#[cfg(unix)]
pub(crate) use view::View;
