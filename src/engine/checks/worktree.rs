//! Runs the checks of assembled candidates in a worktree of their own.
//!
//! The worktree is kept between steps and between assemblies, with the files that git ignores, so
//! that build caches stay warm. Other files that a check leaves are removed before the next step, and
//! never get into a commit: trees come from merges alone. With `[assemble] warm` it is one of the pool, with
//! the kept folders of a task.

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
use crate::engine::kernel::sweep::sweep;
use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::engine::pool::prepare::take_for_checks;
use crate::engine::worktree::edits_by_hand::{EditsByHand, mark_in_use, mark_used};
use crate::engine::worktree::populate::{EarlierUse, Population};
use crate::engine::worktree::purpose::{Purpose, run_environment};
use crate::engine::worktree::remove::tear_down_if_possible;
use crate::engine::worktree::setup::SetUpFailure;
use crate::git::Store;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::integration::{CheckOutcome, CheckResult};
use crate::model::plan::INTEGRATION;

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
        let (results, is_set_up) = run_checks(self.context, commit, count, self.cancel).await?;
        // A set-up that failed says little about the tree.
        if is_set_up && !self.cancel.is_cancelled() {
            self.cache.keep(tree, count, &results);
        }
        Ok(results)
    }

    /// Returns the number of times the checks ran, without cached results.
    pub(crate) fn runs(&self) -> usize {
        self.runs
    }
}

/// Runs the first `count` of `[assemble] check` on a commit, whether they pass or not. The second
/// value is `false` if the set-up of the worktree failed, so that none of them ran.
///
/// # Errors
/// When the worktree cannot be made or a process cannot be started.
async fn run_checks(
    context: &Arc<Context>,
    commit: Oid,
    count: usize,
    cancel: &CancelHandle,
) -> Result<(Vec<CheckResult>, bool), EngineError> {
    let worktree = {
        let context = Arc::clone(context);
        blocking(move || checkout(&context, commit)).await?
    };
    fault::point("check worktree", "checked out");
    let commands = &context.settings.assemble.check[..count];
    let failed = population(context, &worktree, commit, cancel)?
        .populate()
        .await?;
    let is_set_up = failed.is_none();
    let results = match failed {
        Some(failed) => Ok(not_set_up(commands, &failed)),
        None => {
            let mut run = in_folder(context, &worktree.path, cancel);
            run.confined_to = Some(&worktree);
            run.run_all(commands).await
        }
    };
    if disk_space::shortage(&context.repo, &context.settings, WorktreeSize::default(), 0).is_some()
    {
        // A full disk must not stop the run, which has to remove these files.
        let _ = sweep(&context.repo.git_in(&worktree)?);
    }
    release(context, &worktree);
    fault::point("check worktree", "unlocked");
    Ok((results?, is_set_up))
}

/// Leaves the worktree for checks to the user until its next use.
pub fn release(context: &Context, worktree: &Worktree) {
    mark_used(context, worktree);
    worktree.unlock();
}

/// Returns the population of the worktree for checks, which shows this commit.
///
/// # Errors
/// When the store cannot be read.
pub fn population<'a>(
    context: &'a Arc<Context>,
    worktree: &'a Worktree,
    commit: Oid,
    cancel: &'a CancelHandle,
) -> Result<Population<'a>, EngineError> {
    Ok(Population {
        context,
        purpose: Purpose::Other(INTEGRATION),
        worktree,
        tree: context.repo.with_store(|store| store.tree_of(commit))?,
        cancel,
        earlier: EarlierUse::None,
    })
}

/// Returns the results of checks for which the worktree could not be set up: a change may have
/// broken the set-up as well as a check.
fn not_set_up(commands: &[String], failed: &SetUpFailure) -> Vec<CheckResult> {
    let output = failed.output.as_deref().unwrap_or_default();
    let result = |command: &String| CheckResult {
        command: command.clone(),
        result: CheckOutcome::Failed,
        millis: failed.millis,
        tail: format!("{output}\n{}\n", failed.message),
        failed_tests: Vec::new(),
        fixed_tests: Vec::new(),
        against_base: None,
        flaky: false,
    };
    commands.iter().map(result).collect()
}

/// Returns the run conditions of assembly commands in this folder.
pub fn in_folder<'a>(
    context: &'a Context,
    cwd: &'a Path,
    cancel: &'a CancelHandle,
) -> CheckRun<'a> {
    let folder = context.repo.run_folder(context.run.as_str());
    CheckRun {
        context,
        folder: folder.join("integration"),
        cwd,
        is_swept: true,
        env: run_environment(context),
        timeout: context.settings.assemble.check_timeout,
        cookie: format!("{}/integration", context.run),
        cancel,
        confined_to: None,
    }
}

/// Checks out a commit in the worktree for checks, with no other files but those that git ignores. Changes
/// that a user made there meanwhile are kept under a reference of the run.
///
/// # Errors
/// When it cannot be made, or changes of the user cannot be kept.
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
    context
        .repo
        .with_store(|store| match EditsByHand::of(context, store, &worktree)? {
            Some(edits) => edits.keep(context, store, &worktree),
            None => Ok(()),
        })?;
    mark_in_use(&worktree);
    match refresh(context, &worktree, commit, &head) {
        Ok(()) => Ok(worktree),
        // A killed git or a check has broken the worktree.
        Err(_) => {
            tear_down_if_possible(context, &worktree);
            context.repo.remove_worktree(&worktree)?;
            make(context, &path, &head)
        }
    }
}

fn make(context: &Context, path: &Path, head: &Head) -> Result<Worktree, EngineError> {
    if let (true, Head::Detached(commit)) = (context.settings.assemble.warm, head)
        && let Some(warm) = take_for_checks(context, path, *commit)?
    {
        mark_in_use(&warm);
        return Ok(warm);
    }
    let reason = format!("dispatch {}/integration", context.run);
    Ok(context.repo.add_worktree(path, head, &reason)?)
}

fn refresh(
    context: &Context,
    worktree: &Worktree,
    commit: Oid,
    head: &Head,
) -> Result<(), EngineError> {
    worktree.verify()?;
    let git = context.repo.git_in(worktree)?;
    git.run(&["read-tree", "--reset", "-u", &commit.to_string()])?;
    sweep(&git)?;
    Ok(worktree.set_head(head)?)
}
