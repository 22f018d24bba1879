//! Prepares the branch and the worktree of an attempt: one of the pool, or a new one.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::base::text::error_chain;
use crate::config::Settings;
use crate::config::pool_size::PoolSize;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::pool::copy::copy_template;
use crate::engine::pool::free::GONE;
use crate::engine::pool::movement::Movement;
use crate::engine::pool::release::mark_warm;
use crate::engine::pool::reset::reset;
use crate::engine::pool::set_up_ahead::kill_left_set_up;
use crate::engine::pool::set_up_mark::SetUpMark;
use crate::engine::pool::template::is_template;
use crate::engine::pool::use_mark::{is_unfinished, is_used, mark_used};
use crate::engine::pool::written_files::WrittenFiles;
use crate::engine::spec::AttemptSpec;
use crate::engine::worktree::prepare::{add_worktree, move_branch, refuse_used};
use crate::git::Repo;
use crate::git::pool_entry::{Lease, PoolEntry};
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::plan::INTEGRATION;

/// The worktree of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// The worktree.
    pub worktree: Worktree,
    /// Its record, if it is one of the pool.
    pub entry: Option<PoolEntry>,
    /// Messages about worktrees of the pool.
    pub messages: Vec<String>,
}

/// Moves the branch of an attempt to `base`, and checks it out in a worktree: one of the pool if there is
/// one for it, else a new one.
///
/// # Errors
/// When the branch is checked out elsewhere, was moved, or files cannot be written.
pub fn prepare(context: &Context, spec: &AttemptSpec, base: Oid) -> Result<Prepared, EngineError> {
    move_branch(context, spec, base)?;
    let mut taking = Taking {
        context,
        spec: Some(spec),
        link: context.worktree_path(spec.task, spec.attempt),
        head: Head::Branch(context.attempt_branch(spec.of())),
        reason: format!("dispatch {}/{}", context.run, context.slug(spec.task)),
        movement: Movement::to(context, base),
    };
    let taken = match uses_pool(context, spec) {
        true => taking.take()?,
        false => None,
    };
    let messages = taking.movement.messages;
    Ok(match taken {
        Some((worktree, entry)) => Prepared {
            worktree,
            entry: Some(entry),
            messages,
        },
        None => Prepared {
            worktree: add_worktree(context, spec)?,
            entry: None,
            messages,
        },
    })
}

/// Takes a worktree of the pool for the checks of the run, which knows it by this path, and detaches it at a
/// commit. Returns `None` if the pool has none for it.
///
/// # Errors
/// When files cannot be written, or git fails.
pub fn take_for_checks(
    context: &Context,
    link: &Path,
    commit: Oid,
) -> Result<Option<Worktree>, EngineError> {
    if !has_pool(context) {
        return Ok(None);
    }
    let mut taking = Taking {
        context,
        spec: None,
        link: link.to_owned(),
        head: Head::Detached(commit),
        reason: format!("dispatch {}/{INTEGRATION}", context.run),
        movement: Movement::to(context, commit),
    };
    Ok(taking.take()?.map(|(worktree, _)| worktree))
}

/// Returns `true` if an attempt gets a worktree of the pool. What a worktree has of its own beside its
/// files (sparse patterns, references in a reftable, submodules) would go from task to task.
fn uses_pool(context: &Context, spec: &AttemptSpec) -> bool {
    has_pool(context) && !context.plan.task(spec.task).fields.fresh
}

/// Returns `true` if there is a pool in this repository.
pub fn has_pool(context: &Context) -> bool {
    may_have_pool(&context.repo, &context.settings)
}

/// Returns `true` if runs with these settings use a pool.
pub fn may_have_pool(repo: &Repo, settings: &Settings) -> bool {
    let settings = &settings.worktree;
    settings.pool != PoolSize::Off
        && !settings.submodules
        && !repo.has_reftable()
        && !repo.has_worktree_config()
}

/// The search for a worktree.
struct Taking<'a> {
    context: &'a Context,
    /// The attempt; `None` for checks.
    spec: Option<&'a AttemptSpec>,
    /// The path under which the run knows the worktree.
    link: PathBuf,
    /// The HEAD that it gets.
    head: Head,
    /// The reason of its lock.
    reason: String,
    movement: Movement<'a>,
}

impl Taking<'_> {
    /// Takes a worktree: that which an interrupted start has left, a free one, one that is released, or a
    /// new one of the pool. `None` if the pool has no more.
    fn take(&mut self) -> Result<Option<(Worktree, PoolEntry)>, EngineError> {
        let repo = &self.context.repo;
        if let Some(own) = repo.behind_link(&self.link) {
            if let Some(spec) = self.spec {
                refuse_used(self.context, spec, &self.link)?;
            }
            let _lock = own.wait_for_lock().map_err(|error| failed(&own, error))?;
            return self.restart(own).map(Some);
        }
        if self.link.symlink_metadata().is_ok() {
            return Ok(None);
        }
        let mut all = repo.pool();
        all.retain(|entry| !is_template(&self.context.settings, entry));
        let is_released = |entry: &&PoolEntry| entry.lease(repo).is_some();
        let (released, mut free): (Vec<_>, Vec<_>) = all.iter().partition(is_released);
        // One that needs no move comes first.
        free.sort_by_key(|entry| {
            WrittenFiles::read(entry).is_none_or(|written| written.commit != self.movement.base)
        });
        let (cold, free) = self.cold_and_others(free)?;
        let released = released.into_iter().filter(|entry| entry.is_released());
        for entry in free.into_iter().chain(released).chain(cold) {
            if let Some(worktree) = self.try_take(entry)? {
                return Ok(Some((worktree, entry.clone())));
            }
        }
        self.add(all.len())
    }

    /// Separates the free worktrees whose kept folders no task and no set-up has filled. One that a task
    /// has just left saves more.
    fn cold_and_others<'e>(
        &self,
        free: Vec<&'e PoolEntry>,
    ) -> Result<(Vec<&'e PoolEntry>, Vec<&'e PoolEntry>), EngineError> {
        let context = self.context;
        if context.settings.worktree.keep.is_empty() || free.iter().all(|entry| is_used(entry)) {
            return Ok((Vec::new(), free));
        }
        let mark = SetUpMark::of(context, self.movement.base)?;
        let is_set_up = |entry: &PoolEntry| mark.as_ref().is_some_and(|mark| mark.is_on(entry));
        let all = free.into_iter();
        Ok(all.partition(|entry| !is_used(entry) && !is_set_up(entry)))
    }

    /// Takes a worktree of the pool, unless it is in use or has work in it.
    fn try_take(&mut self, entry: &PoolEntry) -> Result<Option<Worktree>, EngineError> {
        let repo = &self.context.repo;
        let Some(_lock) = entry.try_lock().map_err(|error| failed(entry, error))? else {
            return Ok(None);
        };
        // Another process may have taken it meanwhile.
        if entry.lease(repo).is_some() && !entry.is_released() {
            return Ok(None);
        }
        let Some(worktree) = repo.find_worktree(&entry.place) else {
            return self.fill_vacant(entry);
        };
        if !worktree.path.is_dir() {
            // The user removed the folder, and git has not pruned its entry.
            repo.remove_worktree(&worktree)?;
            return Ok(None);
        }
        if kill_left_set_up(self.context.executor.as_ref(), entry) {
            return Ok(None);
        }
        if is_unfinished(repo, entry) {
            repo.remove_worktree(&worktree)?;
            return Ok(None);
        }
        match self.movement.make_ready(entry, &worktree) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) if is_full(&error) || error.is_killed_git() => return Err(error),
            Err(error) => {
                self.movement.say(entry, &error_chain(&error));
                return Ok(None);
            }
        }
        self.hand_over(entry, &worktree)?;
        Ok(Some(worktree))
    }

    /// Gives a worktree at the base to the attempt.
    fn hand_over(&self, entry: &PoolEntry, worktree: &Worktree) -> Result<(), EngineError> {
        let given = mark_warm(&entry.record, is_used(entry));
        let given = given.and_then(|()| mark_used(entry));
        let given = given.and_then(|()| entry.give(&self.context.repo, &self.lease()));
        given.map_err(|error| failed(entry, error))?;
        worktree.lock(&self.reason)?;
        worktree.set_head(&self.head)?;
        fault::point("pool", "taken");
        Ok(())
    }

    /// Starts again with a worktree in which no worker was.
    fn restart(&mut self, entry: PoolEntry) -> Result<(Worktree, PoolEntry), EngineError> {
        let context = self.context;
        let found = context.repo.find_worktree(&entry.place);
        if let Some(worktree) = found.filter(|found| found.path.is_dir()) {
            let is_whole = worktree.verify().is_ok() && !worktree.has_private_folder();
            if is_whole && reset(context, &entry, &worktree, self.movement.base).is_ok() {
                worktree.lock(&self.reason)?;
                worktree.set_head(&self.head)?;
                return Ok((worktree, entry));
            }
            context.repo.remove_worktree(&worktree)?;
        }
        context
            .repo
            .remove_from_pool(&entry)
            .map_err(|error| failed(&entry, error))?;
        let made = self.make(&entry.place)?;
        made.ok_or_else(|| EngineError::Refused(format!("{} is in use", entry.place.display())))
    }

    /// Makes a worktree where the record of one is left, but nothing else.
    fn fill_vacant(&mut self, entry: &PoolEntry) -> Result<Option<Worktree>, EngineError> {
        if entry.place.symlink_metadata().is_ok() && is_used(entry) {
            self.movement.say(entry, GONE);
            return Ok(None);
        }
        self.fill(entry).map(Some)
    }

    /// Adds a worktree to the pool, unless it has as many as it may have.
    fn add(&mut self, count: usize) -> Result<Option<(Worktree, PoolEntry)>, EngineError> {
        let settings = &self.context.settings.worktree;
        if matches!(settings.pool, PoolSize::Most(most) if count >= most) {
            return Ok(None);
        }
        for place in new_places(self.context, count) {
            if let Some(made) = self.make(&place)? {
                return Ok(Some(made));
            }
        }
        Ok(None)
    }

    fn make(&mut self, place: &Path) -> Result<Option<(Worktree, PoolEntry)>, EngineError> {
        let added = self.context.repo.add_to_pool(place);
        let added = added.map_err(|error| EngineError::File(place.display().to_string(), error))?;
        let Some((entry, _lock)) = added else {
            return Ok(None);
        };
        fault::point("pool", "with a new record");
        let worktree = self.fill(&entry)?;
        Ok(Some((worktree, entry)))
    }

    fn fill(&self, entry: &PoolEntry) -> Result<Worktree, EngineError> {
        let context = self.context;
        let given = mark_warm(&entry.record, false);
        let given = given.and_then(|()| mark_used(entry));
        let given = given.and_then(|()| entry.give(&context.repo, &self.lease()));
        given.map_err(|error| failed(entry, error))?;
        let made = make_worktree(context, entry, &self.head, &self.reason, self.movement.base);
        match made {
            Ok(worktree) => {
                fault::point("pool", "with a new worktree");
                Ok(worktree)
            }
            Err(error) => {
                // The record without a worktree is used again.
                if context.repo.find_worktree(&entry.place).is_none() {
                    let _ = entry.withdraw(&context.repo);
                }
                Err(error)
            }
        }
    }

    fn lease(&self) -> Lease {
        Lease {
            run: self.context.run.to_string(),
            link: self.link.clone(),
        }
    }
}

/// Makes the worktree of a new record: a copy of the template, or a checkout.
///
/// # Errors
/// When files cannot be written, or git fails.
pub(super) fn make_worktree(
    context: &Context,
    entry: &PoolEntry,
    head: &Head,
    reason: &str,
    base: Oid,
) -> Result<Worktree, EngineError> {
    if let Some(copy) = copy_template(context, entry, head, reason, base)? {
        return Ok(copy);
    }
    let made = context.repo.add_worktree(&entry.place, head, reason)?;
    WrittenFiles::record(context, entry, &made, base)?;
    Ok(made)
}

/// The name that stands for the run in the paths of the pool's worktrees. No run has it.
const FOLDER: &str = "pool";

/// Lists places for a further worktree of the pool, which has so many.
pub(super) fn new_places(context: &Context, count: usize) -> impl Iterator<Item = PathBuf> {
    let (settings, home) = (&context.settings.worktree, context.repo.home());
    let places = (1..=count + 64).map(|number| settings.folder(home, FOLDER, &number.to_string()));
    places.filter(|place| place.symlink_metadata().is_err())
}

fn failed(entry: &PoolEntry, error: io::Error) -> EngineError {
    EngineError::File(entry.record.display().to_string(), error)
}
