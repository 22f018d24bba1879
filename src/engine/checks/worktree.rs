//! Runs the checks of assembled candidates in a worktree of their own.
//!
//! The worktree is kept between steps and between assemblies, with the files that git ignores, so
//! that build caches stay warm. Other files that a check leaves are removed before the next step, and
//! never get into a commit: trees come from merges alone.

use crate::engine::kernel::sweep::sweep;
use crate::engine::kernel::worktree_size::WorktreeSize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::checks::cache::CheckCache;
use crate::engine::commands::runner::CheckRun;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space;
use crate::git::Store;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::integration::CheckResult;
use crate::worker::environment::check_environment;

/// Runs the checks of a run, each only once on the same tree.
pub(crate) struct Checker<'a> {
    context: &'a Arc<Context>,
    cancel: &'a CancelHandle,
    cache: CheckCache,
    runs: usize,
}

impl<'a> Checker<'a> {
    /// Creates a checker with the cached results of the run.
    pub(crate) fn new(context: &'a Arc<Context>, cancel: &'a CancelHandle) -> Checker<'a> {
        Checker {
            context,
            cancel,
            cache: CheckCache::open(context),
            runs: 0,
        }
    }

    /// Returns the results of the first `count` checks on a commit, cached or by running them.
    ///
    /// # Errors
    /// When the worktree cannot be made or a process cannot be started.
    pub(crate) async fn results(
        &mut self,
        commit: Oid,
        count: usize,
    ) -> Result<Vec<CheckResult>, EngineError> {
        let tree = Store::open(&self.context.repo)?.tree_of(commit)?;
        if let Some(known) = self.cache.next(tree, count) {
            return Ok(known);
        }
        self.runs += 1;
        let results = run_checks(self.context, commit, count, self.cancel).await?;
        if !self.cancel.is_cancelled() {
            self.cache.keep(tree, count, &results);
        }
        Ok(results)
    }

    /// Returns the number of times the checks ran, without cached results.
    pub(crate) fn runs(&self) -> usize {
        self.runs
    }
}

/// Runs the first `count` of `[assemble] check` on a commit, whether they pass or not.
///
/// # Errors
/// When the worktree cannot be made or a process cannot be started.
async fn run_checks(
    context: &Arc<Context>,
    commit: Oid,
    count: usize,
    cancel: &CancelHandle,
) -> Result<Vec<CheckResult>, EngineError> {
    let worktree = {
        let context = Arc::clone(context);
        blocking(move || checkout(&context, commit)).await?
    };
    let checks = in_folder(context, &worktree.path, cancel);
    let commands = &context.settings.assemble.check;
    fault::point("check worktree", "checked out");
    let results = checks.run_all(&commands[..count]).await;
    if disk_space::shortage(&context.repo, &context.settings, WorktreeSize::default(), 0).is_some()
    {
        // A full disk must not stop the run, which has to remove these files.
        let _ = sweep(&worktree.git());
    }
    worktree.unlock();
    fault::point("check worktree", "unlocked");
    results
}

/// Returns the run conditions of assembly commands in this folder.
pub fn in_folder<'a>(
    context: &'a Context,
    cwd: &'a Path,
    cancel: &'a CancelHandle,
) -> CheckRun<'a> {
    let mut env: BTreeMap<String, String> = check_environment(std::env::vars_os());
    env.insert("DISPATCH_RUN".to_owned(), context.run.to_string());
    env.insert("DISPATCH_BASE".to_owned(), context.base.to_string());
    let folder = context.repo.run_folder(context.run.as_str());
    CheckRun {
        context,
        folder: folder.join("integration"),
        cwd,
        is_swept: true,
        env,
        timeout: context.settings.assemble.check_timeout,
        cookie: format!("{}/integration", context.run),
        cancel,
    }
}

/// Checks out a commit in the worktree for checks, with no other files but those that git ignores.
///
/// # Errors
/// When it cannot be made.
pub fn checkout(context: &Context, commit: Oid) -> Result<Worktree, EngineError> {
    let path = context.integration_worktree();
    let head = Head::Detached(commit);
    let Some(worktree) = context
        .repo
        .find_worktree(&path)
        .filter(|found| found.path.is_dir())
    else {
        return make(context, &path, &head);
    };
    match refresh(&worktree, commit, &head) {
        Ok(()) => Ok(worktree),
        // A killed git or a check has broken the worktree.
        Err(_) => {
            context.repo.remove_worktree(&worktree)?;
            make(context, &path, &head)
        }
    }
}

fn make(context: &Context, path: &Path, head: &Head) -> Result<Worktree, EngineError> {
    let reason = format!("dispatch {}/integration", context.run);
    Ok(context.repo.add_worktree(path, head, &reason)?)
}

fn refresh(worktree: &Worktree, commit: Oid, head: &Head) -> Result<(), EngineError> {
    worktree.verify()?;
    let git = worktree.git();
    git.run(&["read-tree", "--reset", "-u", &commit.to_string()])?;
    sweep(&git)?;
    Ok(worktree.set_head(head)?)
}
