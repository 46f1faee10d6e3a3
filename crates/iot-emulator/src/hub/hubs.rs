//! The hubs that are here.

use std::ops::Index;
use std::sync::Arc;

use iot_protocol::id::HubHost;

/// The hubs that are here, of which there is at least one.
#[derive(Debug)]
pub(crate) struct Hubs(Box<[Arc<HubHost>]>);

impl Hubs {
    /// The hubs by these names, or else the one that is named like the machine.
    pub(crate) fn new(names: &[HubHost], hostname: &HubHost) -> Self {
        let names = if names.is_empty() {
            std::slice::from_ref(hostname)
        } else {
            names
        };
        Self(names.iter().cloned().map(Arc::new).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HubHost> {
        self.0.iter().map(|hub| &**hub)
    }

    /// The place of a hub in the list; host names are compared without case.
    pub(super) fn position(&self, name: &HubHost) -> Option<usize> {
        let is_it = |hub: &Arc<HubHost>| hub.as_str().eq_ignore_ascii_case(name.as_str());
        self.0.iter().position(is_it)
    }

    /// The hub by a name that was stored, which may not be here any more; without a name, the first.
    pub(crate) fn restore(&self, name: Option<HubHost>) -> Arc<HubHost> {
        match name {
            Some(name) => match self.position(&name) {
                Some(place) => Arc::clone(&self.0[place]),
                None => Arc::new(name),
            },
            None => Arc::clone(&self.0[0]),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Index<usize> for Hubs {
    type Output = Arc<HubHost>;

    fn index(&self, place: usize) -> &Arc<HubHost> {
        &self.0[place]
    }
}
