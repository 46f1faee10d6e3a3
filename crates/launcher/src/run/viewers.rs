//! Those who look at a run while it lasts: a browser, a scraper, and a person at its terminal.

use fleet_report::report::Report;
use jiff::Timestamp;

use super::conduct::Conduct;
use super::start::Start;
use crate::control::RunHandle;
use crate::ending::Ending;
use crate::exit::Failure;
use crate::http::{Address, Listener};
use crate::interrupts::Interrupts;
use crate::manifest::types::Target;
use crate::metrics::{Exporter, Snapshot};
use crate::prepare::plan;
use crate::progress::ProgressLog;
use crate::standing::Viewer;
use crate::terminal::ui::Form;
#[cfg(unix)]
use crate::terminal::{Subject, View};
use crate::web::{Place, Web};

/// Where they will be answered: taken before anything is started, since a port may not be free.
pub(super) struct Doors {
    page: Option<Listener>,
    exporter: Exporter,
    form: Form,
}

/// They are served.
pub(super) struct Viewers {
    page: Option<Web>,
    exporter: Exporter,
    #[cfg(unix)]
    view: Option<View>,
}

impl Doors {
    /// Takes the ports that are asked for. `form` is how the terminal shows the run.
    ///
    /// # Errors
    ///
    /// One can't be taken.
    pub(super) async fn open(
        start: &Start,
        conduct: &Conduct,
        form: Form,
        progress: ProgressLog,
    ) -> Result<Self, Failure> {
        // The demonstration has a page by itself, and a load test one that is asked for.
        let unasked = match start.manifest.target {
            Target::Emulator(_) => Place::At(Address::any()),
            Target::IotCentral(_) | Target::Dps(_) => Place::Off,
        };
        let page = conduct.web.unwrap_or(unasked).listen().await?;
        let groups = plan::groups(&start.manifest).map_err(Failure::Refused)?;
        let run = (start.run_id.clone(), start.manifest.target.kind(), groups);
        let exporter = Exporter::begin(&conduct.metrics, conduct.stop_within, run, progress).await?;
        Ok(Self { page, exporter, form })
    }

    /// Shows the run, whose processes were started at `t0`. It goes on without a view in the terminal, in lines.
    pub(super) fn show(
        mut self,
        start: &Start,
        t0: Timestamp,
        viewer: Viewer,
        live: RunHandle,
        progress: ProgressLog,
    ) -> Viewers {
        self.exporter.run(viewer.clone());
        let page = self.page.map(|listener| {
            progress.report(format!("watch the run: http://{}/", listener.address()));
            Web::start(listener, viewer.clone(), start.circumstances(Some(t0)))
        });
        Viewers {
            page,
            exporter: self.exporter,
            #[cfg(unix)]
            view: (self.form == Form::View)
                .then(|| view(start, viewer, live, progress))
                .flatten(),
        }
    }
}

#[cfg(unix)]
fn view(start: &Start, viewer: Viewer, live: RunHandle, progress: ProgressLog) -> Option<View> {
    let groups = plan::groups(&start.manifest).ok()?;
    let subject = Subject::of(&start.manifest, &groups, &start.run_id);
    View::open(subject, viewer, live, progress)
        .inspect_err(|error| progress.report(format!("no live view: {error}")))
        .ok()
}

impl Viewers {
    /// The devices have stopped: the terminal is as it was before.
    pub(super) async fn leave_the_terminal(&mut self) {
        #[cfg(unix)]
        if let Some(view) = self.view.take() {
            view.close().await;
        }
    }

    /// The last figures, for the scraper that still comes.
    pub(super) async fn last_figures(&self, last: impl FnOnce() -> Snapshot) {
        self.exporter.end(last).await;
    }

    /// The run is over. Without a report, one that could not be delivered, the page ends as it is.
    pub(super) async fn end(
        self,
        report: Option<&Report>,
        ending: Ending,
        interrupts: &mut Interrupts,
        progress: ProgressLog,
    ) {
        if let Some((page, report)) = self.page.zip(report) {
            page.end(report).await;
        }
        self.exporter.linger(Some(ending), interrupts, progress).await;
    }
}
