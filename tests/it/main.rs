//! One test binary; one file a topic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
mod conflicts;
mod conflicts_command;
mod differential;
mod exec;
mod forge;
mod furnish;
mod harness;
mod journal;
mod merge_engine;
mod plan;
mod run;
mod run_agent;
mod run_failure;
mod run_worker;
mod situations;
