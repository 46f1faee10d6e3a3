//! Limits by the name that a person gives: a preset, or a file of the same form.

use std::path::Path;

use settings::{Invalid, nearest};

use crate::limit::Limits;
use crate::presets;
use crate::read::read;

/// The limits of a preset or of a file.
///
/// # Errors
///
/// There is neither, or something in the file is wrong; then all of it.
pub fn load(preset_or_file: &str) -> Result<Limits, Invalid> {
    if let Some(limits) = presets::preset(preset_or_file) {
        return Ok(limits);
    }
    let text = std::fs::read_to_string(preset_or_file).map_err(|error| {
        let accepted = format!("off, {}, or a file of limits", presets::NAMES);
        let mut invalid = Invalid::whole(preset_or_file, format!("can't be read: {error}"), &accepted);
        let file = Path::new(preset_or_file).file_name().and_then(|name| name.to_str());
        if let Some(nearest) = file.and_then(|name| nearest(name, presets::names())) {
            let help = invalid.problems.iter_mut().map(|problem| &mut problem.help);
            help.for_each(|help| help.insert(0, format!("did you mean `{nearest}`?")));
        }
        invalid
    })?;
    read(preset_or_file, &text, &presets::preset)
}

/// The limits in the text of such a file.
///
/// # Errors
///
/// Everything that is wrong in the text.
pub fn parse(toml: &str) -> Result<Limits, Invalid> {
    read("quota", toml, &presets::preset)
}
