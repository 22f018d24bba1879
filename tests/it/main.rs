//! One test binary; one file a topic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
mod clean;
mod exec;
mod harness;
mod land;
mod plan;
mod run;
mod run_commit;
mod run_failure;
mod run_repo;
mod run_worker;
mod suggest;
mod together;
