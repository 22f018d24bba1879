//! One test binary; one file a topic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
mod exec;
mod harness;
mod interrupt;
mod plan;
mod preflight;
mod process;
mod resume;
