//! The repository of a call, with its runs.

use std::path::Path;

use crate::base::clock::Clock;
use crate::base::text::did_you_mean;
use crate::base::user_folders::state_folder;
use crate::config::variable::Overrides;
use crate::config::{self, Settings};
use crate::engine::runs::find::{DefaultRun, find_run};
use crate::engine::runs::load::{Loaded, load};
use crate::engine::runs::read::read_state;
use crate::engine::spec::environment::depth;
use crate::engine::start::{StartError, current_branch};
use crate::git::{Repo, Store};
use crate::journal::runs::{RunLock, Taken};
use crate::mcp::error::ToolError;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::plan::Plan;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;

/// The repository of a call.
pub(super) struct Repository {
    /// The repository.
    pub(super) repo: Repo,
    /// Its store.
    pub(super) store: Store,
    /// The time of day.
    pub(super) clock: Clock,
}

impl Repository {
    /// Opens the repository around a folder.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn open(folder: &Path) -> Result<Repository, ToolError> {
        let mut repo = Repo::discover(folder)?;
        if let Some(folder) = state_folder() {
            repo.keep_state_below(&folder);
        }
        let store = Store::open(&repo)?;
        Ok(Repository {
            repo,
            store,
            clock: Clock::from_env(),
        })
    }

    /// Loads the settings, with those of a call over them.
    ///
    /// # Errors
    /// When they are invalid.
    pub(super) fn settings(&self, overrides: &Overrides) -> Result<Settings, ToolError> {
        Ok(config::load(&self.repo.top, None, overrides)?)
    }

    /// Finds a run by its name or a unique beginning of it, or the default run.
    ///
    /// # Errors
    /// When this repository has none, and in particular for a run of another one.
    pub(super) fn find(&self, name: Option<&str>, default: DefaultRun) -> Result<RunId, ToolError> {
        let found = find_run(&self.repo, &self.store, name, default);
        found.map_err(|error| ToolError::from(error).at(self.place()))
    }

    /// Reads the state of a run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn state(&self, run: &RunId) -> Result<RunState, ToolError> {
        Ok(read_state(&self.repo, &self.store, run)?)
    }

    /// Takes the lock of a run and loads it from its whole journal, to change it.
    ///
    /// # Errors
    /// When another process drives it, or it cannot be read.
    pub(super) fn lock(&self, run: &RunId) -> Result<(RunLock, Loaded), ToolError> {
        match RunLock::take(&self.repo, run, self.clock.now()) {
            Ok(Taken::Ours(lock)) => Ok((lock, load(&self.store, run)?)),
            Ok(Taken::Held(_)) => Err(ToolError::new(format!(
                "{run} is being driven, and changes only after it has ended"
            ))
            .next("`run_wait` waits for the end; `task_cancel` ends a task")),
            Err(error) => Err(ToolError::new(format!("could not lock {run}: {error}"))),
        }
    }

    /// Refuses a call that changes something if a worker of a run made it, unless that is allowed.
    ///
    /// An agent may start its servers without its own environment, so a checkout that a running
    /// attempt owns counts as well.
    ///
    /// # Errors
    /// When this process is deeper down than the settings allow.
    pub(super) fn refuse_depth(&self, settings: &Settings) -> Result<(), ToolError> {
        let deep = depth().max(u32::from(self.is_of_running_attempt(settings)));
        match deep > settings.run.max_depth {
            true => Err(StartError::TooDeep(deep).into()),
            false => Ok(()),
        }
    }

    fn is_of_running_attempt(&self, settings: &Settings) -> bool {
        let Some(branch) = current_branch(&self.repo) else {
            return false;
        };
        let below = branch.strip_prefix(&format!("{}/", settings.run.branch_prefix));
        let Some((run, _)) = below.and_then(|rest| rest.split_once('/')) else {
            return false;
        };
        let run = RunId::new(run);
        RunLock::is_held(&self.repo, &run)
            && self
                .state(&run)
                .is_ok_and(|state| is_running(&state, &branch))
    }

    /// Names the repository for an error.
    pub(super) fn place(&self) -> String {
        self.repo.top.display().to_string()
    }
}

/// Returns the random numbers of this process; `DISPATCH_SEED` makes them repeatable.
pub(super) fn random() -> fastrand::Rng {
    let seed = std::env::var("DISPATCH_SEED").ok();
    let seed = seed.and_then(|text| text.parse().ok());
    seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)
}

/// Returns `true` if an attempt that has not ended works on this branch.
fn is_running(state: &RunState, branch: &str) -> bool {
    state.tasks.iter().any(|task| {
        let last = task.last_attempt();
        task.phase == TaskPhase::Running && last.is_some_and(|last| last.branch == branch)
    })
}

/// Finds a task by its number or tag.
///
/// # Errors
/// When the plan has no such task.
pub(super) fn find_task(plan: &Plan, name: &str) -> Result<TaskNumber, ToolError> {
    let word = name.trim().trim_start_matches('#');
    if let Some(task) = plan.find(word) {
        return Ok(task.number);
    }
    let error = ToolError::new(format!("the plan has no task {name:?}"));
    let tags = plan.tasks().iter().map(|task| task.tag.as_str());
    Err(match did_you_mean(word, tags) {
        Some(near) => error.next(format!("did you mean {near}?")),
        None => error.next(format!(
            "tasks are named by number (1 to {}) or by tag",
            plan.tasks().len()
        )),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::model::fixture::RunFixture;

    use super::*;

    #[test]
    fn only_a_running_attempt_makes_its_branch_one_of_a_worker() {
        let branch = "dispatch/checkout-7k3q/t1";
        let run = || RunFixture::new("a").begin(1, "shell");
        assert!(is_running(&run().state(), branch));
        assert!(!is_running(&run().state(), "dispatch/checkout-7k3q/t2"));
        assert!(!is_running(&run().pass(1, "made").state(), branch));
    }

    #[test]
    fn a_task_is_named_by_number_or_tag() {
        let plan = RunFixture::new("a · b").state().plan;
        let find = |name: &str| find_task(&plan, name).map(|task| task.0);
        assert_eq!([find("2"), find("#2"), find("t2")], [Ok(2), Ok(2), Ok(2)]);
        insta::assert_snapshot!(find("t3").unwrap_err().render(), @r#"
        error: the plan has no task "t3"
        next: tasks are named by number (1 to 2) or by tag
        "#);
        insta::assert_snapshot!(find("garden").unwrap_err().render(), @r#"
        error: the plan has no task "garden"
        next: tasks are named by number (1 to 2) or by tag
        "#);
    }
}
