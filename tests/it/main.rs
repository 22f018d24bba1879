//! One test binary; one file a topic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conflicts;
mod differential;
mod forge;
