//! Shows a run on GitHub: an issue for the run, one for each task, and cards on a project board.
//!
//! [`steps`](fn@steps::steps) compares what a run wants with what is there and returns what is missing;
//! carrying it out and comparing again leads to nothing left. A run that was killed between two steps,
//! or whose answer got lost, is therefore read again and gone on with: no second code path.
//!
//! Everything is found by the name of the run in the texts on GitHub. The record in the run's own folder
//! only remembers what dispatch did last, so that it does not undo what people change there.

pub mod answer;
pub mod column;
pub mod commands;
pub mod comments;
pub mod effect;
pub mod error;
pub mod follow;
pub mod found;
pub mod mutation;
pub mod pace;
pub mod preview;
pub mod process;
pub mod project;
pub mod pull;
pub mod read;
pub mod record;
pub mod step;
pub mod steps;
pub mod sync;
#[cfg(test)]
mod tests;
pub mod wanted;
