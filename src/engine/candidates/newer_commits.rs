//! Finds commits on the branches of passed tasks that their results do not contain.
//!
//! A task's result is the commit that was judged. A commit that is made by hand on its branch later
//! is neither assembled nor landed, unless the user takes it.

use crate::base::text::plural;
use crate::git::refs::branch_ref;
use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::report::board::view::{BoardView, NewerRow};
use crate::report::suggest;

/// The commits on a task's branch that its result does not contain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewerCommits {
    /// The task.
    pub task: TaskNumber,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// Its tip.
    pub tip: Oid,
    /// The number of the commits.
    pub count: usize,
}

impl NewerCommits {
    /// Renders a warning that offers to take them.
    pub fn warning(&self, state: &RunState) -> String {
        let (task, branch) = (self.task, &self.branch);
        let commits = plural(self.count, "commit");
        let take = suggest::take(&state.run, task);
        format!(
            "{task} [{}]: its branch {branch} has {commits} that {} not in its result; `{take}` takes \
             {}",
            state.plan.task(task).tag,
            if self.count == 1 { "is" } else { "are" },
            if self.count == 1 { "it" } else { "them" },
        )
    }
}

/// Lists the tasks of a run whose branch has commits that their results do not contain; none once it
/// has landed.
///
/// # Errors
/// When the store cannot be read.
pub fn newer_commits(store: &Store, state: &RunState) -> Result<Vec<NewerCommits>, StoreError> {
    let mut found = Vec::new();
    if state.landed.is_some() {
        return Ok(found);
    }
    for (task, candidate) in state.candidates() {
        let Some(attempt) = state.task(task).deciding_attempt() else {
            continue;
        };
        let branch = task_branch(&attempt.branch);
        let tip = store.reference(&branch_ref(&branch))?;
        let Some(tip) = tip.filter(|tip| *tip != candidate) else {
            continue;
        };
        let count = store.commits_above(tip, Some(candidate))?.len();
        if count > 0 {
            found.push(NewerCommits {
                task,
                branch,
                tip,
                count,
            });
        }
    }
    Ok(found)
}

/// Adds the commits that [`newer_commits`] finds to the view of a run.
///
/// # Errors
/// When the store cannot be read.
pub fn note_newer_commits(
    store: &Store,
    state: &RunState,
    view: &mut BoardView,
) -> Result<(), StoreError> {
    for NewerCommits {
        task, tip, count, ..
    } in newer_commits(store, state)?
    {
        let rows = view.tasks.iter_mut();
        for row in rows.filter(|row| row.number == task) {
            row.newer_commits = Some(NewerRow { count, tip });
        }
    }
    Ok(())
}

/// Returns the branch of a task from that of an attempt, which may be the branch of a variant. No
/// task's name has a dot.
fn task_branch(attempt: &str) -> String {
    let (run, name) = attempt.rsplit_once('/').unwrap_or(("", attempt));
    let slug = name.split('.').next().unwrap_or(name);
    format!("{run}/{slug}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branch_of_a_variant_leads_to_that_of_its_task() {
        for attempt in ["my.prefix/p-7k3q/api", "my.prefix/p-7k3q/api.v2"] {
            assert_eq!(task_branch(attempt), "my.prefix/p-7k3q/api");
        }
    }
}
