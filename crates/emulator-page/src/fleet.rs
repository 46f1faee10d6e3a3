//! The fleet at one glance: a dot for each device, by group and by state. It is sent as a whole only when devices come or
//! go; otherwise a letter for each device goes out.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use iot_emulator::view::{Application, Device};
use maud::{Markup, html};

mod state;

use state::State;

use crate::layout::Fragment;
use crate::refusals::Refusals;
use crate::{Page, format};

/// Devices that get a dot.
const DOTS: usize = 10_000;

/// All devices at one moment.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    sections: Vec<Section>,
    /// Distinguishes these devices from others, whatever their states.
    key: String,
    whole: Arc<Markup>,
}

/// What came in the same way.
#[derive(Debug)]
struct Section {
    name: String,
    /// The list of these devices.
    path: String,
    devices: Vec<(String, State)>,
}

/// How a device came in, in the order in which it is shown.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way<'a> {
    Group(&'a str),
    Individual,
    NotYet,
    /// It did not, and the application does not know it.
    Stranger,
}

impl Page {
    pub(crate) fn fleet(&self) -> Arc<Fleet> {
        let refusals = self.refusals();
        self.shared.fleet.get(|known| {
            let mut fleet = Fleet::of(&self.view.application(), &refusals);
            fleet.whole = match known.filter(|known| known.key == fleet.key) {
                Some(known) => Arc::clone(&known.whole),
                None => Arc::new(fleet.draw()),
            };
            fleet
        })
    }
}

impl Fleet {
    fn of(application: &Application<'_>, refusals: &Refusals) -> Self {
        let mut by_way: BTreeMap<Way<'_>, Vec<(String, State)>> = BTreeMap::new();
        for (_, device) in application.devices() {
            let dot = (device.id().to_string(), State::of(&device, refusals));
            by_way.entry(way(&device)).or_default().push(dot);
        }
        let strangers = refusals.all().filter(|(id, _)| application.device(id).is_none());
        let strangers: Vec<_> = strangers
            .map(|(_, refusal)| (refusal.id().to_owned(), State::Refused))
            .collect();
        if !strangers.is_empty() {
            by_way.insert(Way::Stranger, strangers);
        }
        let section = |(way, devices): (Way<'_>, Vec<_>)| Section {
            name: way.name(application),
            path: way.path(),
            devices,
        };
        let sections: Vec<_> = by_way.into_iter().map(section).collect();
        let mut hasher = DefaultHasher::new();
        for section in &sections {
            section.name.hash(&mut hasher);
            section.devices.iter().for_each(|(id, _)| id.hash(&mut hasher));
        }
        Self {
            sections,
            key: format!("{:x}", hasher.finish()),
            whole: Arc::default(),
        }
    }

    fn devices(&self) -> impl Iterator<Item = &(String, State)> {
        self.sections.iter().flat_map(|section| &section.devices)
    }

    /// How many devices are in a state.
    fn count(&self, state: State) -> usize {
        self.devices().filter(|(_, known)| *known == state).count()
    }

    /// How many devices and strangers are refused.
    pub(crate) fn refused(&self) -> usize {
        self.count(State::Refused)
    }

    /// The three parts of the view: the legend, the dots, and the states of the dots.
    pub(crate) fn fragments(&self) -> [Fragment; 3] {
        let states: String = self.devices().take(DOTS).map(|(_, state)| state.letter()).collect();
        let legend = html! {
            ul.states {
                @for state in State::ALL {
                    li data-state=(state.letter()) {
                        span.dots { span class=(state.letter()) {} } " "
                        span.word { (state.word()) } " " strong { (format::count(self.count(state))) }
                    }
                }
            }
        };
        [
            Fragment::new("fleet-legend", legend),
            Fragment::keyed("fleet", Arc::clone(&self.whole), self.key.clone()),
            Fragment::new("fleet-states", html! { data value=(states) data-of=(self.key) {} }),
        ]
    }

    /// The dots as they are now, for a browser that runs no scripts.
    pub(crate) fn dots(&self) -> Fragment {
        Fragment::keyed("fleet", Arc::new(self.draw()), self.key.clone())
    }

    /// A link for each device. They are not in the order of the tab key, in which thousands would be in the way: the list
    /// behind each heading has the same ones.
    fn draw(&self) -> Markup {
        let size = match self.devices().count() {
            0..=400 => "dots large",
            401..=2000 => "dots",
            _ => "dots small",
        };
        let mut before = 0;
        let mut room = |count: usize| {
            let room = DOTS.saturating_sub(before);
            before += count;
            count.min(room)
        };
        html! {
            @if self.sections.is_empty() { p.quiet { "No device yet." } }
            @for section in &self.sections {
                @let shown = room(section.devices.len());
                h3 { a href=(section.path) { (section.name) } " " span.quiet { (format::count(section.devices.len())) } }
                div class=(size) aria-hidden="true" {
                    @for (id, state) in &section.devices[..shown] {
                        a class=(state.letter()) href=(format::device_path(id)) title={ (id) " — " (state.word()) } tabindex="-1" {}
                    }
                }
                @if shown < section.devices.len() { p.quiet { "and " (format::count(section.devices.len() - shown)) " more" } }
            }
        }
    }
}

fn way<'a>(device: &Device<'a>) -> Way<'a> {
    match device.group() {
        _ if device.is_individual() => Way::Individual,
        Some(group) => Way::Group(group),
        None => Way::NotYet,
    }
}

impl Way<'_> {
    fn name(&self, application: &Application<'_>) -> String {
        match self {
            Self::Group(id) => {
                let group = application.group(id);
                group.map_or_else(|| format!("{id} (deleted)"), |group| group.display_name().to_owned())
            }
            Self::Individual => "Enrolled individually".into(),
            Self::NotYet => "Not registered yet".into(),
            Self::Stranger => "Refused, and not known".into(),
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Group(id) => format!("/devices?group={}", format::encoded(id)),
            Self::Individual => "/devices?state=individual".into(),
            Self::NotYet => "/devices?group=~".into(),
            Self::Stranger => "/devices?state=refused".into(),
        }
    }
}
