//! Finds what goes with a worktree although its branch does not have it: ignored files, and commits that
//! only the log of its HEAD has. What can be kept is kept.

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::edits_by_hand::EditsByHand;
use crate::engine::worktree::ignored_files::IgnoredFiles;
use crate::engine::worktree::left_commits::LeftCommits;
use crate::git::Store;
use crate::git::worktree::Worktree;

/// Ignored files and left commits of a worktree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    ignored: Option<IgnoredFiles>,
    left: Option<LeftCommits>,
    edits: Option<EditsByHand>,
}

impl Losses {
    /// Finds them; nothing in a worktree that git cannot read. Of one whose folder is gone, the commit that
    /// is checked out counts, too: the worktree cannot stay for it.
    ///
    /// # Errors
    /// When git fails.
    pub fn of(context: &Context, worktree: &Worktree) -> Result<Losses, EngineError> {
        if worktree.path.symlink_metadata().is_err() {
            return Ok(Losses {
                left: LeftCommits::with_head(context, worktree)?,
                ..Losses::default()
            });
        }
        if !worktree.exists() || worktree.verify().is_err() {
            return Ok(Losses::default());
        }
        Ok(Losses {
            ignored: IgnoredFiles::of(context, worktree)?,
            left: LeftCommits::of(context, worktree)?,
            edits: None,
        })
    }

    /// Finds what goes with the worktree of a conflict: the commits of the user that are checked out in it count,
    /// too, because his resolution may have been made again without them.
    ///
    /// # Errors
    /// When git fails.
    pub fn of_conflict(context: &Context, worktree: &Worktree) -> Result<Losses, EngineError> {
        Ok(Losses {
            left: LeftCommits::with_head(context, worktree)?,
            ..Losses::of(context, worktree)?
        })
    }

    /// Finds what goes when a worktree of the pool is reset: nothing in the kept folders. Output of builds is
    /// not named, since every task has some.
    ///
    /// # Errors
    /// When git fails.
    pub fn of_reset(context: &Context, worktree: &Worktree) -> Result<Losses, EngineError> {
        let keep = &context.settings.worktree.keep;
        let ignored = IgnoredFiles::beside(context, worktree, keep)?;
        Ok(Losses {
            ignored: ignored.filter(|ignored| !ignored.is_output()),
            left: LeftCommits::of(context, worktree)?,
            edits: None,
        })
    }

    /// Finds what a user made in the worktree of the checks, whose other files are made again.
    ///
    /// # Errors
    /// When git fails.
    pub fn of_checks(context: &Context, worktree: &Worktree) -> Result<Losses, EngineError> {
        let find = |store: &Store| EditsByHand::of(context, store, worktree);
        Ok(Losses {
            edits: context.repo.with_store(find)?,
            ..Losses::default()
        })
    }

    /// Names them with their fate; `None` if there are none.
    pub fn words(&self) -> Option<String> {
        let ignored = self.ignored.as_ref().map(IgnoredFiles::words);
        let left = self.left.as_ref().map(LeftCommits::words);
        let edits = self.edits.as_ref().map(EditsByHand::words);
        let parts: Vec<String> = [left, edits, ignored].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", and with "))
    }

    /// Keeps the commits, and ignored files that are small, under references of the run.
    ///
    /// # Errors
    /// When git or the store fails.
    pub fn keep(&self, context: &Context, worktree: &Worktree) -> Result<(), EngineError> {
        if *self == Losses::default() {
            return Ok(());
        }
        context.repo.with_store(|store| {
            if let Some(left) = &self.left {
                left.keep(store)?;
            }
            if let Some(edits) = &self.edits {
                edits.keep(context, store, worktree)?;
            }
            match &self.ignored {
                Some(ignored) => ignored.keep(context, store, worktree),
                None => Ok(()),
            }
        })
    }
}
