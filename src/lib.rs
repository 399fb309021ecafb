//! ra-deploy: bare-metal servers to a Kubernetes cluster that provably matches a reference profile.

pub mod artifact;
pub mod check;
pub mod cli;
pub mod config;
pub mod engine;
pub mod event;
pub mod fact;
pub mod lab;
pub mod link;
pub mod model;
pub mod plan;
pub mod probe;
pub mod redfish;
pub mod report;
pub mod resource;
