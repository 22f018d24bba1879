//! Builds every command that boards, reports and hints suggest, so one test can run them all.

use crate::base::text::shell_word;
use crate::merge::answer::Lineage;
use crate::merge::oid::Oid;
use crate::model::failure::{Failure, FailureClass};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::plan::Task;
use crate::model::run::RunState;

macro_rules! on_a_run {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $($(#[$doc])* pub fn $name(run: &RunId) -> String {
            format!(concat!("dispatch ", stringify!($name), " {}"), run)
        })*

        fn all_on_a_run(run: &RunId) -> Vec<String> {
            vec![$($name(run),)*]
        }
    };
}

macro_rules! on_a_task {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $($(#[$doc])* pub fn $name(run: &RunId, task: TaskNumber) -> String {
            format!(concat!("dispatch ", stringify!($name), " {} {}"), run, task.0)
        })*

        fn all_on_a_task(run: &RunId, task: TaskNumber) -> Vec<String> {
            vec![$($name(run, task),)*]
        }
    };
}

on_a_run! {
    /// Reviews every change before it lands.
    review,
    /// Moves the target branch to the assembled result.
    land,
    /// Moves the target branch back to its commit before the landing.
    unland,
    /// Resumes an interrupted run.
    resume,
    /// Assembles the candidates again.
    assemble,
    /// Shows the conflicts among the candidates.
    conflicts,
    /// Shows the report of the run.
    report,
    /// Shows the board.
    status,
    /// Fetches what happened to a run in another clone.
    fetch,
    /// Removes the worktrees and branches of the run.
    clean,
    /// Waits until the run has ended.
    wait,
    /// Shows the run on the whole screen.
    watch,
}

on_a_task! {
    /// Retries a task.
    retry,
    /// Resolves the conflict of a task by hand.
    resolve,
    /// Skips a task.
    skip,
    /// Shows the worker's output.
    logs,
    /// Shows the details of a task.
    show,
    /// Shows the changes of a task.
    diff,
}

/// Resumes a run with this cost limit in dollars.
pub fn resume_with(run: &RunId, max_cost: f64) -> String {
    // Amounts below a cent must not be rounded to zero.
    let digits = if max_cost < 1.0 { 4 } else { 2 };
    format!("{} --max-cost {max_cost:.digits$}", resume(run))
}

/// Takes the commits on the branch of a passed task as its result.
pub fn take(run: &RunId, task: TaskNumber) -> String {
    format!("{} --take {}", assemble(run), task.0)
}

/// Returns the arguments with which git applies the commits above `since`, up to `tip`, to the branch
/// that is checked out. A merge among them cannot be picked.
pub fn apply_commits(above: &[Lineage], since: Oid, tip: Oid) -> String {
    let (from, to) = (since.short(), tip.short());
    match above {
        [(_, parents)] if parents.len() < 2 => format!("cherry-pick {to}"),
        all if all.iter().any(|(_, parents)| parents.len() > 1) => format!("merge {to}"),
        _ => format!("cherry-pick {from}..{to}"),
    }
}

/// Resumes a run with the edited plan in this file.
pub fn resume_with_plan(run: &RunId, file: Option<&str>) -> String {
    let file = file.map_or_else(|| "PLAN".to_owned(), shell_word);
    format!("{} --plan {file}", resume(run))
}

/// Runs a failed task again, once its cause is removed.
pub fn again(state: &RunState, task: &Task, failure: &Failure) -> String {
    match needs_plan_edit(task, failure) {
        true => resume_with_plan(&state.run, state.plan_file.as_deref()),
        false => retry(&state.run, task.number),
    }
}

/// Returns `true` if a retry would run the same shell command, which would fail again.
pub fn needs_plan_edit(task: &Task, failure: &Failure) -> bool {
    let is_final = matches!(failure.class, FailureClass::Logic | FailureClass::Input);
    task.fields.run.is_some() && is_final && failure.suggestion.is_none()
}

/// Builds all of them for this run and task.
pub fn all(run: &RunId, task: TaskNumber) -> Vec<String> {
    let mut all = all_on_a_run(run);
    all.push(resume_with(run, 10.0));
    all.push(resume_with_plan(run, None));
    all.push(take(run, task));
    all.extend(all_on_a_task(run, task));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_run_and_the_bare_number() {
        let all = all(&RunId::new("checkout-7k3q"), TaskNumber(2));
        insta::assert_snapshot!(all.join("\n"), @r"
        dispatch review checkout-7k3q
        dispatch land checkout-7k3q
        dispatch unland checkout-7k3q
        dispatch resume checkout-7k3q
        dispatch assemble checkout-7k3q
        dispatch conflicts checkout-7k3q
        dispatch report checkout-7k3q
        dispatch status checkout-7k3q
        dispatch fetch checkout-7k3q
        dispatch clean checkout-7k3q
        dispatch wait checkout-7k3q
        dispatch watch checkout-7k3q
        dispatch resume checkout-7k3q --max-cost 10.00
        dispatch resume checkout-7k3q --plan PLAN
        dispatch assemble checkout-7k3q --take 2
        dispatch retry checkout-7k3q 2
        dispatch resolve checkout-7k3q 2
        dispatch skip checkout-7k3q 2
        dispatch logs checkout-7k3q 2
        dispatch show checkout-7k3q 2
        dispatch diff checkout-7k3q 2
        ");
    }

    #[test]
    fn a_plan_file_is_one_word_of_a_shell() {
        let command = |file| resume_with_plan(&RunId::new("checkout-7k3q"), Some(file));
        assert_eq!(
            command("../shop/my plan.md"),
            "dispatch resume checkout-7k3q --plan '../shop/my plan.md'"
        );
        assert_eq!(
            command("PLAN.md"),
            "dispatch resume checkout-7k3q --plan PLAN.md"
        );
    }

    #[test]
    fn an_amount_below_a_dollar_keeps_its_fractions_of_a_cent() {
        let words = |max_cost| resume_with(&RunId::new("checkout-7k3q"), max_cost);
        assert_eq!(
            words(0.002),
            "dispatch resume checkout-7k3q --max-cost 0.0020"
        );
        assert_eq!(words(2.5), "dispatch resume checkout-7k3q --max-cost 2.50");
    }
}
