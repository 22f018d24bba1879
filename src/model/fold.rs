//! Folds events into the state of a run: [`RunState::apply`] is the only way it changes.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::circuit_breaker::Broken;
use crate::model::event::{Event, Recorded};
use crate::model::failure::FailureKind;
use crate::model::ids::TaskNumber;
use crate::model::integration::Integration;
use crate::model::outcome::End;
use crate::model::plan::Plan;
use crate::model::pull_request::PullRequest;
use crate::model::recovery::Finding;
use crate::model::run::{RunPhase, RunState, Speculative};
use crate::model::task_conflict::TaskConflict;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::model::worker_health::Parking;

impl RunState {
    /// Folds [`Event::PlanEdited`], whose plan stands beside it. The tasks that were there keep
    /// their numbers; those that are there no more stay, given up.
    pub fn replan(&mut self, plan: Plan, recorded: &Recorded) {
        let Event::PlanEdited { edits } = &recorded.event else {
            return;
        };
        self.apply(recorded);
        self.plan = plan;
        let count = self.plan.tasks().len();
        self.tasks.resize_with(count, || TaskState::new(true));
        for edit in edits {
            let Some(number) = edit.task else { continue };
            let task = &mut self.tasks[number.index()];
            match edit.what {
                Finding::Changed | Finding::Downstream | Finding::Added => task.begin_anew(),
                Finding::Removed => task.remove(),
                _ => {}
            }
        }
    }

    /// Folds one fact.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.seq = recorded.seq;
        self.updated = recorded.time;
        self.fold(recorded);
        self.drop_settled_speculation();
    }

    fn fold(&mut self, recorded: &Recorded) {
        match &recorded.event {
            // A plan cannot be read here: see [`RunState::replan`].
            Event::RunStarted { .. } | Event::PlanEdited { .. } => {}
            Event::Paused {} => self.phase = RunPhase::Paused,
            Event::Unpaused {} => self.phase = RunPhase::Running,
            Event::RunResumed { .. } => {
                self.phase = RunPhase::Running;
                self.out_of_space = None;
                self.set_ups.begin_anew();
                self.roster.let_in();
                self.refused = None;
                self.arranged = false;
            }
            Event::AssemblyStarting { .. } => self.refused = None,
            Event::AssemblyRefused { why } => self.refused = Some(why.clone()),
            Event::StopRequested {} => self.phase = RunPhase::Stopping,
            Event::RunEnded { exit } => self.phase = RunPhase::Ended(*exit),
            Event::AssemblyRequested { order, leave_out } => {
                self.requested = true;
                self.arranged = true;
                self.assemble = true;
                self.first.clone_from(order);
                self.leave_out.clone_from(leave_out);
            }
            Event::ConflictsFound { conflicts } => self.conflicts.clone_from(conflicts),
            Event::SpeculativeConflicts {
                conflicts,
                holds_back,
            } => {
                self.speculate(conflicts, recorded.time);
                self.holds_back = *holds_back;
            }
            Event::Assembled { integration } => self.assembled(integration),
            Event::LandingStarting { landing } | Event::UnlandingStarting { landing } => {
                self.landing = Some(landing.clone());
            }
            Event::Landed { landing } => {
                self.landed = Some(landing.clone());
                (self.landing, self.unlanded) = (None, None);
            }
            Event::Unlanded { landing } => {
                (self.landed, self.landing) = (None, None);
                self.unlanded = Some(landing.clone());
            }
            Event::PullRequestStarting { pull_request }
            | Event::PullRequestOpened { pull_request } => self.note_pull_request(pull_request),
            Event::Repaired { .. } | Event::WorktreesGoing { .. } => {}
            Event::Cleaned { .. } => self.cleaned = true,
            Event::TaskSkipped { task, cascade } => self.skip(*task, *cascade),
            Event::RetryRequested {
                task,
                prompt,
                rewritten,
                worker,
            } => {
                self.set_ups.begin_anew();
                self.roster.let_in();
                self.request_retry(*task);
                let task = &mut self.tasks[task.index()];
                let keep = |slot: &mut Option<String>, said: &Option<String>| {
                    *slot = said.clone().or(slot.take());
                };
                keep(&mut task.extra_prompt, prompt);
                keep(&mut task.rewritten_prompt, rewritten);
                keep(&mut task.chosen_worker, worker);
            }
            Event::WorkerParked {
                worker,
                task,
                until,
                why,
            } => self.park(worker, *task, *until, why),
            Event::WorkerUnparked { worker, .. } => self.roster.unpark(worker),
            Event::OutOfMoney { spent, max_cost } => self.out_of_money = Some((*spent, *max_cost)),
            Event::SetUpBroken { tasks, why } => self.set_ups.give_up(Broken {
                tasks: tasks.clone(),
                why: why.clone(),
            }),
            Event::WorkerLockedOut { worker, tasks, why } => self.roster.lock_out(
                worker,
                Broken {
                    tasks: tasks.clone(),
                    why: why.clone(),
                },
            ),
            Event::OutOfSpace { shortage } => self.out_of_space = Some(shortage.clone()),
            Event::SpaceIsBack {} => self.out_of_space = None,
            Event::MaxCostSet { max_cost } => {
                self.max_cost = Some(*max_cost);
                self.out_of_money = None;
            }
            Event::Redispatched { task, .. } => self.redispatch(*task),
            Event::RedispatchGivenUp { task } => self.give_up_redispatch(*task),
            Event::ResolveOpened { task, worktree, .. } => self.open_resolve(*task, worktree),
            Event::ResolveTaken { task, candidate } => self.take_resolve(*task, *candidate),
            Event::ResolveClosed { task } => self.tasks[task.index()].resolving = None,
            Event::ResolveAborted { task } => self.abort_resolve(*task),
            event => self.apply_to_task(event, recorded.time),
        }
    }

    fn apply_to_task(&mut self, event: &Event, time: Timestamp) {
        let Some(number) = event.task() else { return };
        if let Event::AttemptEnded { outcome, .. } = event
            && let Some(attempt) = self.tasks[number.index()].last_attempt()
        {
            let worker = attempt.worker.clone();
            self.roster.learn(&worker, number, outcome);
        }
        match event {
            Event::AttemptStarted { .. } => self.set_ups.begin_anew(),
            Event::AttemptEnded { outcome, .. } if outcome.is_of(FailureKind::SetUp) => {
                if let End::Failed(failure) = &outcome.end {
                    self.set_ups.fail(number, failure);
                }
            }
            _ => {}
        }
        let task = &mut self.tasks[number.index()];
        match event {
            Event::AttemptStarting {
                attempt,
                worker,
                branch,
                worktree,
                ..
            } => {
                // The next attempt makes up for one that does not count, so nothing is left to say
                // about it.
                if task.last_attempt().is_some_and(|last| !last.counts()) {
                    task.note = None;
                }
                task.phase = TaskPhase::Running;
                task.out_of_retries = None;
                task.offered = None;
                task.by_hand = None;
                task.attempts.push(Attempt {
                    number: *attempt,
                    worker: worker.clone(),
                    branch: branch.clone(),
                    worktree: worktree.clone(),
                    base: None,
                    started: time,
                    ended: None,
                    outcome: None,
                    jitter: 0.0,
                });
            }
            Event::AttemptStarted { base, .. } => {
                if let Some(attempt) = task.attempts.last_mut() {
                    attempt.base = Some(*base);
                }
            }
            Event::Noted { note, .. } => task.note = Some(note.clone()),
            Event::AttemptEnded {
                outcome, jitter, ..
            } => {
                task.end_attempt(outcome, *jitter, time);
                if task.onto.is_some() && task.phase == TaskPhase::Done {
                    self.requeue_built_on(number);
                }
            }
            Event::RetryScheduled { due, .. } => task.phase = TaskPhase::RetryAt(*due),
            Event::OutOfRetries { budget, .. } => task.out_of_retries = Some(*budget),
            Event::RetryDue { .. } => task.phase = TaskPhase::Queued,
            Event::DependenciesConflict {
                class,
                between,
                paths,
                ..
            } => {
                // It was announced and never began, so the next one has its number.
                task.attempts.pop_if(|attempt| attempt.outcome.is_none());
                task.phase = TaskPhase::DependenciesConflict {
                    class: *class,
                    between: between.clone(),
                    paths: paths.clone(),
                };
            }
            Event::Reviewed { accepted, .. } => {
                task.rejected = !accepted;
                self.arranged = true;
            }
            Event::TaskCancelled { .. } => task.cancel(),
            _ => {}
        }
    }

    /// A conflict that only changed is as old as it was.
    fn speculate(&mut self, conflicts: &[TaskConflict], time: Timestamp) {
        let before = std::mem::take(&mut self.speculative);
        let since = |conflict: &TaskConflict| {
            let same = |old: &&Speculative| old.conflict.pair() == conflict.pair();
            before.iter().find(same).map_or(time, |old| old.since)
        };
        let speculative = |conflict: &TaskConflict| Speculative {
            conflict: conflict.clone(),
            since: since(conflict),
        };
        self.speculative = conflicts.iter().map(speculative).collect();
    }

    /// Once neither of the two runs there is nothing to speculate about: either both offer a
    /// candidate, whose conflicts are known for certain, or one offers nothing.
    fn drop_settled_speculation(&mut self) {
        if self.speculative.is_empty() {
            return;
        }
        let has_ended = matches!(self.phase, RunPhase::Ended(_));
        let tasks = &self.tasks;
        let phase = |number: TaskNumber| &tasks[number.index()].phase;
        self.speculative.retain(|Speculative { conflict, .. }| {
            let phases = [phase(conflict.a), phase(conflict.b)];
            let counts = |phase: &&TaskPhase| matches!(phase, TaskPhase::Running | TaskPhase::Done);
            let runs = phases.contains(&&TaskPhase::Running);
            !has_ended && runs && phases.iter().all(counts)
        });
    }

    /// A landing is one of what was assembled then: other candidates have not landed.
    fn assembled(&mut self, integration: &Integration) {
        let merged = |integration: &Integration| -> BTreeSet<(TaskNumber, Oid)> {
            let merged = integration.merged.iter();
            merged.map(|step| (step.task, step.candidate)).collect()
        };
        let before = self.integration.as_ref().map(merged);
        if before != Some(merged(integration)) {
            self.landed = None;
        }
        self.integration = Some(integration.clone());
        self.requested = false;
    }

    /// One that is announced again keeps the place where it is open.
    fn note_pull_request(&mut self, new: &PullRequest) {
        let pushed = (new.remote.clone(), new.head.clone(), new.commit);
        if !self.pushed.contains(&pushed) {
            self.pushed.push(pushed);
        }
        let same = |known: &PullRequest| (&known.remote, &known.head) == (&new.remote, &new.head);
        let known = self.pull_requests.iter().position(same);
        match known.map(|place| &mut self.pull_requests[place]) {
            Some(known) => {
                let url = new.url.clone().or(known.url.take());
                *known = PullRequest { url, ..new.clone() };
            }
            None => self.pull_requests.push(new.clone()),
        }
    }

    fn skip(&mut self, number: TaskNumber, cascade: bool) {
        self.tasks[number.index()].phase = TaskPhase::Skipped {
            satisfied: !cascade,
        };
        self.tasks[number.index()].given_up = true;
        for dependent in self.downstream(number) {
            let is_cut_off = self.is_cut_off(dependent, number);
            let task = &mut self.tasks[dependent.index()];
            match task.phase {
                TaskPhase::Done => {}
                _ if cascade => task.phase = TaskPhase::Skipped { satisfied: false },
                // It was skipped with the task before, and may start without it now.
                TaskPhase::Skipped { .. } if !task.given_up && !is_cut_off => {
                    task.phase = TaskPhase::Queued;
                }
                _ => {}
            }
        }
    }

    /// The attempts that ran into the limit count as none: their tasks wait like any other.
    fn park(&mut self, worker: &str, task: TaskNumber, until: Timestamp, why: &str) {
        let parking = Parking {
            until,
            why: why.to_owned(),
            task,
        };
        self.roster.park(worker, parking);
        for task in &mut self.tasks {
            if task.phase == TaskPhase::Failed && task.ran_into_quota_of(worker) {
                task.phase = TaskPhase::Queued;
                task.note = None;
            }
        }
    }
}
