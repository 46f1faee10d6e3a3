//! What the devices of a group are, prepared once and shared by all of them.

use std::sync::Arc;

use fleet_protocol::plan::{self, Behaviours, OwnModel};
use fleet_protocol::room::Overrides;
use iot_protocol::id::ModelId;
use tracing::debug;

use super::{EdgeIdentity, Kind, Kit, KitProblem, Model, OwnDevice, TemperatureController, Thermostat, controller};
use crate::random::DeviceRng;
use crate::weather::Weather;

/// The models that are not shipped, each read once.
#[derive(Debug, Clone, Default)]
pub struct Models(Vec<Arc<dtdl::Model>>);

impl Models {
    /// Reads the models of a plan.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them.
    pub fn read(models: &[OwnModel]) -> Result<Self, Vec<String>> {
        let (mut read, mut problems) = (Vec::new(), Vec::new());
        for model in models {
            let mut documents = dtdl::Documents::new();
            documents.add(model.id.as_str(), &model.document);
            match documents.read(Some(model.id.as_str())) {
                Ok(parsed) => {
                    debug!(model = %model.id, "model read");
                    read.push(Arc::new(parsed.model));
                }
                Err(wrong) => problems.extend(wrong.iter().map(ToString::to_string)),
            }
        }
        if problems.is_empty() {
            Ok(Self(read))
        } else {
            Err(problems)
        }
    }

    /// The ids of the models.
    pub fn ids(&self) -> impl Iterator<Item = &ModelId> {
        self.0.iter().map(|model| &model.id)
    }
}

/// What the devices of a group are.
#[derive(Debug, Clone)]
pub struct Blueprint {
    model: plan::Model,
    room: Overrides,
    /// Of a model that is not shipped.
    kit: Option<Arc<Kit>>,
}

impl Blueprint {
    /// Prepares the devices of a group.
    ///
    /// # Errors
    ///
    /// The model is not among `models`, or can't behave in these ways.
    pub fn new(
        model: plan::Model,
        room: &Overrides,
        behaviours: &Behaviours,
        models: &Models,
    ) -> Result<Self, Vec<KitProblem>> {
        let missing = |index: u16| {
            vec![KitProblem {
                capability: format!("model {index}"),
                key: None,
                message: "is not among the models of the plan".to_owned(),
            }]
        };
        let kit = match model {
            plan::Model::Own(index) => {
                let own = models.0.get(usize::from(index)).ok_or_else(|| missing(index))?;
                Some(Arc::new(Kit::new(Arc::clone(own), behaviours)?))
            }
            _ => None,
        };
        Ok(Self {
            model,
            room: *room,
            kit,
        })
    }

    /// The same for a model that is not shipped, from what was read of it.
    ///
    /// # Errors
    ///
    /// It can't behave in these ways.
    pub fn own(model: &Arc<dtdl::Model>, behaviours: &Behaviours) -> Result<Self, Vec<KitProblem>> {
        let models = Models(vec![Arc::clone(model)]);
        Self::new(plan::Model::Own(0), &Overrides::default(), behaviours, &models)
    }

    /// The same for a model that is shipped.
    ///
    /// # Panics
    ///
    /// It is not shipped.
    #[must_use]
    pub fn shipped(model: plan::Model, room: &Overrides) -> Self {
        Self::new(model, room, &Behaviours::new(), &Models::default()).expect("the model is shipped")
    }

    /// The model id that the devices announce, if they announce any.
    #[must_use]
    pub fn model_id(&self) -> Option<ModelId> {
        match &self.kit {
            Some(kit) => Some(kit.model().id.clone()),
            None => self.model.id(),
        }
    }

    /// The components that send telemetry, in the order of the indices in [`Measured::telemetry`](super::Measured);
    /// `None` is the root.
    pub fn components(&self) -> impl Iterator<Item = Option<&str>> {
        let shipped = match self.model {
            plan::Model::Thermostat => [None].as_slice(),
            plan::Model::TemperatureController => controller::COMPONENTS,
            plan::Model::EdgeIdentity | plan::Model::Own(_) => &[],
        };
        let own = self.kit.iter().flat_map(|kit| kit.senders().map(Option::as_deref));
        shipped.iter().copied().chain(own)
    }

    /// What a device of a model that is not shipped has on the heap before its first desired property, in bytes: all
    /// that it takes beyond a thermostat, whose room is in the device itself.
    #[must_use]
    pub fn heap_of_a_device(&self) -> usize {
        self.kit.as_ref().map_or(0, |kit| OwnDevice::heap(kit))
    }

    /// A device, whose first values come from the random stream.
    #[must_use]
    pub fn device(&self, weather: Weather, random: DeviceRng) -> Model {
        Model::of(match (self.model, &self.kit) {
            (_, Some(kit)) => Kind::Own(Box::new(OwnDevice::new(kit, random))),
            (plan::Model::Thermostat, None) => Kind::Thermostat(Thermostat::new(&self.room, weather, random)),
            (plan::Model::TemperatureController, None) => {
                Kind::TemperatureController(Box::new(TemperatureController::new(&self.room, weather, random)))
            }
            (plan::Model::EdgeIdentity | plan::Model::Own(_), None) => Kind::EdgeIdentity(EdgeIdentity),
        })
    }
}
