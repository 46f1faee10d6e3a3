//! `model`: a word, a file in DTDL, or a template of the application.

use std::fs;
use std::path::{Path, PathBuf};

use device_sim::model::Kit;
use dtdl::Documents;
use fleet_protocol::plan::{Behaviours, Model};
use iot_protocol::id::ModelId;
use settings::reading::text;
use settings::{DeValue, Document, Table, Unreadable};

use crate::manifest::forms::{Typed, Value};
use crate::manifest::models::{DeviceModel, FleetModel, ModelFile, ModelTemplate, ReadModel};

/// A model is a few KiB, and a folder of them some MiB.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Files in a folder of models.
const MOST_FILES: usize = 5_000;
/// Folders within folders; the public repository is less deep.
const DEEPEST: usize = 16;
const FORM: &str = "\"thermostat\", \"temperature-controller\", { dtdl = \"models/pump.json\" } or \
                    { template = \"dtmi:contoso:pump;2\" }";

impl Value for ModelId {
    const FORM: &'static str = "an id such as \"dtmi:contoso:pump;1\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        Self::new(text(value)?).map_err(|error| Unreadable::Value(error.to_string()))
    }
}

/// What the devices of a table are; thermostats where nothing is said.
pub(super) fn device_model(
    table: &Table<'_>,
    folder: &Path,
    models: &mut Vec<FleetModel>,
    document: &Document<'_>,
) -> Option<DeviceModel> {
    let Some(item) = table.entry("model") else {
        return Some(DeviceModel::Shipped(Model::Thermostat));
    };
    if !matches!(item.value(), DeValue::Table(_)) {
        let model = table.read("model", FORM, Model::read)?;
        return Some(DeviceModel::Shipped(model.value));
    }
    let table = item.table(FORM)?;
    let (dtdl, template) = (table.optional::<PathBuf>("dtdl"), table.optional::<ModelId>("template"));
    let id = match table.has("dtdl") {
        true => table.optional::<ModelId>("id"),
        false => {
            table.out_of_place(&["id"], "goes with `dtdl` only");
            None
        }
    };
    if table.has("dtdl") == table.has("template") {
        let path = table.path().to_owned();
        table.problem(
            format!("`{path}` has to be from a file or from a template"),
            &format!("accepted: {FORM}"),
        );
        table.finish();
        return None;
    }
    let span = table.span();
    table.finish();
    if let Some(template) = template {
        let index = placed(models, template.value.as_str(), || Some(None))?;
        return Some(DeviceModel::Template(ModelTemplate {
            template: template.value,
            index,
        }));
    }
    let (dtdl, id) = (dtdl?, id.map(|id| id.value));
    let path = folder.join(&dtdl.value);
    let source = match &id {
        Some(id) => format!("{} {id}", path.display()),
        None => path.display().to_string(),
    };
    let index = placed(models, &source, || match read(&path, id.as_ref()) {
        Ok(read) => Some(Some(read)),
        Err(problems) => {
            for problem in problems {
                document.problems.push(span.clone(), problem, Vec::new());
            }
            None
        }
    })?;
    Some(DeviceModel::File(ModelFile {
        dtdl: dtdl.value,
        id,
        index,
    }))
}

/// The index of a model, which is read where it is not there yet.
fn placed(models: &mut Vec<FleetModel>, source: &str, read: impl FnOnce() -> Option<Option<ReadModel>>) -> Option<u16> {
    let index = match models.iter().position(|known| known.source == source) {
        Some(index) => index,
        None => {
            models.push(FleetModel {
                source: source.to_owned(),
                read: read()?,
            });
            models.len() - 1
        }
    };
    u16::try_from(index).ok()
}

/// Reads a model from a file or a folder.
fn read(path: &Path, id: Option<&ModelId>) -> Result<ReadModel, Vec<String>> {
    let refused =
        |path: &Path, why: &dyn std::fmt::Display| vec![format!("can't read the model `{}`: {why}", path.display())];
    let mut files = Vec::new();
    gather(path, 0, &mut files).map_err(|error| refused(path, &error))?;
    let (mut documents, mut bytes) = (Documents::new(), 0);
    let mut problems = Vec::new();
    for file in &files {
        let meta = fs::metadata(file).map_err(|error| refused(file, &error))?;
        bytes += meta.len();
        if !meta.is_file() || bytes > MOST_BYTES {
            return Err(refused(
                file,
                &format!("it must be a file, all together at most {MOST_BYTES} bytes"),
            ));
        }
        let text = fs::read(file).map_err(|error| refused(file, &error))?;
        match serde_json::from_slice(&text) {
            Ok(document) => documents.add(&file.display().to_string(), &document),
            Err(error) => problems.extend(refused(file, &error)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    match documents.read(id.map(ModelId::as_str)) {
        Ok(parsed) => Ok(parsed.into()),
        Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
    }
}

/// The files of a model, in order. The public repository keeps some models a second time, with all that they refer to
/// (`….expanded.json`).
fn gather(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        let is_json = entry.extension().is_some_and(|extension| extension == "json");
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_model = is_json && !name.ends_with(".expanded.json");
        if files.len() >= MOST_FILES || depth >= DEEPEST {
            return Err(std::io::Error::other(format!(
                "there are more than {MOST_FILES} files, or they are more than {DEEPEST} folders deep"
            )));
        }
        if is_model || fs::metadata(&entry)?.is_dir() {
            gather(&entry, depth + 1, files)?;
        }
    }
    Ok(())
}

/// What a device sends with each measurement.
#[derive(Debug, Clone, Default)]
pub(super) struct Sends {
    /// How many messages.
    pub(super) messages: usize,
    /// The names in them; none where the model is not read yet.
    pub(super) names: Vec<String>,
    /// Why no number says whether a message is news, where that is so.
    pub(super) not_one_number: Option<String>,
}

/// What a device of a model sends with each measurement; one message of a model that is not read yet.
pub(super) fn sends(model: &DeviceModel, models: &[FleetModel]) -> Sends {
    let shipped = |messages| Sends {
        messages,
        names: shipped_names(),
        not_one_number: None,
    };
    let own = match model.in_plan() {
        Model::Own(index) => models.get(usize::from(index)),
        Model::TemperatureController => return shipped(3),
        Model::Thermostat | Model::EdgeIdentity => return shipped(1),
    };
    let Some(read) = own.and_then(|own| own.read.as_ref()) else {
        return Sends {
            messages: 1,
            ..Sends::default()
        };
    };
    let parts = read.model.parts.iter().filter(|part| !part.telemetry.is_empty());
    let names = parts.clone().flat_map(|part| &part.telemetry);
    Sends {
        messages: parts.count(),
        names: names.map(|telemetry| telemetry.name.clone()).collect(),
        not_one_number: read.not_one_number(),
    }
}

/// The names of a model's components; none where it is not read yet.
pub(super) fn components(model: &DeviceModel, models: &[FleetModel]) -> Vec<String> {
    let Model::Own(index) = model.in_plan() else {
        return Vec::new();
    };
    let read = models.get(usize::from(index)).and_then(|own| own.read.as_ref());
    read.map_or_else(Vec::new, |read| read.model.components().map(str::to_owned).collect())
}

fn shipped_names() -> Vec<String> {
    ["temperature", "workingSet"].map(str::to_owned).to_vec()
}

/// What a model can't do of what is asked of it; nothing where it is not read yet.
pub(super) fn check(
    model: &DeviceModel,
    models: &[FleetModel],
    behaviours: &Behaviours,
) -> Vec<device_sim::model::KitProblem> {
    let Model::Own(index) = model.in_plan() else {
        return Vec::new();
    };
    let read = models.get(usize::from(index)).and_then(|own| own.read.as_ref());
    read.and_then(|read| Kit::new(std::sync::Arc::clone(&read.model), behaviours).err())
        .unwrap_or_default()
}
