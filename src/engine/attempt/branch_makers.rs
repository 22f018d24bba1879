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

/// Notes the changes that the attempt itself made, so that no other attempt is searched for its branches.
pub(super) fn note_own_branches(execution: &Execution, changes: &[OutsideChange]) {
    for branch in changes.iter().filter_map(branch_of) {
        maker_of(execution, branch);
    }
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

/// Returns `true` for the arguments of a command that makes or moves a branch of this name.
fn makes(args: &[String], branch: &str) -> bool {
    let verbs = [
        "branch",
        "checkout",
        "fetch",
        "pull",
        "push",
        "stash",
        "switch",
        "update-ref",
        "worktree",
    ];
    let verb = args.iter().position(|arg| verbs.contains(&&**arg));
    let Some((verb, rest)) = verb.and_then(|place| args[place..].split_first()) else {
        return false;
    };
    let full = format!("refs/heads/{branch}");
    let is_name = |arg: &String| *arg == branch || *arg == full;
    let mut positional = rest.iter().filter(|arg| !arg.starts_with('-'));
    match verb.as_str() {
        "branch" if rest.iter().any(|arg| is_move(arg)) => {
            positional.next_back().is_some_and(is_name)
        }
        "branch" => positional.next().is_some_and(is_name),
        "checkout" | "switch" => creates(rest, branch),
        "fetch" | "pull" | "push" => rest.iter().any(|arg| {
            let to = arg.rsplit_once(':').map(|(_, to)| to.to_owned());
            to.is_some_and(|to| is_name(&to))
        }),
        "stash" => rest.first().is_some_and(|verb| verb == "branch") && rest.iter().any(is_name),
        "update-ref" => rest.iter().any(is_name),
        "worktree" => {
            creates(rest, branch)
                || positional
                    .nth(1)
                    .is_some_and(|path| path == branch || path.ends_with(&format!("/{branch}")))
        }
        _ => false,
    }
}

/// Returns `true` for an option of `git branch` that renames or copies.
fn is_move(arg: &str) -> bool {
    ["-m", "-M", "-c", "-C", "--move", "--copy"].contains(&arg)
}

/// Returns `true` if an option makes a branch of this name.
fn creates(args: &[String], branch: &str) -> bool {
    let options = [
        "-b",
        "-B",
        "-c",
        "-C",
        "--orphan",
        "--create",
        "--force-create",
    ];
    let mut pairs = args.windows(2);
    let is_apart = pairs.any(|pair| options.contains(&&*pair[0]) && pair[1] == branch);
    let is_joined = |arg: &String| {
        let before = arg
            .strip_suffix(branch)
            .map(|before| before.trim_end_matches('='));
        before.is_some_and(|before| options.contains(&before))
    };
    is_apart || args.iter().any(is_joined)
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
            "git branch -f fix/it HEAD",
            "git branch -m old fix/it",
            "git -C x checkout -b fix/it",
            "git switch -cfix/it",
            "git switch --create=fix/it",
            "git worktree add ../fix/it",
            "git worktree add -b fix/it ../x",
            "git update-ref refs/heads/fix/it HEAD",
            "git push . HEAD:fix/it",
            "git fetch . HEAD:refs/heads/fix/it",
            "git stash branch fix/it",
        ] {
            assert!(made(text), "{text}");
        }
        for text in [
            "git log fix/it",
            "git branch other fix/it",
            "git checkout fix/it",
            "git checkout -b my-fix/it",
            "git branch fix/it-2",
            "git fetch origin fix/it",
            "git stash push -m fix/it",
        ] {
            assert!(!made(text), "{text}");
        }
    }
}
