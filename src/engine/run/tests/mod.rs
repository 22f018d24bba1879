//! The loop, played like a game: what happens in, what it does out. No process, no git, no clock.

#![allow(clippy::unwrap_used)]

mod shutdown;
mod space;
mod starts;
mod world;
