//! Examines one attempt: its worker and its worktree.

use std::fs;
use std::path::Path;

use crate::base::regular_file;
use crate::engine::EngineError;
use crate::engine::attempt::job::recorded_base;
use crate::engine::doctor::Problem;
use crate::engine::doctor::fix::Fix;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::JobStatus;
use crate::git::Store;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;
use crate::report::suggest;

/// Examines an attempt of a run that no process drives.
pub(super) fn examine(
    context: &Context,
    store: &Store,
    state: &RunState,
    task: TaskNumber,
    attempt: &Attempt,
) -> Result<Vec<Problem>, EngineError> {
    let is_open = state.task(task).phase == TaskPhase::Running && attempt.ended.is_none();
    let examiner = Examiner {
        context,
        store,
        state,
        task,
        attempt,
        is_open,
    };
    let folder = worker_folder(context, task, attempt.number);
    if context.executor.status(&folder)? == JobStatus::Alive {
        return Ok(vec![examiner.orphaned_worker()]);
    }
    let place = context.place_of(context.recorded_worktree(&attempt.worktree));
    if let Some(moved) = examiner.moved_worktree(&place) {
        Ok(vec![moved])
    } else if let Some(worktree) = context.repo.find_worktree(&place) {
        examiner.worktree(&worktree, folder.exists())
    } else if place.symlink_metadata().is_ok() {
        Ok(vec![examiner.folder_without_entry(&place)])
    } else {
        Ok(Vec::new())
    }
}

struct Examiner<'a> {
    context: &'a Context,
    store: &'a Store,
    state: &'a RunState,
    task: TaskNumber,
    attempt: &'a Attempt,
    /// The journal has no end of the attempt.
    is_open: bool,
}

impl Examiner<'_> {
    fn problem(&self, what: &str, why: &str, fix: Fix) -> Problem {
        Problem::of_run(&self.state.run, what, why, fix)
    }

    fn orphaned_worker(&self) -> Problem {
        let fix = if self.is_open {
            let resume = suggest::resume(&self.state.run);
            Fix::Manual(format!("`{resume}` adopts it"))
        } else {
            Fix::None
        };
        let name = format!("attempt {} at {}", self.attempt.number, self.task);
        let why = "its worker is running, and no dispatch waits for it";
        self.problem(&name, why, fix)
    }

    fn worktree(&self, worktree: &Worktree, was_used: bool) -> Result<Vec<Problem>, EngineError> {
        let place = worktree.path.display().to_string();
        if !worktree.exists() {
            let kept = self.unkept_commit(worktree)?;
            let name = self.context.attempt_ref(self.task, self.attempt.number);
            let fix = Fix::RemoveEntry(worktree.clone(), kept.map(|commit| (name, commit)));
            let why = "its folder is missing, but git has an entry for it";
            return Ok(vec![self.problem(&place, why, fix)]);
        }
        let reason = worktree.lock_reason();
        if reason.as_deref() == Some("initializing") {
            let fix = if was_used {
                Fix::Unlock(worktree.clone())
            } else {
                Fix::RemoveWorktree(worktree.clone())
            };
            let why = "the git that made it was killed and left it locked";
            return Ok(vec![self.problem(&place, why, fix)]);
        }
        let mut problems = self.stale_locks(worktree);
        if reason.is_some() && !self.is_open {
            let why = "its attempt has ended, but it is still locked";
            problems.push(self.problem(&place, why, Fix::Unlock(worktree.clone())));
        }
        Ok(problems)
    }

    fn stale_locks(&self, worktree: &Worktree) -> Vec<Problem> {
        let locks = ["index.lock", "HEAD.lock", "reftable/tables.list.lock"].into_iter();
        let locks = locks.map(|name| worktree.admin.join(name));
        let problems = locks.filter(|lock| lock.exists()).map(|lock| {
            let why = "a git of a dead worker left it";
            self.problem(&lock.display().to_string(), why, Fix::Remove(lock))
        });
        problems.collect()
    }

    /// Returns the commit of a worktree if no reference is sure to keep it.
    fn unkept_commit(&self, worktree: &Worktree) -> Result<Option<Oid>, EngineError> {
        let Some(Head::Detached(head)) = worktree.head() else {
            return Ok(None);
        };
        let is_kept = !self.store.has(head) || self.store.is_ancestor(head, self.state.base)?;
        Ok((!is_kept).then_some(head))
    }

    /// Finds a worktree whose links lead to the old path of the repository or of the worktree.
    fn moved_worktree(&self, place: &Path) -> Option<Problem> {
        let text = regular_file::read_line(&place.join(".git")).ok()?;
        let admin = Path::new(text.trim_end().strip_prefix("gitdir: ")?);
        let entries = self.context.repo.common.join("worktrees");
        let worktree = Worktree {
            path: place.to_owned(),
            admin: entries.join(admin.file_name()?),
        };
        let is_ours = worktree.admin.join("HEAD").exists();
        if !is_ours || worktree.verify().is_ok() {
            return None;
        }
        let recorded = self.context.recorded_worktree(&self.attempt.worktree);
        let is_expected = self.context.place_of(recorded) == place;
        let attempt = self.attempt.number;
        let folder = self.context.attempt_folder(self.task, attempt);
        let keep = (!is_expected).then(|| recorded_base(&folder)).flatten();
        let keep = keep.map(|base| (self.task, attempt, base));
        let why = "the repository or the folder was moved; the worktree's link is broken";
        let fix = Fix::Relink { worktree, keep };
        Some(self.problem(&place.display().to_string(), why, fix))
    }

    fn folder_without_entry(&self, place: &Path) -> Problem {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.file_name());
        let name = place.display().to_string();
        if names.all(|name| name == ".git") {
            let why = "it is empty: the git that made it was killed";
            return self.problem(&name, why, Fix::Remove(place.to_owned()));
        }
        let why = "git has no entry for this folder";
        let advice = "inspect it; then move it away or remove it";
        self.problem(&name, why, Fix::Manual(advice.to_owned()))
    }
}
