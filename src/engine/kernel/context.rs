//! What every effect of a run needs to know: where things are and what they are called.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use tokio::sync::Semaphore;

use crate::base::clock::Clock;
use crate::config::Settings;
use crate::conflicts::Detector;
use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::exec::Executor;
use crate::failure::patterns::Patterns;
use crate::git::Repo;
use crate::git::shared_state::{Reading, SharedStateReader};
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};
use crate::model::plan::{INTEGRATION, Plan};

/// The fixed facts of a run, shared by all its effects.
pub struct Context {
    /// The repository.
    pub repo: Repo,
    /// The run.
    pub run: RunId,
    /// The plan.
    pub plan: Plan,
    /// The commit independent tasks start from.
    pub base: Oid,
    /// The settings the run was started with.
    pub settings: Settings,
    /// Where attempts run.
    pub executor: Arc<dyn Executor>,
    /// The time of day.
    pub clock: Clock,
    /// What workers' words mean.
    pub patterns: Patterns,
    /// How many worktrees may be filled at once: more only makes the disk thrash.
    pub fills: Semaphore,
    integration: Mutex<()>,
    /// What is known about conflicts among the candidates; none until they are first looked for.
    pub detector: Mutex<Option<Detector>>,
    shared_state: Mutex<SharedStateReader>,
    stopping: AtomicBool,
    size: OnceLock<WorktreeSize>,
    slugs: Vec<String>,
}

impl Context {
    /// The context of a run.
    pub fn new(
        repo: Repo,
        run: RunId,
        plan: Plan,
        base: Oid,
        settings: Settings,
        executor: Arc<dyn Executor>,
        clock: Clock,
    ) -> Context {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let slugs = plan.slugs();
        let stopping = AtomicBool::new(false);
        let patterns = settings.failure.patterns();
        let fills = Semaphore::new(cores);
        let shared_state = SharedStateReader::new(&repo, &settings.run.branch_prefix);
        Context {
            repo,
            run,
            plan,
            base,
            settings,
            executor,
            clock,
            patterns,
            fills,
            integration: Mutex::new(()),
            detector: Mutex::default(),
            shared_state: Mutex::new(shared_state),
            stopping,
            size: OnceLock::new(),
            slugs,
        }
    }

    /// The same run, as if it had started from another commit.
    pub(crate) fn on(&self, base: Oid) -> Context {
        Context::new(
            self.repo.clone(),
            self.run.clone(),
            self.plan.clone(),
            base,
            self.settings.clone(),
            Arc::clone(&self.executor),
            self.clock,
        )
    }

    /// What a worktree of the run takes, as far as its base says.
    pub fn size(&self) -> WorktreeSize {
        *self
            .size
            .get_or_init(|| WorktreeSize::of_worktree(&self.repo, self.base))
    }

    /// The right to move the integration branch, which both the board and the assembly do; waits
    /// for it.
    pub fn hold_integration(&self) -> MutexGuard<'_, ()> {
        // It guards nothing in memory, so a panic elsewhere leaves nothing half-done.
        self.integration
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, or `None` if it is not free.
    pub fn try_hold_integration(&self) -> Option<MutexGuard<'_, ()>> {
        match self.integration.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Returns the state that all worktrees share, as it is now.
    pub fn shared_state(&self) -> Reading {
        let reader = self.shared_state.lock();
        reader.unwrap_or_else(PoisonError::into_inner).read()
    }

    /// From now on nothing new starts.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether a person asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The task's name in branches and folders.
    pub fn slug(&self, task: TaskNumber) -> &str {
        &self.slugs[task.index()]
    }

    /// The task's branch, without `refs/heads/`.
    pub fn branch(&self, task: TaskNumber) -> String {
        format!(
            "{}/{}/{}",
            self.settings.run.branch_prefix,
            self.run,
            self.slug(task)
        )
    }

    /// The integration branch, without `refs/heads/`.
    pub fn integration_branch(&self) -> String {
        integration_branch(&self.settings, &self.run)
    }

    /// The full name of the reference that keeps what an attempt left.
    pub fn attempt_ref(&self, task: TaskNumber, attempt: AttemptNumber) -> String {
        format!(
            "refs/dispatch/attempts/{}/{}/{attempt}",
            self.run,
            self.slug(task)
        )
    }

    /// The folder of an attempt: prompt, result, logs.
    pub fn attempt_folder(&self, task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
        self.repo.attempt_folder(self.run.as_str(), task.0, attempt)
    }

    /// Where an attempt's worktree goes.
    pub fn worktree_path(&self, task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
        match attempt {
            1 => self.worktree_named(self.slug(task)),
            _ => self.worktree_named(&format!("{}-{attempt}", self.slug(task))),
        }
    }

    /// A worktree's path as it is recorded: from the top of the main checkout where it is near, so
    /// that boards and journals, which travel, read the same everywhere.
    pub fn recorded_path(&self, worktree: &Path) -> String {
        self.repo.portable_path(worktree)
    }

    /// Where a worktree of this recorded path is on this machine.
    pub fn recorded_worktree(&self, recorded: &str) -> PathBuf {
        self.repo.resolve_portable_path(recorded)
    }

    /// Where the checks of the assembled branch run.
    pub fn integration_worktree(&self) -> PathBuf {
        self.worktree_named(INTEGRATION)
    }

    /// Where a person settles a task's conflict. No task's name has a dot.
    pub fn resolve_worktree(&self, task: TaskNumber) -> PathBuf {
        self.worktree_named(&format!("resolve.{}", self.slug(task)))
    }

    /// Where the user's hooks see the landing commit before it exists.
    pub fn landing_worktree(&self) -> PathBuf {
        self.worktree_named("landing")
    }

    fn worktree_named(&self, name: &str) -> PathBuf {
        self.settings
            .worktree
            .folder(self.repo.home(), self.run.as_str(), name)
    }

    /// The trailers of a commit that dispatch makes for a task.
    pub fn trailers(&self, task: TaskNumber, attempt: AttemptNumber) -> String {
        format!(
            "Dispatch-Run: {}\nDispatch-Task: {} {}\nDispatch-Attempt: {attempt}\n",
            self.run,
            task.0,
            self.plan.task(task).tag
        )
    }
}

/// The integration branch of a run, without `refs/heads/`.
pub fn integration_branch(settings: &Settings, run: &RunId) -> String {
    format!("{}/{run}/{INTEGRATION}", settings.run.branch_prefix)
}
