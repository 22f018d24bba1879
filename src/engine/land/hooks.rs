//! The user's hooks at a landing: they see the merge in a worktree of their own, before the commit
//! exists, and may refuse it or change its message and tree, as at any `git merge` or `git commit`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::process::is_executable;
use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::lock::Moving;
use crate::engine::land::{LandError, Shape};
use crate::git::Git;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;

/// What `git merge` runs before it commits, in its order.
const OF_A_MERGE: [&str; 3] = ["pre-merge-commit", "prepare-commit-msg", "commit-msg"];

/// What `git merge --squash` and then `git commit` run: that is an ordinary commit.
const OF_A_SQUASH: [&str; 3] = ["pre-commit", "prepare-commit-msg", "commit-msg"];

/// The hooks the user has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hooks {
    /// Where they are. `core.hooksPath` may be relative and point at ignored files, which the
    /// landing worktree does not have.
    folder: PathBuf,
    names: Vec<&'static str>,
    shape: Shape,
}

impl Hooks {
    /// Looks for those of a landing of this shape; there are none if the user does not want them
    /// run.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn find(context: &Context, shape: Shape, no_verify: bool) -> Result<Hooks, LandError> {
        let git = context.repo.git().with_hooks();
        let folder = git.line(&["rev-parse", "--git-path", "hooks"])?;
        let folder = context.repo.top.join(folder);
        let wanted = match shape {
            Shape::Squash => OF_A_SQUASH,
            Shape::Merge | Shape::FastForward => OF_A_MERGE,
        };
        let wanted = wanted.into_iter().filter(|_| !no_verify);
        let names = wanted
            .filter(|name| is_executable(&folder.join(name)))
            .collect();
        Ok(Hooks {
            folder,
            names,
            shape,
        })
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Runs them and returns the tree and the message they leave.
    ///
    /// # Errors
    /// When a hook refuses, or the worktree cannot be made.
    pub fn run(
        &self,
        context: &Context,
        moving: &Moving,
        tree: Oid,
        target: Oid,
        message: &str,
    ) -> Result<(Oid, String), LandError> {
        let path = context.landing_worktree();
        if let Some(left) = context.repo.find_worktree(&path) {
            context
                .repo
                .remove_worktree(&left)
                .map_err(EngineError::from)?;
        }
        let reason = format!("dispatch {}/landing", context.run);
        let worktree = context
            .repo
            .add_worktree(&path, &Head::Detached(target), &reason)
            .map_err(EngineError::from)?;
        let result = self.run_in(&worktree, moving, tree, message);
        context
            .repo
            .remove_worktree(&worktree)
            .map_err(EngineError::from)?;
        result
    }

    fn run_in(
        &self,
        worktree: &Worktree,
        moving: &Moving,
        tree: Oid,
        message: &str,
    ) -> Result<(Oid, String), LandError> {
        let git = moving.hold(worktree.git().with_hooks());
        git.run(&["read-tree", "--reset", "-u", &tree.to_string()])?;
        let file = worktree.admin.join(match self.shape {
            Shape::Squash => "COMMIT_EDITMSG",
            Shape::Merge | Shape::FastForward => "MERGE_MSG",
        });
        let failed =
            |error| LandError::Engine(EngineError::File(file.display().to_string(), error));
        fs::write(&file, message).map_err(failed)?;
        for hook in &self.names {
            self.run_one(&git, hook, &file)?;
        }
        let tree = git.line(&["write-tree"])?;
        let tree = tree
            .parse()
            .map_err(|_| LandError::Engine(EngineError::Broken(tree)))?;
        Ok((tree, fs::read_to_string(&file).map_err(failed)?))
    }

    fn run_one(&self, git: &Git, hook: &'static str, message: &Path) -> Result<(), LandError> {
        let message = message.to_string_lossy();
        let folder = format!("core.hooksPath={}", self.folder.display());
        let mut args = vec!["-c", &folder, "hook", "run", "--ignore-missing", hook];
        match hook {
            "prepare-commit-msg" => args.extend([
                "--",
                &message,
                match self.shape {
                    Shape::Squash => "squash",
                    Shape::Merge | Shape::FastForward => "merge",
                },
            ]),
            "commit-msg" => args.extend(["--", &message]),
            _ => {}
        }
        let finished = git.finish(&args)?;
        if finished.status.success() {
            return Ok(());
        }
        let said = [finished.stdout, finished.stderr].concat();
        let said = match one_line(&String::from_utf8_lossy(&said)) {
            empty if empty.is_empty() => finished.status.to_string(),
            said => said,
        };
        Err(LandError::Hook(hook, said))
    }
}
