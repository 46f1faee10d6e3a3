//! The fleet at one glance: a dot for each device, by group and by state. It is sent as a whole only when devices come or
//! go; otherwise a letter for each device goes out.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use iot_emulator::view::{Application, Device};
use live_page::Fragment;
use maud::{Markup, html};

mod state;

use state::State;

use crate::refused::Refusals;
use crate::{Page, format};

/// Devices that get a dot.
const DOTS: usize = 10_000;

/// All devices at one moment, and the parts of a view that show them.
#[derive(Debug)]
pub(crate) struct Fleet {
    devices: Devices,
    /// How many devices and strangers are refused.
    pub(crate) refused: usize,
    /// How many there are in each state.
    pub(crate) legend: Fragment,
    /// A dot for each device. It may show earlier states: those of now are in `states`.
    pub(crate) dots: Fragment,
    /// The states of the dots.
    pub(crate) states: Fragment,
}

/// All devices by the way in which they came.
#[derive(Debug)]
struct Devices(Vec<Section>);

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
            let devices = Devices::of(&self.view.application(), &refusals);
            Fleet::of(devices, known)
        })
    }
}

impl Fleet {
    /// With the dots of `known`, if the devices are the same.
    fn of(devices: Devices, known: Option<&Self>) -> Self {
        let key = devices.key();
        let dots = match known.filter(|known| known.dots.digest == key) {
            Some(known) => known.dots.clone(),
            None => devices.dots(key.clone()),
        };
        let letters: String = devices.all().take(DOTS).map(|(_, state)| state.letter()).collect();
        let counts = State::ALL.map(|state| (state, devices.count(state)));
        let legend = html! {
            ul.states {
                @for (state, count) in counts {
                    li data-state=(state.letter()) {
                        span.dots { span class=(state.letter()) {} } " "
                        span.word { (state.word()) } " " strong { (format::count(count)) }
                    }
                }
            }
        };
        Self {
            refused: devices.count(State::Refused),
            legend: Fragment::new("fleet-legend", legend),
            dots,
            states: Fragment::new("fleet-states", html! { data value=(letters) data-of=(key) {} }),
            devices,
        }
    }

    /// The dots as they are now, for a browser that runs no scripts.
    pub(crate) fn dots_now(&self) -> Fragment {
        self.devices.dots(self.dots.digest.clone())
    }
}

impl Devices {
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
        Self(by_way.into_iter().map(section).collect())
    }

    /// Distinguishes these devices from others, whatever their states.
    fn key(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for section in &self.0 {
            section.name.hash(&mut hasher);
            section.devices.iter().for_each(|(id, _)| id.hash(&mut hasher));
        }
        format!("{:x}", hasher.finish())
    }

    fn all(&self) -> impl Iterator<Item = &(String, State)> {
        self.0.iter().flat_map(|section| &section.devices)
    }

    /// How many devices are in a state.
    fn count(&self, state: State) -> usize {
        self.all().filter(|(_, known)| *known == state).count()
    }

    fn dots(&self, key: String) -> Fragment {
        Fragment::keyed("fleet", Arc::new(self.draw()), key)
    }

    /// A link for each device. They are not in the order of the tab key, in which thousands would be in the way: the list
    /// behind each heading has the same ones.
    fn draw(&self) -> Markup {
        let size = match self.all().count() {
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
            @if self.0.is_empty() { p.quiet { "No device yet." } }
            @for section in &self.0 {
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
