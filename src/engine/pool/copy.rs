//! Makes worktrees of the pool as copies of the template.

use std::time::Instant;

use crate::base::fault;
use crate::base::regular_file;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::pool::set_up_mark::SetUpMark;
use crate::engine::pool::template::{is_template, measured, millis};
use crate::engine::pool::written_files::WrittenFiles;
use crate::git::pool_entry::PoolEntry;
use crate::git::worktree::{Head, Worktree};
use crate::git::worktree_copy::Original;
use crate::merge::oid::Oid;

/// Makes the worktree of a new record as a copy of the template, at a commit; `None` if no template serves. The
/// caller has the lock of the new record.
///
/// # Errors
/// When the disk is full, git was killed, or the record cannot be written.
pub(super) fn copy_template(
    context: &Context,
    entry: &PoolEntry,
    head: &Head,
    reason: &str,
    base: Oid,
) -> Result<Option<Worktree>, EngineError> {
    let settings = &context.settings;
    let all = context.repo.pool();
    let mut templates = all.iter().filter(|found| is_template(settings, found));
    let Some(first) = templates.next() else {
        return Ok(None);
    };
    let Some(mark) = SetUpMark::of(context, base)? else {
        return Ok(None);
    };
    for template in std::iter::once(first).chain(templates) {
        let made = copy_one(context, (template, entry), &mark, head, reason, base)?;
        if made.is_some() {
            return Ok(made);
        }
    }
    Ok(None)
}

fn copy_one(
    context: &Context,
    (template, entry): (&PoolEntry, &PoolEntry),
    mark: &SetUpMark,
    head: &Head,
    reason: &str,
    base: Oid,
) -> Result<Option<Worktree>, EngineError> {
    let lock = template.try_share();
    let lock =
        lock.map_err(|error| EngineError::File(template.record.display().to_string(), error))?;
    if lock.is_none() || template.lease(&context.repo).is_some() || !mark.is_on(template) {
        return Ok(None);
    }
    let since = Instant::now();
    match copy(context, (template, entry), head, reason, base) {
        Ok(Some(worktree)) => {
            measured(template, millis(since.elapsed()));
            Ok(Some(worktree))
        }
        Ok(None) => Ok(None),
        Err(error) if is_full(&error) || error.is_killed_git() => Err(error),
        // Something in the template was changed, or its index holds for it only.
        Err(_) => {
            measured(template, u64::MAX);
            Ok(None)
        }
    }
}

fn copy(
    context: &Context,
    (template, entry): (&PoolEntry, &PoolEntry),
    head: &Head,
    reason: &str,
    base: Oid,
) -> Result<Option<Worktree>, EngineError> {
    let Some((worktree, commit)) = original(context, template, base)? else {
        return Ok(None);
    };
    worktree.verify()?;
    let (index, others) = (WrittenFiles::index(template), SetUpMark::products(template));
    let original = Original {
        path: &worktree.path,
        index: &index,
        others: &others,
    };
    let at_once = if commit == base {
        head
    } else {
        &Head::Detached(commit)
    };
    let repo = &context.repo;
    let made = repo.copy_worktree(original, &entry.place, at_once, reason)?;
    let finished = match commit == base {
        true => Ok(()),
        false => move_copy(context, entry, &made, head),
    };
    let finished = finished.and_then(|()| WrittenFiles::record(context, entry, &made, base));
    fault::point("pool", "with a copy");
    if let Err(error) = finished.and_then(|()| SetUpMark::copy(template, entry)) {
        let _ = repo.remove_unrecorded(&made);
        return Err(error);
    }
    Ok(Some(made))
}

/// Moves a copy to the commit of its attempt: git writes the files that differ.
fn move_copy(
    context: &Context,
    entry: &PoolEntry,
    made: &Worktree,
    head: &Head,
) -> Result<(), EngineError> {
    let copied = WrittenFiles::index(entry);
    regular_file::copy_with_time(&made.admin.join("index"), &copied)
        .map_err(|error| EngineError::File(copied.display().to_string(), error))?;
    Ok(context.repo.move_worktree(made, head, Some(&copied))?)
}

/// Returns `true` if copies of this template can be moved to a commit as it is.
///
/// # Errors
/// When git or the store fails.
pub(super) fn is_ready_to_copy(
    context: &Context,
    entry: &PoolEntry,
    mark: &SetUpMark,
    base: Oid,
) -> Result<bool, EngineError> {
    Ok(mark.is_on(entry) && original(context, entry, base)?.is_some())
}

/// Finds a template with its commit, if only files that differ in `base` have to be written after it is copied.
fn original(
    context: &Context,
    entry: &PoolEntry,
    base: Oid,
) -> Result<Option<(Worktree, Oid)>, EngineError> {
    let repo = &context.repo;
    let (Some(written), Some(worktree)) =
        (WrittenFiles::read(entry), repo.find_worktree(&entry.place))
    else {
        return Ok(None);
    };
    let serves = written.serve(context, &worktree, base)?
        && !written.differs_in(context, base, ".gitignore")?;
    Ok(serves.then_some((worktree, written.commit)))
}
