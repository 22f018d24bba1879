//! One test binary; one file a topic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conflicts;
mod conflicts_command;
mod differential;
mod forge;
mod merge_engine;
mod situations;
