//! Tests the loop with messages in and effects out, without processes, git or a clock.

#![allow(clippy::unwrap_used)]

mod shutdown;
mod simulation;
mod space;
mod starts;
mod turns;
mod variants;
mod world;
