//! One test binary; one file a topic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
mod assemble;
mod exec;
mod harness;
mod journal;
mod plan;
mod run;
