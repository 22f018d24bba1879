//! The names and paths of a run: branches, references, folders, worktrees.

use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::config::settings::WorktreeSettings;
use crate::git::Repo;
use crate::model::ids::{AttemptNumber, RunId, TaskNumber, TaskVariant};
use crate::model::plan::{INTEGRATION, Plan};

/// Names everything that belongs to a run.
#[derive(Clone, Debug)]
pub struct Layout {
    repo: Repo,
    run: RunId,
    branch_prefix: String,
    worktree: WorktreeSettings,
    slugs: Vec<String>,
}

impl Layout {
    /// Computes the layout of a run.
    pub fn new(repo: &Repo, run: &RunId, plan: &Plan, settings: &Settings) -> Layout {
        Layout {
            repo: repo.clone(),
            run: run.clone(),
            branch_prefix: settings.run.branch_prefix.clone(),
            worktree: settings.worktree.clone(),
            slugs: plan.slugs(),
        }
    }

    /// Returns the task's name in branches and folders.
    pub fn slug(&self, task: TaskNumber) -> &str {
        &self.slugs[task.index()]
    }

    /// Returns the task's branch, without `refs/heads/`.
    pub fn branch(&self, task: TaskNumber) -> String {
        format!("{}/{}/{}", self.branch_prefix, self.run, self.slug(task))
    }

    /// Returns the branch of the attempts at a task or variant, without `refs/heads/`. The slug of no
    /// task has a dot.
    pub fn attempt_branch(&self, of: TaskVariant) -> String {
        match of.variant {
            Some(variant) => format!("{}.v{variant}", self.branch(of.task)),
            None => self.branch(of.task),
        }
    }

    /// Returns the reference that keeps the work of an attempt.
    pub fn attempt_ref(&self, task: TaskNumber, attempt: AttemptNumber) -> String {
        let (run, slug) = (&self.run, self.slug(task));
        format!("refs/dispatch/attempts/{run}/{slug}/{attempt}")
    }

    /// Returns the folder of an attempt: prompt, result, logs.
    pub fn attempt_folder(&self, task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
        self.repo.attempt_folder(self.run.as_str(), task.0, attempt)
    }

    /// Returns the path of an attempt's worktree.
    pub fn worktree_path(&self, task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
        match attempt {
            1 => self.worktree_named(self.slug(task)),
            _ => self.worktree_named(&format!("{}-{attempt}", self.slug(task))),
        }
    }

    /// Returns the path of a worktree of the run that belongs to no attempt.
    pub fn worktree_named(&self, name: &str) -> PathBuf {
        let home = self.repo.home();
        self.worktree.folder(home, self.run.as_str(), name)
    }

    /// Returns the worktree in which the assembled branch is checked.
    pub fn integration_worktree(&self) -> PathBuf {
        self.worktree_named(INTEGRATION)
    }

    /// Renders a worktree's path for the journal, so that it reads the same on every machine. That of the
    /// pool is the path under which its run knows it.
    pub fn recorded_path(&self, worktree: &Path) -> String {
        self.repo.portable_path(&self.repo.known_path(worktree))
    }

    /// Resolves a path of [`Layout::recorded_path`] on this machine.
    pub fn recorded_worktree(&self, recorded: &str) -> PathBuf {
        self.repo.resolve_portable_path(recorded)
    }
}
