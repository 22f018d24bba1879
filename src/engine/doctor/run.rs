//! What one run left behind, as far as its journal can be read.

use std::fs;

use crate::engine::EngineError;
use crate::engine::attempt::job::recorded_base;
use crate::engine::doctor::{Ailment, Remedy};
use crate::engine::kernel::context::Context;
use crate::engine::reconcile::survey;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::JobStatus;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::journal::journal_ref;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::recovery::FindingKind;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::report::suggest;

/// Looks at a run that nobody drives; the caller holds its lock.
///
/// # Errors
/// When references or records cannot be read.
pub fn examine(context: &Context, state: &RunState) -> Result<Vec<Ailment>, EngineError> {
    let ward = Ward {
        store: Store::open(&context.repo)?,
        context,
        state,
    };
    let mut found = ward.references()?;
    for task in state.plan.tasks() {
        for attempt in &state.task(task.number).attempts {
            found.extend(ward.attempt(task.number, attempt)?);
        }
    }
    found.extend(ward.own_worktrees());
    found.extend(ward.socket());
    if !matches!(state.phase, RunPhase::Ended(_)) {
        let remedy = Remedy::Person(format!("`{}` goes on", suggest::resume(&state.run)));
        found.push(ward.ailment(state.run.as_str(), "it was interrupted", remedy));
    }
    Ok(found)
}

struct Ward<'a> {
    store: Store,
    context: &'a Context,
    state: &'a RunState,
}

impl Ward<'_> {
    fn ailment(&self, what: &str, why: &str, remedy: Remedy) -> Ailment {
        Ailment {
            run: Some(self.state.run.clone()),
            what: what.to_owned(),
            why: why.to_owned(),
            remedy,
        }
    }

    /// Branches that are gone, and locks that nobody holds any more.
    fn references(&self) -> Result<Vec<Ailment>, EngineError> {
        let mut ailments = Vec::new();
        // What was cleaned up or has landed is gone on purpose.
        let is_settled = self.state.landed.is_some() || self.state.cleaned;
        let found = match is_settled {
            true => Vec::new(),
            false => survey(self.context, self.state)?,
        };
        for one in found {
            let commit = match (one.kind, one.task) {
                (FindingKind::BranchGone, Some(task)) => self.state.task(task).candidate(),
                (FindingKind::IntegrationGone, _) => {
                    self.state.integration.as_ref().and_then(|i| i.tip)
                }
                _ => None,
            };
            if let Some(commit) = commit {
                let remedy = Remedy::MakeReference(branch_ref(&one.name), commit);
                ailments.push(self.ailment(&one.name, one.kind.description().0, remedy));
            }
        }
        let run = &self.state.run;
        let names = vec![
            journal_ref(run),
            format!("refs/dispatch/attempts/{run}"),
            format!(
                "refs/heads/{}/{run}",
                self.context.settings.run.branch_prefix
            ),
        ];
        for lock in self.context.repo.reference_locks(&names) {
            let why = "a process died while it moved the reference";
            let remedy = Remedy::FreeReferences(names.clone());
            ailments.push(self.ailment(&format!("{lock}.lock"), why, remedy));
        }
        Ok(ailments)
    }

    fn attempt(&self, task: TaskNumber, attempt: &Attempt) -> Result<Vec<Ailment>, EngineError> {
        let folder = worker_folder(self.context, task, attempt.number);
        let status = self.context.executor.status(&folder)?;
        let is_open = self.state.task(task).phase == TaskPhase::Running && attempt.ended.is_none();
        let who = format!("attempt {} at {task}", attempt.number);
        let mut ailments = Vec::new();
        if status == JobStatus::Alive {
            let why = "its worker is alive, and nobody waits for it";
            let remedy = match is_open {
                true => Remedy::Person(format!(
                    "`{}` takes it up",
                    suggest::resume(&self.state.run)
                )),
                false => Remedy::Nothing,
            };
            return Ok(vec![self.ailment(&who, why, remedy)]);
        }
        let place = self.context.recorded_worktree(&attempt.worktree);
        let is_used = folder.exists();
        if let Some(moved) = self.moved(task, attempt, &place) {
            ailments.push(moved);
        } else if let Some(worktree) = self.context.repo.find_worktree(&place) {
            ailments.extend(self.worktree(task, attempt, &worktree, is_open, is_used)?);
        } else if place.symlink_metadata().is_ok() {
            ailments.push(self.folder_without_entry(&place));
        }
        Ok(ailments)
    }

    fn worktree(
        &self,
        task: TaskNumber,
        attempt: &Attempt,
        worktree: &Worktree,
        is_open: bool,
        is_used: bool,
    ) -> Result<Vec<Ailment>, EngineError> {
        let place = worktree.path.display().to_string();
        let mut ailments = Vec::new();
        if !worktree.exists() {
            let kept = self.unkept(worktree)?;
            let kept = kept.map(|commit| (self.context.attempt_ref(task, attempt.number), commit));
            let why = "its folder is gone, git still has its entry";
            return Ok(vec![self.ailment(
                &place,
                why,
                Remedy::Forget(worktree.clone(), kept),
            )]);
        }
        let reason = worktree.lock_reason();
        if reason.as_deref() == Some("initializing") {
            let why = "the git that made it was killed; it is locked for ever";
            let remedy = match is_used {
                true => Remedy::Unlock(worktree.clone()),
                false => Remedy::RemoveWorktree(worktree.clone()),
            };
            return Ok(vec![self.ailment(&place, why, remedy)]);
        }
        for name in ["index.lock", "HEAD.lock"] {
            let lock = worktree.admin.join(name);
            if lock.exists() {
                let why = "a git of a worker that is dead left it";
                ailments.push(self.ailment(&lock.display().to_string(), why, Remedy::Remove(lock)));
            }
        }
        if reason.is_some() && !is_open {
            let why = "its attempt is over, and it is still locked";
            ailments.push(self.ailment(&place, why, Remedy::Unlock(worktree.clone())));
        }
        Ok(ailments)
    }

    /// The commit of a worktree that no reference is sure to keep.
    fn unkept(&self, worktree: &Worktree) -> Result<Option<Oid>, EngineError> {
        let Some(Head::Detached(head)) = worktree.head() else {
            return Ok(None);
        };
        let is_kept = !self.store.has(head) || self.store.is_ancestor(head, self.state.base)?;
        Ok((!is_kept).then_some(head))
    }

    /// A worktree whose links lead to where the repository or it was before.
    fn moved(
        &self,
        task: TaskNumber,
        attempt: &Attempt,
        place: &std::path::Path,
    ) -> Option<Ailment> {
        let text = fs::read_to_string(place.join(".git")).ok()?;
        let admin = std::path::Path::new(text.trim_end().strip_prefix("gitdir: ")?);
        let admin = self
            .context
            .repo
            .common
            .join("worktrees")
            .join(admin.file_name()?);
        let is_ours = admin.join("HEAD").exists();
        let worktree = Worktree {
            path: place.to_owned(),
            admin,
        };
        let is_broken = worktree.verify().is_err();
        if !is_ours || !is_broken {
            return None;
        }
        let is_expected = self.context.recorded_worktree(&attempt.worktree) == place;
        let folder = self.context.attempt_folder(task, attempt.number);
        let keep = (!is_expected).then(|| recorded_base(&folder)).flatten();
        let keep = keep.map(|base| (task, attempt.number, base));
        let why = "the repository or the folder was moved; they do not find each other";
        let place = place.display().to_string();
        Some(self.ailment(&place, why, Remedy::Relink { worktree, keep }))
    }

    fn folder_without_entry(&self, place: &std::path::Path) -> Ailment {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let is_bare = entries
            .map(|entry| entry.file_name())
            .all(|name| name == ".git");
        let name = place.display().to_string();
        if is_bare {
            let why = "it was being made when its maker died; nothing is in it";
            return self.ailment(&name, why, Remedy::Remove(place.to_owned()));
        }
        let why = "git has no entry for this folder any more";
        let remedy = "look what is in it; then move it away or remove it";
        self.ailment(&name, why, Remedy::Person(remedy.to_owned()))
    }

    /// Where assembled work is checked and landed: never a place of anybody's work.
    fn own_worktrees(&self) -> Vec<Ailment> {
        let repo = &self.context.repo;
        let places = [
            self.context.integration_worktree(),
            self.context.landing_worktree(),
        ];
        let found = places.iter().filter_map(|place| repo.find_worktree(place));
        let is_left = |worktree: &Worktree| {
            !worktree.exists() || worktree.lock_reason().as_deref() == Some("initializing")
        };
        let left = found.filter(is_left);
        let why = "a half-made folder for checks";
        let ailment = |worktree: Worktree| {
            let name = worktree.path.display().to_string();
            self.ailment(&name, why, Remedy::RemoveWorktree(worktree))
        };
        left.map(ailment).collect()
    }

    fn socket(&self) -> Option<Ailment> {
        let socket = crate::control::control_socket(&self.context.repo, &self.state.run);
        let name = socket.display().to_string();
        let why = "the process that listened on it is dead";
        let is_there = socket.symlink_metadata().is_ok();
        is_there.then(|| self.ailment(&name, why, Remedy::Remove(socket)))
    }
}
