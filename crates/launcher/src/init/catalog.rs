//! The device templates of an application: which of them devices can be simulated of, and which a person means. Pure.

use std::sync::Arc;

use device_sim::model::Blueprint;
use dtdl::{Documents, is_a};
use fleet_protocol::plan::Behaviours;
use fleet_report::words::counted;
use iot_protocol::id::ModelId;
use iot_protocol::shown;
use serde_json::Value;
use settings::nearest;

use crate::manifest::models::ReadModel;

/// So many templates are listed below an error; an application can have a thousand.
const LISTED: usize = 30;

/// The device templates of an application, in its order.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    entries: Vec<Entry>,
}

/// A device template.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    /// The id of its model, which need not be that of the template.
    model_id: String,
    /// What it is called in the application.
    pub(super) name: String,
    /// Its model, or why no device can be simulated of it.
    model: Result<ReadModel, String>,
}

impl Catalog {
    /// The templates as the application returns them.
    pub(super) fn of(documents: &[Value]) -> Self {
        Self {
            entries: documents.iter().map(Entry::of).collect(),
        }
    }

    /// Those that devices can be simulated of.
    pub(super) fn simulated(&self) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.model.is_ok()).collect()
    }

    /// The model of a template, by the template's id.
    pub(super) fn model(&self, id: &str) -> Option<&ReadModel> {
        let entry = self.entries.iter().find(|entry| entry.id == id)?;
        entry.model.as_ref().ok()
    }

    /// What a person reads before choosing: a line for each template, those with a number that can be chosen.
    pub(super) fn words(&self) -> String {
        let simulated = self.simulated();
        let count = counted(simulated.len(), "device template", "device templates");
        let mut lines = vec![format!(
            "the application has {count} of which devices can be simulated:"
        )];
        let width = simulated.iter().map(|entry| entry.name.chars().count()).max();
        let width = width.unwrap_or(0).min(40);
        let numbered = simulated.iter().zip(1..);
        lines.extend(numbered.map(|(entry, number)| format!("  {number:>2}  {:<width$}  {}", entry.name, entry.id)));
        lines.extend(self.left_out().map(|words| format!("  left out: {words}")));
        lines.join("\n")
    }

    /// The templates that no device can be simulated of, each with the reason.
    fn left_out(&self) -> impl Iterator<Item = String> {
        self.entries
            .iter()
            .filter_map(|entry| Some(format!("{entry}: {}", entry.model.as_ref().err()?)))
    }

    /// Why there is nothing to choose from; `None` where there is something.
    pub(super) fn nothing(&self) -> Option<String> {
        if self.entries.is_empty() {
            return Some("the application has no device template".to_owned());
        }
        self.simulated().is_empty().then(|| {
            let reasons: Vec<_> = self.left_out().collect();
            format!(
                "no device can be simulated of any device template of the application\n{}",
                reasons.join("\n")
            )
        })
    }

    /// The templates that are meant by ids and names, each once.
    ///
    /// # Errors
    ///
    /// All that is wrong, a sentence each.
    pub(super) fn choose(&self, wanted: &[String]) -> Result<Vec<&Entry>, Vec<String>> {
        let (mut chosen, mut problems) = (Vec::<&Entry>::new(), Vec::new());
        for word in wanted {
            match self.find(word) {
                Ok(entry) if chosen.iter().any(|known| known.id == entry.id) => {}
                Ok(entry) => chosen.push(entry),
                Err(problem) => problems.push(problem),
            }
        }
        match problems.is_empty() {
            true => Ok(chosen),
            false => Err(problems),
        }
    }

    /// The same from an answer: `all`, or numbers of the list, names and ids, with commas between.
    pub(super) fn picked(&self, answer: &str) -> Result<Vec<&Entry>, String> {
        let simulated = self.simulated();
        if answer.eq_ignore_ascii_case("all") {
            return Ok(simulated);
        }
        let by_number = |word: &str| {
            let number: usize = word.parse().ok()?;
            simulated.get(number.checked_sub(1)?)
        };
        let words = answer.split(',').map(str::trim).filter(|word| !word.is_empty());
        let words: Vec<_> = words
            .map(|word| by_number(word).map_or_else(|| word.to_owned(), |entry| entry.id.clone()))
            .collect();
        match self.choose(&words) {
            Ok(chosen) if chosen.is_empty() => Err("accepted: all, or numbers, names and ids of the list".to_owned()),
            Ok(chosen) => Ok(chosen),
            Err(problems) => Err(problems.join("\n")),
        }
    }

    /// What there is, for a person who has asked for something else.
    pub(super) fn list(&self) -> String {
        let line = |entry: &Entry| match entry.model {
            Ok(_) => format!("  {entry}"),
            Err(_) => format!("  {entry}, which can't be simulated"),
        };
        let mut lines: Vec<_> = self.entries.iter().take(LISTED).map(line).collect();
        if self.entries.len() > LISTED {
            lines.push(format!("  and {} more", self.entries.len() - LISTED));
        }
        lines.join("\n")
    }

    /// The template of an id, of its model's, or of a name, in this order: an id is never taken for a name.
    fn find(&self, word: &str) -> Result<&Entry, String> {
        let lower = word.to_lowercase();
        let ways: [&dyn Fn(&&Entry) -> bool; 4] = [
            &|entry| entry.id == word,
            &|entry| entry.model_id == word,
            &|entry| entry.name == word,
            &|entry| entry.name.to_lowercase() == lower,
        ];
        for way in ways {
            match self.entries.iter().filter(way).collect::<Vec<_>>().as_slice() {
                [] => {}
                [only] => {
                    return match &only.model {
                        Ok(_) => Ok(only),
                        Err(why) => Err(only.refusal(why)),
                    };
                }
                several => {
                    let ids: Vec<_> = several.iter().map(|entry| format!("`{}`", entry.id)).collect();
                    let count = several.len();
                    return Err(format!(
                        "`{word}` means {count} device templates: give one of {}",
                        ids.join(", ")
                    ));
                }
            }
        }
        let names = self.entries.iter().flat_map(|entry| [&entry.name, &entry.id]);
        let meant = match nearest(word, names.map(String::as_str)) {
            Some(nearest) => format!("; did you mean `{nearest}`?"),
            None => String::new(),
        };
        Err(format!("the application has no device template `{word}`{meant}"))
    }
}

impl Entry {
    fn of(document: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let id = text(&document["@id"]).unwrap_or_default();
        // DTDL has names in several languages, too.
        let name = &document["displayName"];
        let name = text(name)
            .or_else(|| text(&name["en"]))
            .filter(|name| !name.trim().is_empty());
        Self {
            model_id: text(&document["capabilityModel"]["@id"]).unwrap_or_default(),
            name: name.unwrap_or_else(|| id.clone()),
            model: read(&id, document),
            id,
        }
    }

    fn refusal(&self, why: &str) -> String {
        format!("no device can be simulated of {self}: {why}")
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name == self.id {
            true => write!(f, "`{}`", shown::text(&self.id)),
            false => write!(f, "`{}` ({})", shown::text(&self.name), shown::text(&self.id)),
        }
    }
}

/// The model of a template, or why devices can't be of it.
fn read(id: &str, document: &Value) -> Result<ReadModel, String> {
    ModelId::new(id).map_err(|error| format!("a manifest can't name it: {error}"))?;
    // https://learn.microsoft.com/azure/iot-central/core/howto-manage-device-templates-with-rest-api
    if is_a(document, "EdgeModel") {
        return Err("its devices are IoT Edge devices, whose modules are not simulated".to_owned());
    }
    let mut documents = Documents::new();
    documents.add("the template", document);
    let parsed = documents.read(None).map_err(|problems| {
        let mut all = problems.iter();
        let first = all.next().map(ToString::to_string).unwrap_or_default();
        match all.count() {
            0 => first,
            more => format!("{first}, and {}", counted(more, "problem more", "problems more")),
        }
    })?;
    let read = ReadModel::from(parsed);
    match Blueprint::own(&Arc::clone(&read.model), &Behaviours::new()) {
        Ok(_) => Ok(read),
        Err(problems) => Err(problems.first().map(ToString::to_string).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;
