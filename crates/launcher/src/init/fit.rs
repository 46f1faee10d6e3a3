//! How often devices send, so that what all of them send is within what the application allows.

use std::path::Path;

use anyhow::anyhow;
use device_sim::hint::Hint;
use fleet_report::plan::QuotaShare;
use fleet_report::plan::text::{amounts, percent};
use settings::Span;

use super::answers::Answers;
use super::catalog::Catalog;
use super::text;
use crate::exit::Failure;
use crate::manifest::{self, Manifest};
use crate::prepare::budget;

/// The intervals to choose from, in seconds.
const INTERVALS: [u64; 9] = [10, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600];

/// The manifest that `answers` make, with the models of the application in it.
pub(super) fn manifest(answers: &Answers, catalog: &Catalog, file: &Path) -> Result<Manifest, Failure> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let text = text::manifest(answers);
    let mut manifest = manifest::parse(&file.display().to_string(), &text, folder, &[])?;
    for model in manifest.models.iter_mut().filter(|model| model.read.is_none()) {
        model.read = catalog.model(&model.source).cloned();
    }
    Ok(manifest)
}

/// The shortest of some usual intervals with which nothing is asked for beyond a limit.
///
/// # Errors
///
/// There is none: what is beyond a limit does not hang on the interval.
pub(super) fn shortest(answers: &Answers, catalog: &Catalog, file: &Path) -> Result<Span, Failure> {
    let mut above = Vec::new();
    for interval in INTERVALS.map(Span::seconds) {
        let tried = Answers {
            interval,
            ..answers.clone()
        };
        above = beyond(&tried, catalog, file)?;
        if above.is_empty() {
            return Ok(interval);
        }
    }
    Err(Failure::refused(anyhow!(words(&above)).hint(
        "take fewer devices with --devices, or fewer templates with --template",
    )))
}

/// Refuses an interval that a person has given, where more is asked for than a limit allows.
///
/// # Errors
///
/// It is, with the interval that fits.
pub(super) fn check(answers: &Answers, catalog: &Catalog, file: &Path) -> Result<(), Failure> {
    let above = beyond(answers, catalog, file)?;
    if above.is_empty() {
        return Ok(());
    }
    let fits = shortest(answers, catalog, file)?;
    Err(Failure::refused(anyhow!(words(&above)).hint(format!(
        "an interval of {fits} is within the quota, and so may be fewer devices (--devices)"
    ))))
}

/// The limits beyond which the manifest asks.
fn beyond(answers: &Answers, catalog: &Catalog, file: &Path) -> Result<Vec<QuotaShare>, Failure> {
    let plan = budget::plan(&manifest(answers, catalog, file)?).map_err(Failure::Refused)?;
    Ok(plan.quotas.into_iter().filter(|quota| quota.is_above(1.0)).collect())
}

fn words(above: &[QuotaShare]) -> String {
    let each = above.iter().map(|quota| {
        let (id, share) = (&quota.id, percent(quota.share));
        format!("\n  {}: {}, {share} ({id})", quota.what, amounts(quota))
    });
    let mut words = "this asks for more than the application allows, so nothing is written".to_owned();
    words.extend(each);
    words
}
