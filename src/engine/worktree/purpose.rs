//! The uses of a worktree, each with the environment and the logs of its set-up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::engine::kernel::context::Context;
use crate::engine::spec::AttemptSpec;
use crate::engine::spec::environment::environment;
use crate::engine::worktree::command_log::{pool_set_up_folder, set_up_folder};
use crate::merge::oid::Oid;
use crate::worker::environment::check_environment;

/// The use of a worktree.
#[derive(Clone, Copy)]
pub enum Purpose<'a> {
    /// An attempt, on this base.
    Attempt(&'a AttemptSpec, Oid),
    /// A task that is not known yet: the worktree of the pool with this record.
    Pool(&'a Path),
    /// Another use, by a name that no other worktree of the run has at the same time.
    Other(&'a str),
}

impl Purpose<'_> {
    /// Returns the branch from which work starts, without `refs/heads/`, with its commit.
    pub(super) fn start(&self, context: &Context) -> Option<(String, Oid)> {
        match self {
            Purpose::Attempt(spec, base) => Some((context.attempt_branch(spec.of()), *base)),
            Purpose::Pool(_) | Purpose::Other(_) => None,
        }
    }

    /// Returns the environment of commands in the worktree.
    pub fn environment(&self, context: &Context) -> BTreeMap<String, String> {
        match self {
            Purpose::Attempt(spec, base) => environment(context, spec, *base),
            Purpose::Pool(_) | Purpose::Other(_) => run_environment(context),
        }
    }

    /// Returns the folder of the set-up's logs.
    pub(super) fn log_folder(&self, context: &Context) -> PathBuf {
        match self {
            Purpose::Attempt(spec, _) => {
                set_up_folder(&context.repo, &context.run, spec.task, spec.attempt)
            }
            Purpose::Pool(record) => pool_set_up_folder(record),
            Purpose::Other(name) => {
                let folder = context.repo.run_folder(context.run.as_str());
                folder.join("setup").join(name)
            }
        }
    }

    /// Returns the id by which processes of the set-up are found.
    pub(super) fn cookie(&self, context: &Context) -> String {
        let run = &context.run;
        match self {
            Purpose::Attempt(spec, _) => format!("{run}/{}/{}/setup", spec.task.0, spec.attempt),
            Purpose::Pool(record) => {
                let name = record.file_name().unwrap_or_default();
                format!("{run}/{}/setup", name.to_string_lossy())
            }
            Purpose::Other(name) => format!("{run}/{name}/setup"),
        }
    }
}

/// Builds the environment of commands that belong to the run and to no attempt.
pub fn run_environment(context: &Context) -> BTreeMap<String, String> {
    let mut env = check_environment(std::env::vars_os());
    env.insert("DISPATCH_RUN".to_owned(), context.run.to_string());
    env.insert("DISPATCH_BASE".to_owned(), context.base.to_string());
    env
}
