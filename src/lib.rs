//! `dispatch`: a git-native worktree runner.
//!
//! A **plan** names tasks, some independent, some blocked by others. A **run** executes the plan
//! from one base commit: every task in a git worktree and branch of its own, in parallel. The
//! branches are compared with git's own merge engine, the successful ones are assembled on one
//! integration branch, and everything that happened can be read back from git alone.
//!
//! # The map: modules in layer order, arrows point down
//!
//! | layer | modules | what lives there |
//! |---|---|---|
//! | L5 | [`cli`] | subcommands, exit codes, hints; the only user of `clap` |
//! | L4 | [`engine`] | the event loop, attempts, assembly, recovery, publishing |
//! | L3b | [`config`] [`journal`] [`agent`] [`exec`] [`control`] [`sync`] [`ui`] | one outside thing each; may use `git`, not each other |
//! | L3a | [`git`] | objects, refs, worktrees, merges: the only door to git |
//! | L2 | [`plan`] [`schedule`] [`failure`] [`conflict`] [`merge`] [`board`] | pure: text and values in, values and text out |
//! | L1 | [`model`] | plain data: ids, plan, run, event, change, conflict, integration |
//! | L0 | [`base`] | clock, text, files, process; knows no word of dispatch |
//!
//! `tests/it/architecture.rs` fails on an arrow that points up or sideways.
//!
//! # The idea
//!
//! The core is two pure functions: [`model::run::RunState::apply`] folds a fact, and
//! [`decide`](fn@schedule::decide) says what to do now. The engine is one loop around them: take events,
//! append them to the journal (a chain of commits on `refs/dispatch/runs/<run>`), apply them,
//! publish the board, carry out the actions. Recovery is replay of the journal plus `decide`:
//! there is no second code path.
//!
//! Nothing of the user's (checkout, branches, index, hooks, config) is touched until
//! `dispatch land`.

pub mod base;

pub mod merge;

pub mod model;

pub mod assembly;
pub mod failure;
pub mod plan;
pub mod report;
pub mod schedule;

pub mod git;

pub mod config;
pub mod control;
pub mod exec;
pub mod forge;
pub mod journal;
pub mod ui;
pub mod worker;

pub mod conflicts;

pub mod engine;

pub mod cli;
