//! The model of a session's device.

use std::sync::Arc;

use dtdl::Model;

use crate::hub::Device;
use crate::services::Services;

/// The model as it was looked up last. Assignments change seldom, so a message costs one look at their count.
#[derive(Debug, Default)]
pub(super) struct KnownModel {
    /// The count at the look; none before the first one.
    assignments: Option<u64>,
    model: Option<Arc<Model>>,
}

impl KnownModel {
    pub(super) fn of(&mut self, device: &Device, services: &Services) -> Option<&Arc<Model>> {
        // Before the look, so that a change during it is found with the next message.
        let assignments = services.central.assignments();
        if self.assignments != Some(assignments) {
            self.assignments = Some(assignments);
            self.model = services.central.model_of(&device.id);
        }
        self.model.as_ref()
    }
}
