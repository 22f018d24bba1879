//! Decides which of several attempts made or moved a branch.
//!
//! A branch belongs to the whole repository, and each attempt under way sees that it changed. The log of
//! HEAD in the worktree of its maker names it, or a traced command of git does.

use std::fs;
use std::path::Path;

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::engine::attempt::execution::Execution;
use crate::engine::attempt::traced_commands::has_traced;
use crate::model::ids::{AttemptKey, TaskNumber};
use crate::model::outside_changes::OutsideChange;

/// The beginning of the name of a change of a branch.
const BRANCH: &str = "the branch ";

/// The commands of git that make or move branches.
const MAKERS: [&str; 12] = [
    "branch",
    "checkout",
    "clone",
    "commit",
    "fast-import",
    "fetch",
    "pull",
    "push",
    "stash",
    "switch",
    "update-ref",
    "worktree",
];

/// The maker of a change of a branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Maker {
    /// The attempt itself.
    This,
    /// An attempt at another task.
    Other,
    /// Unknown: the user, or one of the attempts under way, at these other tasks.
    Unknown(Vec<TaskNumber>),
}

/// Returns the branch that a change is of.
pub(super) fn branch_of(change: &OutsideChange) -> Option<&str> {
    change.name.strip_prefix(BRANCH)
}

/// Leaves out the changes of branches that attempts at other tasks made.
pub(super) fn without_those_of_others(
    execution: &Execution,
    mut changes: Vec<OutsideChange>,
) -> Vec<OutsideChange> {
    changes.retain(|change| {
        let maker = branch_of(change).map(|branch| maker_of(execution, branch));
        maker != Some(Maker::Other)
    });
    changes
}

/// Decides who made or moved a branch while an attempt was under way.
pub(super) fn maker_of(execution: &Execution, branch: &str) -> Maker {
    let (context, spec) = (&execution.context, &execution.spec);
    let own = (spec.task, spec.attempt);
    if names(execution, own, branch) {
        context.under_way.note_branch(branch, spec.task);
        return Maker::This;
    }
    let beside = context.under_way.beside(own);
    let others = beside.iter().filter(|(task, _)| *task != spec.task);
    let mut tasks: Vec<TaskNumber> = others.clone().map(|(task, _)| *task).collect();
    tasks.dedup();
    let noted = context.under_way.maker_of(branch);
    let is_noted = noted.is_some_and(|task| tasks.contains(&task));
    if is_noted || others.clone().any(|other| names(execution, *other, branch)) {
        return Maker::Other;
    }
    Maker::Unknown(tasks)
}

/// Returns `true` if the log of HEAD or the trace of an attempt names a branch as one that it works on.
fn names(execution: &Execution, (task, attempt): AttemptKey, branch: &str) -> bool {
    let context = &execution.context;
    let worktree = match (task, attempt) == (execution.spec.task, execution.spec.attempt) {
        true => execution.spec.worktree.clone(),
        false => context.worktree_path(task, attempt),
    };
    let is_maker = |args: &[String]| makes(args, branch);
    is_checked_out_in(&worktree, branch)
        || has_traced(&context.attempt_folder(task, attempt), branch, is_maker)
}

/// Returns `true` if HEAD of a worktree has moved to a branch, by its log.
fn is_checked_out_in(worktree: &Path, branch: &str) -> bool {
    let link = regular_file::read_line(&worktree.join(".git")).unwrap_or_default();
    let Some(admin) = link.trim_end().strip_prefix("gitdir: ") else {
        return false;
    };
    let log = Path::new(admin).join("logs/HEAD");
    if fs::symlink_metadata(&log).is_err() {
        return false;
    }
    let log = regular_file::read(&log, RECORD_LIMIT).unwrap_or_default();
    let end = format!(" to {branch}");
    let log = String::from_utf8_lossy(&log);
    log.lines()
        .any(|line| line.contains("\tcheckout: moving from ") && line.ends_with(&end))
}

/// Returns `true` for the arguments of a command that may make or move a branch of this name.
fn makes(args: &[String], branch: &str) -> bool {
    let is_maker = args.iter().skip(1).any(|arg| MAKERS.contains(&&**arg));
    let names = |arg: &String| {
        let Some(before) = arg.strip_suffix(branch) else {
            return false;
        };
        let is_option = ["-b", "-B", "-c", "-C"].contains(&before);
        before.is_empty() || before.ends_with(['/', ':', '=']) || is_option
    };
    is_maker && args.iter().any(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_make_a_branch_name_it_as_an_argument() {
        let made = |text: &str| {
            let args: Vec<String> = text.split(' ').map(str::to_owned).collect();
            makes(&args, "fix/it")
        };
        for text in [
            "git branch fix/it",
            "git -C x checkout -b fix/it",
            "git switch -cfix/it",
            "git worktree add ../fix/it",
            "git update-ref refs/heads/fix/it HEAD",
            "git push . HEAD:fix/it",
        ] {
            assert!(made(text), "{text}");
        }
        for text in [
            "git log fix/it",
            "git branch other",
            "git checkout -b my-fix/it",
            "git branch fix/it-2",
        ] {
            assert!(!made(text), "{text}");
        }
    }
}
