//! Holds the fixed data of a run that every effect needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Semaphore;

use crate::base::clock::Clock;
use crate::base::safe::secrets::Secrets;
use crate::config::Settings;
use crate::conflicts::Detector;
use crate::engine::kernel::error::EngineError;
use crate::engine::kernel::layout::Layout;
use crate::engine::kernel::masking::secrets;
use crate::engine::kernel::under_way::UnderWay;
use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::exec::Executor;
use crate::exec::local::LocalExecutor;
use crate::failure::patterns::Patterns;
use crate::git::shared_state::{Reading, SharedStateReader};
use crate::git::{GitError, Repo};
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, RunId, TaskNumber, TaskVariant};
use crate::model::outside_changes::{SharedState, changes_of_programs};
use crate::model::plan::{INTEGRATION, Plan};
use crate::model::run::RunState;

/// The fixed data of a run, shared by all its effects.
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
    /// The names and paths of the run.
    pub layout: Layout,
    /// The executor of its attempts.
    pub executor: Arc<dyn Executor>,
    /// The clock for times of day.
    pub clock: Clock,
    /// The user's failure patterns.
    pub patterns: Patterns,
    /// The secrets of the environment, which are masked in what is recorded.
    pub secrets: Secrets,
    /// Limits the number of worktrees filled at once; more would be slower.
    pub fills: Semaphore,
    integration: Mutex<()>,
    /// The conflict detector; created on first use.
    pub detector: Mutex<Option<Detector>>,
    /// The attempts under way.
    pub under_way: UnderWay,
    shared_state: Mutex<SharedStateReader>,
    /// The state when this process began to drive the run.
    first_state: OnceLock<Arc<SharedState>>,
    stopping: AtomicBool,
    size: OnceLock<WorktreeSize>,
}

impl Context {
    /// Creates the context of a run.
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
        let layout = Layout::new(&repo, &run, &plan, &settings);
        let stopping = AtomicBool::new(false);
        let patterns = settings.failure.patterns();
        let fills = Semaphore::new(cores);
        let secrets = secrets(&settings, &plan);
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
            secrets,
            fills,
            integration: Mutex::new(()),
            detector: Mutex::default(),
            under_way: UnderWay::default(),
            shared_state: Mutex::new(shared_state),
            first_state: OnceLock::new(),
            stopping,
            size: OnceLock::new(),
            layout,
        }
    }

    /// Returns the context of the same run on another base.
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

    /// Returns the context of another run with the same settings, which names what that run keeps. Its plan
    /// is not that run's.
    pub(crate) fn of_run(&self, run: RunId) -> Context {
        Context::new(
            self.repo.clone(),
            run,
            self.plan.clone(),
            self.base,
            self.settings.clone(),
            Arc::clone(&self.executor),
            self.clock,
        )
    }

    /// Returns the expected disk use of a worktree, from the base of the run.
    pub fn size(&self) -> WorktreeSize {
        *self
            .size
            .get_or_init(|| WorktreeSize::of_worktree(&self.repo, self.base))
    }

    /// Locks the integration branch, which the board and the assembly both move.
    pub fn hold_integration(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data in memory, so a panic elsewhere leaves nothing half-done.
        self.integration
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the state that all worktrees share, as it is now.
    ///
    /// # Errors
    /// When git cannot read it.
    pub fn shared_state(&self) -> Result<Reading, GitError> {
        let reader = self.shared_state.lock();
        reader.unwrap_or_else(PoisonError::into_inner).read()
    }

    /// Returns the references of which a worker gets a copy, by name, as their files read.
    ///
    /// # Errors
    /// When git cannot read them.
    pub fn copied_references(&self) -> Result<Arc<BTreeMap<String, String>>, GitError> {
        let reader = self.shared_state.lock();
        let mut reader = reader.unwrap_or_else(PoisonError::into_inner);
        reader.copied_references()
    }

    /// Returns what git executes or reads and has changed since the first call.
    ///
    /// # Errors
    /// When git cannot read it.
    pub fn changed_programs(&self) -> Result<Vec<String>, GitError> {
        let now = self.shared_state()?.state;
        let first = self.first_state.get_or_init(|| Arc::clone(&now));
        Ok(changes_of_programs(first, &now))
    }

    /// Stops the run: nothing new starts.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Returns `true` once the run is stopped.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Returns the task's name in branches and folders.
    pub fn slug(&self, task: TaskNumber) -> &str {
        self.layout.slug(task)
    }

    /// Returns the task's branch, without `refs/heads/`.
    pub fn branch(&self, task: TaskNumber) -> String {
        self.layout.branch(task)
    }

    /// Returns the branch of the attempts at a task or variant, without `refs/heads/`.
    pub fn attempt_branch(&self, of: TaskVariant) -> String {
        self.layout.attempt_branch(of)
    }

    /// Returns the integration branch, without `refs/heads/`.
    pub fn integration_branch(&self) -> String {
        integration_branch(&self.settings, &self.run)
    }

    /// Returns the reference that keeps the work of an attempt.
    pub fn attempt_ref(&self, task: TaskNumber, attempt: AttemptNumber) -> String {
        self.layout.attempt_ref(task, attempt)
    }

    /// Returns the folder of references that keep commits of submodules and nested repositories of an
    /// attempt. The reference of its own work is a file beside it.
    pub fn nested_refs(&self, task: TaskNumber, attempt: AttemptNumber) -> String {
        format!("{}.nested", self.attempt_ref(task, attempt))
    }

    /// Returns the folder of an attempt: prompt, result, logs.
    pub fn attempt_folder(&self, task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
        self.layout.attempt_folder(task, attempt)
    }

    /// Returns the path of an attempt's worktree.
    pub fn worktree_path(&self, task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
        self.layout.worktree_path(task, attempt)
    }

    /// Renders a worktree's path for the journal, so that it reads the same on every machine.
    pub fn recorded_path(&self, worktree: &Path) -> String {
        self.layout.recorded_path(worktree)
    }

    /// Resolves a path of [`Context::recorded_path`] on this machine.
    pub fn recorded_worktree(&self, recorded: &str) -> PathBuf {
        self.layout.recorded_worktree(recorded)
    }

    /// Returns the folder of the worktree that the run knows by a path: another one if it is of the pool.
    pub fn place_of(&self, known_as: PathBuf) -> PathBuf {
        let of_pool = self.repo.behind_link(&known_as);
        of_pool.map_or(known_as, |entry| entry.place)
    }

    /// Returns the worktree in which the assembled branch is checked.
    pub fn integration_worktree(&self) -> PathBuf {
        self.layout.integration_worktree()
    }

    /// Returns the worktree in which the user resolves a task's conflict. No task's name has a dot.
    pub fn resolve_worktree(&self, task: TaskNumber) -> PathBuf {
        let name = format!("resolve.{}", self.slug(task));
        self.layout.worktree_named(&name)
    }

    /// Returns the worktree in which a judge compares the variants of a task.
    pub fn judge_worktree(&self, task: TaskNumber) -> PathBuf {
        let name = format!("judge.{}", self.slug(task));
        self.layout.worktree_named(&name)
    }

    /// Returns the worktree in which the user's hooks see the landing commit before it exists.
    pub fn landing_worktree(&self) -> PathBuf {
        self.layout.worktree_named("landing")
    }

    /// Renders the trailers of a commit that dispatch makes for a task.
    pub fn trailers(&self, task: TaskNumber, attempt: AttemptNumber) -> String {
        format!(
            "Dispatch-Run: {}\nDispatch-Task: {} {}\nDispatch-Attempt: {attempt}\n",
            self.run,
            task.0,
            self.plan.task(task).tag
        )
    }
}

/// Builds the context of a run whose attempts run on this machine.
///
/// # Errors
/// When the path of this program cannot be determined.
pub fn local_context(
    repo: &Repo,
    state: &RunState,
    settings: Settings,
    clock: Clock,
) -> Result<Context, EngineError> {
    let executor = LocalExecutor::this_program()
        .map_err(|error| EngineError::File("this program".to_owned(), error))?;
    let executor = Arc::new(executor);
    let (run, plan, base) = (state.run.clone(), state.plan.clone(), state.base);
    Ok(Context::new(
        repo.clone(),
        run,
        plan,
        base,
        settings,
        executor,
        clock,
    ))
}

/// Returns the integration branch of a run, without `refs/heads/`.
pub fn integration_branch(settings: &Settings, run: &RunId) -> String {
    format!("{}/{run}/{INTEGRATION}", settings.run.branch_prefix)
}
