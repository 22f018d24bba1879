//! Moves a worktree of the pool to a commit, if nothing in it can be lost.

use std::fs;

use crate::base::fault;
use crate::base::regular_file;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::pool::free::change_by_hand;
use crate::engine::pool::ignored_paths::remove_others;
use crate::engine::pool::reset::reset;
use crate::engine::pool::take_back::{TakenBack, take_back};
use crate::engine::pool::use_mark::{is_in_set_up, is_used};
use crate::engine::pool::written_files::WrittenFiles;
use crate::git::pool_entry::PoolEntry;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;

/// The movement of worktrees to one commit.
pub(super) struct Movement<'a> {
    /// The run.
    pub(super) context: &'a Context,
    /// The commit.
    pub(super) base: Oid,
    /// Messages about worktrees that stay as they are, and about what was kept.
    pub(super) messages: Vec<String>,
}

impl<'a> Movement<'a> {
    /// Creates the movement to a commit.
    pub(super) fn to(context: &'a Context, base: Oid) -> Movement<'a> {
        Movement {
            context,
            base,
            messages: Vec::new(),
        }
    }

    /// Moves a worktree to the base. Returns `false` if it stays as it is, because something in it could be
    /// lost. The caller has the lock of the record.
    ///
    /// # Errors
    /// When git or the store fails, or files cannot be written.
    pub(super) fn make_ready(
        &mut self,
        entry: &PoolEntry,
        worktree: &Worktree,
    ) -> Result<bool, EngineError> {
        let context = self.context;
        if let Some(lease) = entry.lease(&context.repo) {
            match take_back(context, &lease.run, worktree)? {
                TakenBack::Stays(_) => return Ok(false),
                TakenBack::Free(words) => self.messages.extend(words),
            }
            reset(context, entry, worktree, self.base)?;
            return Ok(true);
        }
        let keep = &context.settings.worktree.keep;
        if let Some(change) = change_by_hand(&context.repo, keep, entry, worktree)? {
            self.say(entry, &change);
            return Ok(false);
        }
        let Some(written) = WrittenFiles::read(entry) else {
            return Ok(false);
        };
        if is_in_set_up(entry) {
            if !is_used(entry) {
                let git = context.repo.git_in(worktree)?;
                remove_others(&git, &worktree.path, &[])?;
            }
            reset(context, entry, worktree, self.base)?;
            return Ok(true);
        }
        if written.commit == self.base && written.serve(context, worktree, self.base)? {
            return Ok(true);
        }
        let moves = written.serve(context, worktree, self.base)?
            && !written.differs_in(context, self.base, ".gitignore")?;
        if !moves {
            reset(context, entry, worktree, self.base)?;
            return Ok(true);
        }
        WrittenFiles::forget(entry)?;
        fault::point("pool", "before it is moved");
        let index = WrittenFiles::index(entry);
        let head = Head::Detached(self.base);
        context.repo.move_worktree(worktree, &head, Some(&index))?;
        fault::point("pool", "moved");
        WrittenFiles::record(context, entry, worktree, self.base)?;
        Ok(true)
    }

    /// Tells once why a worktree is not used.
    pub(super) fn say(&mut self, entry: &PoolEntry, why: &str) {
        let file = entry.record.join("not-used");
        let known = regular_file::read_line(&file).unwrap_or_default();
        if known != why {
            let _ = fs::write(&file, why);
            let place = entry.place.display();
            self.messages.push(format!(
                "the free worktree {place} is not used, because it {why}; `dispatch doctor --pool` shows it"
            ));
        }
    }
}
