//! ra-deploy: bare-metal servers to a Kubernetes cluster that provably matches a reference profile.

pub mod artifact;
pub mod config;
pub mod event;
pub mod fact;
pub mod lab;
pub mod link;
pub mod model;
pub mod probe;
pub mod redfish;
pub mod report;
pub mod resource;
