//! Plain data shared by every layer above: plan, events, run state. No clock, file, process or git.

pub mod affected;
pub mod assembly_conflict;
pub mod attempt;
pub mod bill;
pub mod blockers;
pub mod circuit_breaker;
pub mod event;
pub mod failure;
#[cfg(test)]
pub(crate) mod fixture;
mod fold;
pub mod ids;
pub mod integration;
pub mod kept_changes;
pub mod manual_resolution;
pub mod outcome;
pub mod outside_changes;
pub mod plan;
pub mod pull_request;
pub mod recovery;
pub mod redispatch;
pub mod resolution;
pub mod run;
pub mod scope;
pub mod shortage;
pub mod spending;
pub mod status;
pub mod task_conflict;
pub mod task_list;
pub mod task_state;
pub mod transcript;
pub mod usage;
pub mod worker;
pub mod worker_health;
pub mod worker_report;
