//! Runs the user's hooks at a landing: they see the merge in a separate worktree before the commit
//! exists, and may reject it or change its message and tree, as in any `git merge` or `git commit`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::process::is_executable;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::base::text::terminal_safe;
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::interruptible::run_interruptible;
use crate::engine::land::MergeMethod;
use crate::engine::land::error::LandError;
use crate::engine::land::lock::LandLock;
use crate::engine::land::target::LandTarget;
use crate::engine::worktree::populate::{EarlierUse, Population, links_in};
use crate::engine::worktree::purpose::Purpose;
use crate::engine::worktree::remove::{remove, tear_down_if_possible};
use crate::engine::worktree::setup::SetUpFailure;
use crate::engine::worktree::work::without_set_up;
use crate::git::Git;
use crate::git::configured_hooks::configured_events;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;

/// The hooks of `git merge`, in its order.
const MERGE_HOOKS: [&str; 3] = ["pre-merge-commit", "prepare-commit-msg", "commit-msg"];

/// The hooks of `git merge --squash` and then `git commit`, which makes an ordinary commit.
const SQUASH_HOOKS: [&str; 3] = ["pre-commit", "prepare-commit-msg", "commit-msg"];

/// The hooks of the user that a landing runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hooks {
    /// The hooks folder. `core.hooksPath` may be relative and point at ignored files, which the
    /// landing worktree does not have.
    folder: PathBuf,
    names: Vec<&'static str>,
    method: MergeMethod,
}

impl Hooks {
    /// Finds the hooks for a merge method; none if the user skips them.
    ///
    /// # Errors
    /// When git fails.
    pub(super) fn find(
        context: &Context,
        method: MergeMethod,
        no_verify: bool,
    ) -> Result<Hooks, LandError> {
        let git = context.repo.git().with_hooks();
        let folder = git.line(&["rev-parse", "--git-path", "hooks"])?;
        let folder = context.repo.top.join(folder);
        let wanted = match method {
            MergeMethod::Squash => SQUASH_HOOKS,
            MergeMethod::Merge | MergeMethod::FastForward => MERGE_HOOKS,
        };
        let configured = configured_events(&git, context.repo.version)?;
        let wanted = wanted.into_iter().filter(|_| !no_verify);
        let names = wanted
            .filter(|name| is_executable(&folder.join(name)) || configured.contains(*name))
            .collect();
        Ok(Hooks {
            folder,
            names,
            method,
        })
    }

    /// Returns `true` if there is no hook to run.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Runs the hooks on a tree, the commit that is merged and the target. Returns the tree and the message
    /// that they leave.
    ///
    /// # Errors
    /// When a hook rejects the commit, or the worktree cannot be made.
    pub(super) fn run(
        &self,
        (context, cancel): (&Context, &CancelHandle),
        lock: &LandLock,
        content: (Oid, Oid, &LandTarget),
        message: &str,
    ) -> Result<(Oid, String), LandError> {
        let path = context.landing_worktree();
        if let Some(left) = context.repo.find_worktree(&path) {
            tear_down_if_possible(context, &left);
            context
                .repo
                .remove_worktree(&left)
                .map_err(EngineError::from)?;
        }
        let reason = format!("dispatch {}/landing", context.run);
        let worktree = context
            .repo
            .add_worktree(&path, &Head::Detached(content.2.from), &reason)
            .map_err(EngineError::from)?;
        let result = self.run_in((context, cancel), &worktree, lock, content, message);
        remove(context, &worktree)?;
        result
    }

    fn run_in(
        &self,
        (context, cancel): (&Context, &CancelHandle),
        worktree: &Worktree,
        lock: &LandLock,
        (tree, merged, target): (Oid, Oid, &LandTarget),
        message: &str,
    ) -> Result<(Oid, String), LandError> {
        // git sets GIT_DIR for hooks. In a linked worktree a hook that changes its folder would
        // take that folder for the top one, without GIT_WORK_TREE.
        let git = lock.hold(worktree.git().with_hooks());
        git.run(&["read-tree", "--reset", "-u", &tree.to_string()])?;
        // HEAD names no branch until then: a set-up that commits must not move the user's.
        populate((context, cancel), worktree, tree)?;
        // Hooks ask for the branch that moves.
        git.run(&["symbolic-ref", "HEAD", &branch_ref(&target.branch)])?;
        let file = worktree.admin.join(match self.method {
            MergeMethod::Squash => "COMMIT_EDITMSG",
            MergeMethod::Merge | MergeMethod::FastForward => "MERGE_MSG",
        });
        let failed =
            |error| LandError::Engine(EngineError::File(file.display().to_string(), error));
        fs::write(&file, message).map_err(failed)?;
        for hook in &self.names {
            if *hook != "pre-merge-commit" && self.method == MergeMethod::Merge {
                announce_merge(worktree, merged).map_err(failed)?;
            }
            self.run_one(&git, hook, &file)?;
        }
        let staged = git.line(&["write-tree"])?;
        let staged = staged
            .parse()
            .map_err(|_| LandError::Engine(EngineError::Broken(staged)))?;
        let tree = without_brought(context, worktree, tree, staged)?;
        Ok((
            tree,
            regular_file::read_text(&file, RECORD_LIMIT).map_err(failed)?,
        ))
    }

    fn run_one(&self, git: &Git, hook: &'static str, message: &Path) -> Result<(), LandError> {
        let message = message.to_string_lossy();
        let folder = format!("core.hooksPath={}", self.folder.display());
        let mut args = vec!["-c", &folder, "hook", "run", "--ignore-missing", hook];
        match hook {
            "prepare-commit-msg" => args.extend([
                "--",
                &message,
                match self.method {
                    MergeMethod::Squash => "squash",
                    MergeMethod::Merge | MergeMethod::FastForward => "merge",
                },
            ]),
            "commit-msg" => args.extend(["--", &message]),
            _ => {}
        }
        let finished = git.finish(&args)?;
        if finished.status.success() {
            return Ok(());
        }
        let output = [finished.stdout, finished.stderr].concat();
        let output = String::from_utf8_lossy(&output);
        let output = match terminal_safe(output.trim()) {
            empty if empty.is_empty() => finished.status.to_string(),
            output => output,
        };
        Err(LandError::Hook { hook, output })
    }
}

/// Tells hooks which commit is merged, as `git merge` does before it asks for a message: a hook for messages
/// knows a merge by `MERGE_HEAD`.
fn announce_merge(worktree: &Worktree, merged: Oid) -> std::io::Result<()> {
    fs::write(worktree.admin.join("MERGE_HEAD"), format!("{merged}\n"))?;
    fs::write(worktree.admin.join("MERGE_MODE"), "no-ff")
}

/// Populates the worktree of a landing, so that hooks find what the project needs.
fn populate(
    (context, cancel): (&Context, &CancelHandle),
    worktree: &Worktree,
    tree: Oid,
) -> Result<(), LandError> {
    let shared = Arc::new(context.on(context.base));
    let failed = run_interruptible(cancel, async {
        let population = Population {
            context: &shared,
            purpose: Purpose::Other("landing"),
            worktree,
            tree,
            cancel,
            earlier: EarlierUse::None,
        };
        match population.populate_for_work().await? {
            _ if cancel.is_cancelled() => Err(LandError::Stopped),
            failed => Ok(failed),
        }
    })??;
    match failed {
        None => Ok(()),
        Some(SetUpFailure {
            message, output, ..
        }) => Err(LandError::NotSetUp { message, output }),
    }
}

/// Takes out of the tree that the hooks staged what dispatch had brought into their worktree.
fn without_brought(
    context: &Context,
    worktree: &Worktree,
    tree: Oid,
    staged: Oid,
) -> Result<Oid, EngineError> {
    if staged == tree {
        return Ok(tree);
    }
    context.repo.with_store(|store| {
        let mut staged = without_set_up(store, worktree, staged)?.tree;
        for link in links_in(context, &worktree.path) {
            let before = store.entry(tree, &link)?;
            if store.entry(staged, &link)? != before {
                staged = store.tree_with(staged, &link, before)?;
            }
        }
        Ok(staged)
    })
}
