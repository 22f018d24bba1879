//! The loop's part in room on the disk, in the user's limits and in the cap over all runs.

use std::sync::Arc;
use std::time::Instant;

use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::disk_space;
use crate::engine::kernel::message::Message;
use crate::engine::run::allowance::Allowance;
use crate::engine::run::driver::Driver;
use crate::engine::run::{quota, slots};
use crate::engine::worktree::prepare::worker_folder;
use crate::engine::worktree::remove;
use crate::git::worktree::Worktree;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::run::RunPhase;
use crate::model::shortage::Shortage;
use crate::model::task_state::{TaskPhase, TaskState};

impl Driver<'_> {
    /// Something could not be written.
    pub(super) fn lack_now(&mut self, error: &EngineError) {
        let shortage = disk_space::shortage_now(&self.context);
        if !self.room.is_short() {
            let said = error_chain(error);
            self.watcher
                .warning(&format!("{said}: {}", shortage.message()));
        }
        self.lacks(shortage);
    }

    /// From now on nothing is started, until there is room again.
    pub(super) fn lacks(&mut self, shortage: Shortage) {
        self.room.lacks(&shortage, Instant::now());
        let is_known = self.state.shortage.is_some();
        if !is_known && !matches!(self.state.phase, RunPhase::Ended(_)) {
            self.record(vec![Event::ShortageBegan { shortage }]);
        }
    }

    /// Looks whether there is room again.
    pub(super) fn look_for_room(&mut self) {
        let worktrees = self.worktrees_to_come();
        if self.room.look(&self.context, worktrees, Instant::now()) {
            self.repo_is_full = false;
        }
        // What another process had no room for is found out anew.
        let is_paused = self.state.shortage.is_some();
        if is_paused && !self.room.is_short() && !matches!(self.state.phase, RunPhase::Ended(_)) {
            self.record(vec![Event::ShortageEnded {}]);
        }
    }

    /// How many attempts are alive that may not have their worktree yet.
    pub(super) fn worktrees_to_come(&self) -> u64 {
        let is_to_come = |task: &&TaskState| {
            let last = task.last_attempt();
            task.phase == TaskPhase::Running && last.is_some_and(|last| last.base.is_none())
        };
        self.state.tasks.iter().filter(is_to_come).count() as u64
    }

    /// Whether there is room for one more attempt beside those that were just announced.
    pub(super) fn has_room(&mut self, announced: &[Event]) -> bool {
        let context = Arc::clone(&self.context);
        let worktrees = self.worktrees_to_come() + announced.len() as u64 + 1;
        let (repo, settings) = (&context.repo, &context.settings);
        match disk_space::shortage(repo, settings, context.size(), worktrees) {
            Some(shortage) => {
                self.lacks(shortage);
                false
            }
            None => self.may_add(),
        }
    }

    /// Whether the user's limits allow one more worktree; where that is not known, somebody looks.
    pub(super) fn may_add(&mut self) -> bool {
        let run = &self.context.settings.run;
        if run.max_worktrees.is_none() && run.max_total_disk.is_none() {
            return true;
        }
        match self.allowance {
            Allowance::Granted if self.worktrees_to_come() == 0 => {
                self.allowance = Allowance::Unknown;
                true
            }
            // The worktree of the one before counts once it is there.
            Allowance::Granted | Allowance::Looking | Allowance::Refused => false,
            Allowance::Unknown if self.worktrees_to_come() > 0 => false,
            Allowance::Unknown => {
                self.allowance = Allowance::Looking;
                let (context, post) = (Arc::clone(&self.context), self.post.clone());
                let state = self.state.clone();
                tokio::spawn(async move {
                    let looked = blocking(move || {
                        let Some(shortage) = quota::passed(&context) else {
                            return Ok(Message::MayAdd);
                        };
                        let worktree = quota::can_go(&context, &state)?;
                        Ok(Message::MustGo(shortage, worktree))
                    });
                    let _ = post.send(match looked.await {
                        Ok(message) => message,
                        Err(error) => Message::Broke(error),
                    });
                });
                false
            }
        }
    }

    /// Removes a worktree whose work is all in git, once that is recorded; without one, everything
    /// waits: for an attempt that is alive, or for a person.
    pub(super) fn make_room(&mut self, shortage: Shortage, worktree: Option<Worktree>) {
        self.allowance = Allowance::Refused;
        match worktree {
            Some(worktree) => {
                let path = self.context.recorded_path(&worktree.path);
                let worktrees = vec![path];
                self.record(vec![Event::WorktreesEvicting { worktrees }]);
                self.announced.removal = Some(worktree);
            }
            None if self.slots_in_use() == 0 => {
                self.allowance = Allowance::Unknown;
                self.lacks(shortage);
            }
            None => {}
        }
    }

    pub(super) fn slots_in_use(&self) -> usize {
        let running = |task: &&TaskState| task.phase == TaskPhase::Running;
        self.state.tasks.iter().filter(running).count()
    }

    pub(super) fn remove(&self, worktree: Worktree) {
        let (context, post) = (Arc::clone(&self.context), self.post.clone());
        tokio::spawn(async move {
            let removed = blocking(move || remove::remove(&context, &worktree)).await;
            let _ = post.send(match removed {
                Ok(()) => Message::MadeRoom,
                Err(error) => Message::Broke(error),
            });
        });
    }

    /// Whether all runs of the repository together leave a place for this task.
    pub(super) fn has_slot(&mut self, task: TaskNumber) -> bool {
        let Some(limit) = self.context.settings.run.max_parallel_total else {
            return true;
        };
        let attempt = self.state.task(task).attempts.len() as u32 + 1;
        let folder = worker_folder(&self.context, task, attempt);
        match slots::take(&self.context, limit, &folder) {
            Ok(Some(slot)) => drop(self.slots.insert(task, slot)),
            Ok(None) => {
                self.waits_for_slot = true;
                if !std::mem::replace(&mut self.said_to_wait, true) {
                    self.watcher.warning(&format!(
                        "waiting: {limit} attempts are alive in this repository, as max_parallel_total allows"
                    ));
                }
            }
            // A limit that cannot be kept does not keep a run from its work.
            Err(error) => self
                .watcher
                .warning(&format!("max_parallel_total: {error}")),
        }
        !self.waits_for_slot
    }

    /// The place of an attempt that is alive; it is over the limit, but alive, if others have them all.
    pub(super) fn take_slot_again(&mut self, task: TaskNumber, attempt: u32) {
        let folder = worker_folder(&self.context, task, attempt);
        let limit = self.context.settings.run.max_parallel_total;
        let slot = limit.and_then(|limit| slots::take(&self.context, limit, &folder).ok()?);
        self.slots.extend(slot.map(|slot| (task, slot)));
    }
}
