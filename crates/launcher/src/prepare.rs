//! What a run needs before its first device: certificates, a target that trusts them, and the plan.

pub mod application;
pub mod budget;
pub mod edge;
pub mod edge_config;
pub mod enrollment;
pub mod identities;
pub mod load;
pub mod own_certificates;
pub mod plan;
pub mod pre_flight;
pub mod reach;
pub mod target;
