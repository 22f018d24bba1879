//! One test binary; one file a topic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
mod background;
mod conflicts;
mod conflicts_command;
mod differential;
mod exec;
mod forge;
mod furnish;
mod harness;
mod interrupt;
mod journal;
mod merge_engine;
mod plan;
mod preflight;
mod process;
mod resume;
mod run;
mod run_failure;
mod run_worker;
mod situations;
