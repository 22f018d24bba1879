//! Keeps commits that were made by hand in the worktree of an ended attempt and then left: `git checkout`
//! to something else, or `git reset`. Only the log of its HEAD has them, or a reference of the worktree
//! alone (`refs/worktree`, `refs/bisect`), which go with it.

use crate::base::text::plural;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::log_mark::{entry, read_mark};
use crate::engine::worktree::remains::keep;
use crate::git::Store;
use crate::git::reference_log::{Log, unreachable_tips};
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

/// The beginnings of messages in the log for a step that replaces a commit by another form of it.
const REPLACES: [&str; 2] = ["commit (amend)", "rebase"];

/// Commits that only the log of a worktree's HEAD has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftCommits {
    tips: Vec<Oid>,
    reference: String,
}

impl LeftCommits {
    /// Finds the commits that were left since the last attempt in a worktree ended; `None` if there are
    /// none.
    ///
    /// # Errors
    /// When git cannot read them.
    pub fn of(context: &Context, worktree: &Worktree) -> Result<Option<LeftCommits>, EngineError> {
        let log = context.repo.head_log(worktree)?;
        let left = left_in(&log, &read_mark(worktree));
        LeftCommits::unreachable(context, worktree, left)
    }

    /// Finds these commits, and the one that is checked out if a step since the mark led to it.
    ///
    /// # Errors
    /// When git cannot read them.
    pub fn with_head(
        context: &Context,
        worktree: &Worktree,
    ) -> Result<Option<LeftCommits>, EngineError> {
        let (log, mark) = (context.repo.head_log(worktree)?, read_mark(worktree));
        let mut left = left_in(&log, &mark);
        let has_moved = log.first().filter(|_| entry(&log, 0) != mark);
        left.extend(has_moved.map(|(head, _)| *head));
        LeftCommits::unreachable(context, worktree, left)
    }

    fn unreachable(
        context: &Context,
        worktree: &Worktree,
        mut commits: Vec<Oid>,
    ) -> Result<Option<LeftCommits>, EngineError> {
        commits.extend(worktree.own_references()?.values());
        let tips = unreachable_tips(&context.repo.git(), &commits)?;
        let reference = LeftCommits::reference(context, worktree);
        Ok((!tips.is_empty()).then_some(LeftCommits { tips, reference }))
    }

    /// Returns the beginning of the names of references that keep what was left in a worktree.
    pub fn reference(context: &Context, worktree: &Worktree) -> String {
        let place = context.repo.known_path(&worktree.path);
        let name = place.file_name().unwrap_or_default();
        let name = name
            .to_string_lossy()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        format!("refs/dispatch/attempts/{}/{name}.left", context.run)
    }

    /// Names them, as in `commit 1234567, which was left there; kept below …`.
    pub fn words(&self) -> String {
        let LeftCommits { tips, reference } = self;
        let names: Vec<String> = tips.iter().map(|tip| tip.short().to_string()).collect();
        let (names, was) = (
            names.join(" "),
            if tips.len() == 1 { "was" } else { "were" },
        );
        let count = plural(tips.len(), "commit");
        format!(
            "{count} that {was} made and left there; kept below {reference}: `git log --no-walk {names}`"
        )
    }

    /// Keeps them under references of the run.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn keep(&self, store: &Store) -> Result<(), EngineError> {
        for tip in &self.tips {
            keep(store, &self.reference, *tip)?;
        }
        Ok(())
    }
}

/// Keeps the commits that were left in a worktree, before another attempt goes on in it.
///
/// # Errors
/// As [`LeftCommits::of`] and [`LeftCommits::keep`].
pub fn keep_left_commits(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
) -> Result<(), EngineError> {
    match LeftCommits::of(context, worktree)? {
        Some(left) => left.keep(store),
        None => Ok(()),
    }
}

/// Returns the commits that later steps of a log left, down to the marked entry.
fn left_in(log: &Log, mark: &str) -> Vec<Oid> {
    let mut left = Vec::new();
    for number in 0..log.len() {
        if entry(log, number) == mark {
            break;
        }
        let next = number.checked_sub(1).map(|next| log[next].1.as_str());
        let is_left = |next: &str| !REPLACES.iter().any(|start| next.starts_with(start));
        if next.is_some_and(is_left) && !left.contains(&log[number].0) {
            left.push(log[number].0);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: &[(u8, &str)]) -> Log {
        let entries = entries.iter();
        let entry =
            |(byte, message): &(u8, &str)| (Oid::from_bytes([*byte; 20]), (*message).to_owned());
        entries.map(entry).collect()
    }

    fn left(entries: &[(u8, &str)], mark: &str) -> Vec<Oid> {
        left_in(&log(entries), mark)
    }

    #[test]
    fn commits_that_a_checkout_or_a_reset_leaves_since_the_mark_are_found() {
        let entries = [
            (1, "reset: moving to HEAD~"),
            (4, "commit: by hand"),
            (1, "checkout: moving from 33 to a"),
            (3, "commit (amend): again"),
            (2, "commit: by hand"),
            (1, "checkout: moving from a to 11"),
            (1, "commit: the worker's"),
            (9, "commit: the worker's, left"),
        ];
        let of = |byte: u8| Oid::from_bytes([byte; 20]);
        let mark = entry(&log(&entries), 6);
        assert_eq!(left(&entries, &mark), [of(4), of(1), of(3)]);
        assert_eq!(left(&entries, &entry(&log(&entries), 0)), []);
        assert!(left(&entries, "").contains(&of(9)), "without a mark");
    }
}
