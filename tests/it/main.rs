//! One test binary; one file a topic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
mod assemble;
mod background;
mod clean;
mod conflicts;
mod conflicts_command;
mod conflicts_explain;
mod differential;
mod docs;
mod exec;
#[cfg(feature = "faults")]
mod faults;
mod forge;
mod furnish;
mod harness;
mod interrupt;
mod journal;
mod land;
mod live;
mod merge_engine;
mod plan;
mod preflight;
mod process;
mod resume;
mod run;
mod run_agent;
mod run_commit;
mod run_failure;
mod run_repo;
mod run_worker;
mod scale;
mod scope;
mod situations;
mod suggest;
mod together;
