//! What a run needs before its first device: certificates, a target that trusts them, and the plan.

pub(crate) mod application;
pub(crate) mod budget;
pub(crate) mod edge;
pub(crate) mod edge_config;
pub(crate) mod enrollment;
pub(crate) mod identities;
pub(crate) mod load;
pub(crate) mod models;
pub(crate) mod own_certificates;
pub(crate) mod plan;
pub(crate) mod pre_flight;
pub(crate) mod reach;
pub(crate) mod target;
