//! ra-deploy: bare-metal servers to a Kubernetes cluster that provably matches a reference profile.
//!
//! Everything it knows about a machine it learnt by asking; everything it does to one is an act
//! that a pure function chose from the answers. A fact, a resource and a check have one shape, the
//! [`probe::Probe`]: questions, and a pure reading of the answers. They differ in what the reading
//! yields: a value, a change, a verdict.
//!
//! # How data flows
//!
//! ```text
//! inventories/*.yaml ┐
//! profiles/*.yaml    ├─ config ─> Site ─┐
//! roles/*/role.yaml  ┘                  ├─ plan ─> Walk of each host ─┐
//!                                       │                             │
//!    hosts ── link ────┐                │                             │
//!                      ├─ Answers ──────┴── fact, resource, check ────┤  pure
//!    BMCs ─── redfish ─┘                         Change, Verdict      │
//!      ^                                                              │
//!      └──────── Queries, Actions ──────────── engine <───────────────┘
//!                                                │
//!                                             Event…
//!                                                │
//!                    report ─> plan text | bars | lines | JSON | run record | conformance
//! ```
//!
//! `check`, `facts`, `plan`, `apply` and `verify` are prefixes of this one pipe. A site is whole
//! or it is not there: whoever holds a [`config::Site`] knows that the files were right.
//!
//! For each host, the engine sends the questions of facts and tasks as one shell text, lets the
//! resources read the answers, and walks through the tasks that differ: one exec carries the acts
//! of a task, the question whether they took, and what the next tasks ask. A converged host costs
//! one connection and one exec.
//!
//! # The rooms, lowest first
//!
//! A room uses only rooms above it in this list.
//!
//! | Room | What it is for |
//! |---|---|
//! | [`model`] | the words: query, answer, action, change, sealed text, vault, shell quoting |
//! | [`event`] | what happens in a run, as plain values in one stream |
//! | [`probe`] | the one shape of facts, resources and checks |
//! | [`config`] | files to a `Site`, with every fault at once; expressions and templates |
//! | [`fact`] | what roles may want to know of a host |
//! | [`resource`] | the kinds of tasks: what each asks, reads and does |
//! | [`plan`] | each host's walk, and what of it is still to do |
//! | [`check`] | requirements as verdicts with evidence |
//! | [`link`] | shells: SSH, a command, this machine; one framed text an exec |
//! | [`redfish`] | BMCs over HTTPS: session, power, boot, BIOS, tasks |
//! | [`artifact`] | what gets installed: catalogue, builds, downloads, images, store |
//! | [`engine`] | asks, acts, asks again; hosts side by side; milestones, late values, verification |
//! | [`report`] | the consumer of events: text, bars, JSON, records, conformance reports |
//! | [`lab`] | machines and BMCs to try it all without hardware |
//! | [`cli`] | the commands, one a file, and the exit codes |
//!
//! The rooms from `model` to `check` do no I/O, except that `config` reads the site's files and
//! the secrets that they name. Only `link` and `redfish` touch a machine that is managed. Only
//! `report` and `cli` print; `tracing` is for developers.
//!
//! # What always holds
//!
//! - **Asked, not remembered.** No state file says what a host is like. What a restart has to wait
//!   for is seen from the host's own times of change. Facts kept from an earlier run only guess
//!   what to ask, so that one exec is enough. Run records tell what happened and decide nothing.
//! - **A plan is an apply without acts**, on the same path. The two cannot disagree.
//! - **A change is confirmed by asking again.** A difference that remains after its act is a
//!   failure.
//! - **A reading is pure.** The same answers give the same finding. What could not be asked is
//!   unknown: never absent, never passed.
//! - **Late values live only in the vault.** A join token or a certificate key is made when it is
//!   needed, is never written to disk here, and goes with the run.
//! - **Secrets are never in events.** A [`model::Text`] carries marks in their place, shown as
//!   `‹name›`; only links put the values in, and what machines print is cleaned before anybody
//!   else sees it.
//! - **One exec a step.** Act, confirmation and the next questions share one round trip.
//! - **Lower rooms never name higher ones.**

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
