//! Which devices of all a person wants to see, and in which order, as it stands in the address.

use iot_emulator::view::{Application, Device, RefusedDevice};
use maud::{Markup, html};
use serde::Deserialize;

use super::sort::Sort;
use crate::device_view::Status;
use crate::format;
use crate::refused::Refusals;

const LONGEST: usize = 128;
/// In place of an id: a device that has none. No id has this character.
const NONE: &str = "~";

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wish {
    /// A part of the id.
    #[serde(default)]
    id: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    template: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    pub(super) page: usize,
}

/// What is chosen by one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    All,
    Online,
    Offline,
    Refused,
    Individual,
    Of(Status),
}

impl Choice {
    fn all() -> impl Iterator<Item = Self> {
        let first = [Self::All, Self::Online, Self::Offline, Self::Refused];
        first
            .into_iter()
            .chain(Status::ALL.map(Self::Of))
            .chain([Self::Individual])
    }

    fn key(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Refused => "refused",
            Self::Individual => "individual",
            Self::Of(status) => status.key(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::All => "Any",
            Self::Online => "Online",
            Self::Offline => "Offline",
            Self::Refused => "Refused",
            Self::Individual => "Enrolled individually",
            Self::Of(status) => status.word(),
        }
    }

    fn fits(self, device: &Device<'_>, refusals: &Refusals) -> bool {
        match self {
            Self::All => true,
            Self::Online => device.is_online(),
            Self::Offline => !device.is_online(),
            Self::Refused => refusals.of(device).is_some(),
            Self::Individual => device.is_individual(),
            Self::Of(status) => Status::of(device) == status,
        }
    }
}

impl Wish {
    fn choice(&self) -> Choice {
        Choice::all()
            .find(|choice| choice.key() == self.state)
            .unwrap_or(Choice::All)
    }

    pub(super) fn sort(&self) -> Sort {
        Sort::of(&self.sort)
    }

    /// What fits, by the device's id in lower case and by the device.
    pub(super) fn filter<'a>(&self, refusals: &'a Refusals) -> impl Fn(&str, &Device<'_>) -> bool + use<'a, '_> {
        let (part, choice) = (self.part(), self.choice());
        move |id, device| {
            id.contains(&part)
                && is_it(&self.group, device.group())
                && is_it(&self.template, device.template_id())
                && choice.fits(device, refusals)
        }
    }

    /// Whether clients that the application does not know are looked for too, and which, each with its folded id.
    pub(super) fn strangers<'a>(
        &self,
        refusals: &'a Refusals,
    ) -> impl Iterator<Item = (&'a str, &'a RefusedDevice)> + use<'a> {
        let wanted = self.choice() == Choice::Refused && self.group.is_empty() && self.template.is_empty();
        let part = self.part();
        refusals.all().filter(move |(id, _)| wanted && id.contains(&part))
    }

    fn part(&self) -> String {
        self.id.trim().to_ascii_lowercase()
    }

    /// This list, at another page, as an address.
    pub(super) fn query(&self, page: usize) -> String {
        let texts = [
            ("id", &self.id),
            ("state", &self.state),
            ("group", &self.group),
            ("template", &self.template),
            ("sort", &self.sort),
        ];
        let given = texts.iter().filter(|(_, text)| !text.is_empty());
        let given = given.map(|(name, text)| format!("{name}={}&", format::encoded(text)));
        format!("?{}page={page}", given.collect::<String>())
    }

    pub(super) fn form(&self, application: &Application<'_>) -> Markup {
        let groups = application.groups().map(|group| (group.id(), group.display_name()));
        let templates = application
            .templates()
            .map(|template| (template.id(), template.display_name()));
        html! {
            form.filter method="get" action="/devices" role="search" {
                div {
                    label for="id" { "Id" }
                    input #id name="id" type="search" value=(self.id) maxlength=(LONGEST) placeholder="part of an id";
                }
                (select("state", "State", &self.state, Choice::all().map(|choice| (choice.key(), choice.word()))))
                (select("group", "Group", &self.group, [("", "Any")].into_iter().chain(groups).chain([(NONE, "None")])))
                (select("template", "Template", &self.template, [("", "Any")].into_iter().chain(templates).chain([(NONE, "Unassigned")])))
                (select("sort", "Order", &self.sort, Sort::ALL.map(|sort| (sort.key(), sort.word())).into_iter()))
                button type="submit" { "Filter" }
            }
        }
    }
}

fn is_it(wanted: &str, known: Option<&str>) -> bool {
    match wanted {
        "" => true,
        NONE => known.is_none(),
        wanted => known == Some(wanted),
    }
}

fn select<'a>(name: &str, label: &str, chosen: &str, options: impl Iterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                @for (key, word) in options { option value=(key) selected[key == chosen] { (word) } }
            }
        }
    }
}
