//! The branches of one `dispatch conflicts`, which may be those of the tasks of a run.

use crate::base::text::{did_you_mean, terminal_safe};
use crate::cli::drive::context;
use crate::cli::error::CommandError;
use crate::cli::repo_context::RepoContext;
use crate::conflicts::Branch;
use crate::engine::candidates::conflicts::task_branches;
use crate::engine::kernel::context::Context;
use crate::engine::runs::load::Loaded;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::status::Status;

/// The branches to compare.
pub(crate) struct Subject {
    pub(crate) branches: Vec<Branch>,
    /// Globs of generated files.
    pub(crate) generated: Vec<String>,
    /// The run that the branches belong to.
    pub(crate) run: Option<RunSubject>,
}

/// The run whose candidates are compared.
pub(crate) struct RunSubject {
    pub(crate) context: Context,
    pub(crate) state: RunState,
    /// The task of every branch.
    tasks: Vec<TaskNumber>,
}

impl Subject {
    /// Takes branches that belong to no run.
    pub(crate) fn of_branches(branches: Vec<Branch>, generated: Vec<String>) -> Subject {
        Subject {
            branches,
            generated,
            run: None,
        }
    }

    /// Takes the current candidates of a run.
    ///
    /// # Errors
    /// When the run's settings do not fit this machine.
    pub(crate) fn of_run(here: &RepoContext, loaded: Loaded) -> Result<Subject, CommandError> {
        let generated = loaded.settings.conflicts.generated.clone();
        let context = context(&here.repo, &loaded.state, loaded.settings, here.clock)?;
        let candidates = loaded.state.candidates();
        Ok(Subject {
            branches: task_branches(&context, &candidates),
            generated,
            run: Some(RunSubject {
                tasks: candidates.iter().map(|(number, _)| *number).collect(),
                state: loaded.state,
                context,
            }),
        })
    }

    /// Returns the base of a run.
    pub(crate) fn run_base(&self) -> Option<Oid> {
        self.run.as_ref().map(|run| run.context.base)
    }

    /// Returns the task of a branch.
    pub(super) fn task(&self, branch: usize) -> Option<TaskNumber> {
        self.run.as_ref().map(|run| run.tasks[branch])
    }

    /// Renders the short name of a branch, which is never ambiguous.
    pub(super) fn label(&self, branch: usize) -> String {
        match self.task(branch) {
            Some(number) => number.to_string(),
            None => terminal_safe(&self.branches[branch].name),
        }
    }

    /// Finds a branch by its name, or by the number or tag of its task.
    pub(crate) fn find(&self, word: &str) -> Result<usize, CommandError> {
        let has_name = |branch: &Branch| branch.name == word;
        if let Some(branch) = self.branches.iter().position(has_name) {
            return Ok(branch);
        }
        match &self.run {
            Some(run) => run.find(word, &self.branches),
            None => {
                let names = self.branches.iter().map(|branch| branch.name.as_str());
                Err(unknown(word, "branch", names).unwrap_or_else(|error| {
                    error.hint("`--explain A:B` takes two of the branches")
                }))
            }
        }
    }
}

impl RunSubject {
    fn find(&self, word: &str, branches: &[Branch]) -> Result<usize, CommandError> {
        let digits = word.trim_start_matches('#');
        let is_meant = |number: TaskNumber| {
            number.0.to_string() == digits || self.tag(number).eq_ignore_ascii_case(word)
        };
        if let Some(branch) = self.tasks.iter().position(|number| is_meant(*number)) {
            return Ok(branch);
        }
        let mut all = self.state.plan.tasks().iter().map(|task| task.number);
        if let Some(number) = all.find(|number| is_meant(*number)) {
            let error = CommandError::usage(self.why_without_candidate(number));
            return Err(error.hint("`--explain A:B` takes two tasks with candidates"));
        }
        let names = branches.iter().map(|branch| branch.name.as_str());
        let tags = self.tasks.iter().map(|number| self.tag(*number));
        Err(unknown(word, "task", names.chain(tags))
            .unwrap_or_else(|error| error.hint("`dispatch status` lists the tasks")))
    }

    /// Returns the tag of a task.
    pub(super) fn tag(&self, number: TaskNumber) -> &str {
        &self.state.plan.task(number).tag
    }

    /// Lists all tasks of the run, each with its branch if it has a candidate.
    pub(super) fn all_tasks(&self) -> impl Iterator<Item = (TaskNumber, Option<usize>)> {
        self.state.plan.tasks().iter().map(|task| {
            let branch = self.tasks.iter().position(|number| *number == task.number);
            (task.number, branch)
        })
    }

    /// Explains the lack of a candidate: `#4 failed and has no candidate`.
    pub(super) fn why_without_candidate(&self, number: TaskNumber) -> String {
        let status = match self.state.status(number) {
            Status::Queued => "is queued",
            Status::InProgress => "is in progress",
            Status::Done => "changed nothing",
            Status::Failed => "failed",
            Status::Blocked(_) => "is blocked",
            Status::Retry(_) => "is being retried",
            Status::Skipped => "was skipped",
            Status::Cancelled => "was cancelled",
        };
        format!("{number} {status} and has no candidate")
    }
}

/// Builds the error for an unknown name: `Ok` with a suggestion, `Err` without.
fn unknown<'a>(
    word: &str,
    kind: &str,
    known: impl Iterator<Item = &'a str>,
) -> Result<CommandError, CommandError> {
    let error = CommandError::usage(format!("there is no {kind} {word:?} to compare"));
    match did_you_mean(word, known) {
        Some(near) => Ok(error.hint(format!("did you mean {near}?"))),
        None => Err(error),
    }
}
