//! Folds events into the state of a run: only [`RunState::apply`] changes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::circuit_breaker::SharedFailure;
use crate::model::event::{Event, Recorded};
use crate::model::failure::FailureKind;
use crate::model::ids::TaskNumber;
use crate::model::integration::Integration;
use crate::model::outcome::End;
use crate::model::plan::Plan;
use crate::model::pull_request::PullRequest;
use crate::model::recovery::FindingKind;
use crate::model::run::{RunPhase, RunState, SpeculativeConflict};
use crate::model::task_conflict::TaskConflict;
use crate::model::task_state::{TaskPhase, TaskState, VariantState};
use crate::model::user_message::UserMessage;
use crate::model::variant_choice::ChosenBy;
use crate::model::worker_health::Parking;

impl RunState {
    /// Folds [`Event::PlanEdited`] with its plan, which the event does not contain.
    ///
    /// Existing tasks keep their numbers; removed tasks stay as skipped.
    pub fn replan(&mut self, plan: Plan, recorded: &Recorded) {
        let Event::PlanEdited { edits } = &recorded.event else {
            return;
        };
        self.apply(recorded);
        self.plan = plan;
        let count = self.plan.tasks().len();
        self.tasks
            .resize_with(count, || Arc::new(TaskState::new(true, 0)));
        for edit in edits {
            let Some(number) = edit.task else { continue };
            let variants = self.plan.task(number).variant_count();
            let task = self.task_mut(number);
            match edit.kind {
                FindingKind::Changed | FindingKind::Downstream | FindingKind::Added => {
                    task.restart_after_edit(variants)
                }
                FindingKind::Removed => task.remove(),
                _ => {}
            }
        }
    }

    /// Folds one event.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.seq = recorded.seq;
        self.updated = recorded.time;
        self.fold(recorded);
        self.drop_outdated_speculation();
    }

    fn fold(&mut self, recorded: &Recorded) {
        match &recorded.event {
            // The event does not contain the plan: see [`RunState::replan`].
            Event::RunStarted { .. } | Event::PlanEdited { .. } => {}
            Event::PrioritySet { task, priority } => {
                let changed = |number| (number == *task).then_some(*priority);
                self.plan = self.plan.clone().with_priorities(changed);
            }
            Event::Paused {} => self.phase = RunPhase::Paused,
            Event::Unpaused {} => self.phase = RunPhase::Running,
            Event::RunResumed { .. } => {
                self.phase = RunPhase::Running;
                self.shortage = None;
                self.setup.reset();
                self.worker_health.reset_access();
                self.assembly_refused = None;
                self.redispatch_suspended = false;
            }
            Event::AssemblyStarting { .. } => self.assembly_refused = None,
            Event::AssemblyRefused { reason } => self.assembly_refused = Some(reason.clone()),
            Event::StopRequested {} => self.phase = RunPhase::Stopping,
            Event::RunEnded { exit } => self.phase = RunPhase::Ended(*exit),
            Event::AssemblyRequested { order, leave_out } => {
                self.forget_failed_takes();
                self.assembly_requested = true;
                self.redispatch_suspended = true;
                self.assemble = true;
                self.assembly_order.clone_from(order);
                self.leave_out.clone_from(leave_out);
            }
            Event::ConflictsFound { conflicts } => {
                self.conflicts.clone_from(conflicts);
                for found in conflicts {
                    let with_lower = self.all_conflicts.entry(found.a).or_default();
                    with_lower.insert(found.b, found.class);
                }
            }
            Event::SpeculativeConflicts {
                conflicts,
                holds_back,
            } => {
                self.speculate(conflicts, recorded.time);
                self.holds_back = *holds_back;
            }
            Event::Assembled { integration } => self.assembled(integration),
            Event::LandingStarting { landing } | Event::LandingUndoStarting { landing } => {
                self.pending_landing = Some(landing.clone());
            }
            Event::Landed { landing } => {
                self.landed = Some(landing.clone());
                (self.pending_landing, self.undone_landing) = (None, None);
            }
            Event::LandingUndone { landing } => {
                (self.landed, self.pending_landing) = (None, None);
                self.undone_landing = Some(landing.clone());
            }
            Event::PullRequestStarting { pull_request }
            | Event::PullRequestOpened { pull_request } => self.note_pull_request(pull_request),
            Event::Repaired { .. } | Event::WorktreesEvicting { .. } => {}
            Event::Cleaned { .. } => self.cleaned = true,
            Event::TaskSkipped { task, cascade } => self.skip(*task, *cascade),
            Event::RetryRequested {
                task,
                extra_prompt,
                new_prompt,
                worker,
                continue_session,
                by_hand,
                attempt,
            } => {
                self.setup.reset();
                self.worker_health.reset_access();
                let variants = self.task(*task).variants.clone();
                self.request_retry(*task, *by_hand);
                let task = self.task_mut(*task);
                if by_hand.is_some() || attempt.is_some() {
                    // One attempt goes on, in the worktree of the picked or the chosen variant.
                    task.variants = variants;
                    task.suspend_variants();
                }
                task.forget_turns();
                task.continues = *continue_session;
                task.by_hand = *by_hand;
                task.picked = *attempt;
                let keep = |slot: &mut Option<String>, new: &Option<String>| {
                    *slot = new.clone().or(slot.take());
                };
                keep(&mut task.extra_prompt, extra_prompt);
                keep(&mut task.rewritten_prompt, new_prompt);
                keep(&mut task.worker_override, worker);
            }
            Event::MessageGiven { task, text } => {
                self.task_mut(*task).messages.push(UserMessage {
                    text: text.clone(),
                    delivered_to: None,
                    waits_for: Vec::new(),
                });
            }
            Event::MessageDelivered {
                task,
                attempt,
                message,
            } => {
                let messages = &mut self.task_mut(*task).messages;
                let delivered = message.checked_sub(1);
                if let Some(message) = delivered.and_then(|place| messages.get_mut(place)) {
                    message.delivered_to = Some(*attempt);
                }
            }
            Event::MessageWaits {
                task,
                attempt,
                message,
            } => {
                let messages = &mut self.task_mut(*task).messages;
                let waits = message.checked_sub(1);
                if let Some(message) = waits.and_then(|place| messages.get_mut(place)) {
                    message.waits_for.push(*attempt);
                }
            }
            Event::WorkerParked {
                worker,
                task,
                until,
                reason,
            } => self.park(worker, *task, *until, reason),
            Event::WorkerUnparked { worker, .. } => self.worker_health.unpark(worker),
            Event::CostLimitReached { spent, max_cost } => {
                self.cost_limit_reached = Some((*spent, *max_cost))
            }
            Event::SetupBroken { tasks, message } => self.setup.trip(SharedFailure {
                tasks: tasks.clone(),
                message: message.clone(),
            }),
            Event::WorkerAccessDenied {
                worker,
                tasks,
                message,
            } => self.worker_health.deny_access(
                worker,
                SharedFailure {
                    tasks: tasks.clone(),
                    message: message.clone(),
                },
            ),
            Event::ShortageBegan { shortage } => self.shortage = Some(shortage.clone()),
            Event::ShortageEnded {} => self.shortage = None,
            Event::MaxCostSet { max_cost } => {
                self.max_cost = Some(*max_cost);
                self.cost_limit_reached = None;
            }
            Event::Redispatched { task, .. } => self.redispatch(*task),
            Event::RedispatchFailed { task } => self.fail_redispatch(*task),
            Event::ResolutionOpened { task, worktree, .. } => self.open_resolution(*task, worktree),
            Event::ResolutionAccepted {
                task,
                candidate,
                stat,
            } => self.accept_resolution(*task, *candidate, *stat),
            Event::ResolutionClosed { task } => self.task_mut(*task).open_resolution = None,
            Event::ResolutionAborted { task } => self.abort_resolution(*task),
            event => self.apply_to_task(event, recorded.time),
        }
    }

    fn apply_to_task(&mut self, event: &Event, time: Timestamp) {
        let Some(number) = event.task() else { return };
        if let Event::AttemptEnded {
            outcome, attempt, ..
        } = event
            && let Some(attempt) = self.tasks[number.index()].attempt(*attempt)
        {
            let worker = attempt.worker.clone();
            self.worker_health.learn(&worker, number, outcome);
        }
        match event {
            Event::AttemptStarted { .. } => self.setup.reset(),
            Event::AttemptEnded { outcome, .. } if outcome.is_kind(FailureKind::Setup) => {
                if let End::Failed(failure) = &outcome.end {
                    self.setup.record_failure(number, failure);
                }
            }
            _ => {}
        }
        let task = self.task_mut(number);
        match event {
            Event::AttemptStarting {
                attempt,
                worker,
                branch,
                worktree,
                variant,
                ..
            } => {
                // The note of an attempt that does not count is obsolete with the next attempt.
                let last = task.last_attempt_of(*variant);
                if last.is_some_and(|last| !last.is_counted()) {
                    task.note = None;
                }
                task.deliver_waiting(*variant, (*attempt, worktree));
                task.set_retry_budget_spent(*variant, None);
                task.candidate_attempt = None;
                task.manual_resolution = None;
                // Most tasks have one attempt; a vector would make room for four of them.
                task.attempts.reserve_exact(1);
                task.attempts.push(Attempt {
                    number: *attempt,
                    variant: *variant,
                    worker: worker.clone(),
                    branch: branch.clone(),
                    worktree: worktree.clone(),
                    executor: None,
                    host: None,
                    base: None,
                    warm: false,
                    started: time,
                    ended: None,
                    outcome: None,
                    by_hand: task.by_hand.is_some(),
                    jitter: 0.0,
                });
                task.set_phase_of(*variant, TaskPhase::Running);
                let is_queued = |state: &VariantState| state.phase == TaskPhase::Queued;
                task.continues &= task.variant_states().iter().any(is_queued);
            }
            Event::AttemptSubmitted {
                attempt,
                executor,
                host,
                ..
            } => {
                // It no longer waits, so a note that says why it does is obsolete.
                if host.is_some() {
                    task.note = None;
                }
                if let Some(attempt) = task.attempt_mut(*attempt) {
                    attempt.executor = Some(executor.clone());
                    attempt.host.clone_from(host);
                }
            }
            Event::AttemptStarted {
                base,
                attempt,
                warm,
                ..
            } => {
                if let Some(attempt) = task.attempt_mut(*attempt) {
                    attempt.base = Some(*base);
                    attempt.warm = *warm;
                }
            }
            Event::ProgressReported { note, .. } => task.note = Some(note.clone()),
            Event::AttemptEnded {
                outcome,
                jitter,
                attempt,
                ..
            } => {
                task.end_attempt(*attempt, outcome, *jitter, time);
                if task.attempt(*attempt).is_some_and(Attempt::is_counted) {
                    task.by_hand = None;
                }
                let replaces_result = task.end_take(*attempt);
                let is_done_again =
                    || task.redispatched_for.is_some() && task.phase == TaskPhase::Done;
                if replaces_result.unwrap_or_else(is_done_again) {
                    self.requeue_built_on(number);
                }
            }
            Event::RetryScheduled { due, variant, .. } => {
                task.set_phase_of(*variant, TaskPhase::RetryAt(*due));
            }
            Event::RetryBudgetSpent {
                budget, variant, ..
            } => task.set_retry_budget_spent(*variant, Some(*budget)),
            Event::RetryDue { variant, .. } => task.set_phase_of(*variant, TaskPhase::Queued),
            Event::DependenciesConflict {
                class,
                between,
                paths,
                attempt,
                ..
            } => {
                let phase = TaskPhase::DependenciesConflict {
                    class: *class,
                    between: between.clone(),
                    paths: paths.clone(),
                };
                task.forget_attempt(*attempt, phase);
            }
            Event::VariantChosen { choice, .. } => {
                task.choose_variant(choice);
                // A re-dispatch would replace what the user took.
                self.redispatch_suspended |= choice.by == ChosenBy::User;
            }
            Event::VariantAccepted { .. } => {
                let replaces_another = task.accept_variant();
                if replaces_another {
                    self.requeue_built_on(number);
                }
            }
            Event::Reviewed { accepted, .. } => {
                task.rejected = !accepted;
                self.redispatch_suspended = true;
            }
            Event::TaskCancelled { .. } => task.cancel(),
            _ => {}
        }
    }

    /// Replaces the speculative conflicts; a known pair keeps its time.
    fn speculate(&mut self, conflicts: &[TaskConflict], time: Timestamp) {
        let before = std::mem::take(&mut self.speculative_conflicts);
        let since = |conflict: &TaskConflict| {
            let same = |old: &&SpeculativeConflict| old.conflict.pair() == conflict.pair();
            before.iter().find(same).map_or(time, |old| old.since)
        };
        let speculative = |conflict: &TaskConflict| SpeculativeConflict {
            conflict: conflict.clone(),
            since: since(conflict),
        };
        self.speculative_conflicts = conflicts.iter().map(speculative).collect();
    }

    /// Drops speculative conflicts of pairs that no longer run.
    ///
    /// Then either both have candidates, whose conflicts are certain, or one has none.
    fn drop_outdated_speculation(&mut self) {
        if self.speculative_conflicts.is_empty() {
            return;
        }
        let has_ended = matches!(self.phase, RunPhase::Ended(_));
        let tasks = &self.tasks;
        let phase = |number: TaskNumber| &tasks[number.index()].phase;
        self.speculative_conflicts
            .retain(|SpeculativeConflict { conflict, .. }| {
                let phases = [phase(conflict.a), phase(conflict.b)];
                let counts =
                    |phase: &&TaskPhase| matches!(phase, TaskPhase::Running | TaskPhase::Done);
                let runs = phases.contains(&&TaskPhase::Running);
                !has_ended && runs && phases.iter().all(counts)
            });
    }

    /// Records an assembly; the last landing no longer counts if the candidates differ.
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
        self.assembly_requested = false;
    }

    /// Records a pull request; one that is announced again keeps its address.
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
        self.task_mut(number).set_phase(TaskPhase::Skipped {
            satisfied: !cascade,
        });
        self.task_mut(number).explicitly_skipped = true;
        for dependent in self.downstream(number) {
            let is_cut_off = self.is_cut_off(dependent, number);
            let task = self.task_mut(dependent);
            match task.phase {
                TaskPhase::Done => {}
                _ if cascade => task.set_phase(TaskPhase::Skipped { satisfied: false }),
                // It was skipped together with this task, and may now start without it.
                TaskPhase::Skipped { .. } if !task.explicitly_skipped && !is_cut_off => {
                    task.set_phase(TaskPhase::Queued);
                }
                _ => {}
            }
        }
    }

    /// Parks a worker and queues the tasks whose attempts hit its limit.
    fn park(&mut self, worker: &str, task: TaskNumber, until: Timestamp, reason: &str) {
        let parking = Parking {
            until,
            reason: reason.to_owned(),
            task,
        };
        self.worker_health.park(worker, parking);
        for task in &mut self.tasks {
            for variant in task.variant_numbers() {
                let has_failed = *task.phase_of(variant) == TaskPhase::Failed;
                if has_failed && task.hit_quota_of(variant, worker) {
                    let task = Arc::make_mut(task);
                    task.set_phase_of(variant, TaskPhase::Queued);
                    task.note = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;

    #[test]
    fn an_attempt_takes_no_memory_for_further_ones() {
        let first = RunFixture::new("a").begin(1, "claude");
        assert_eq!(first.state().tasks[0].attempts.capacity(), 1);
        let second = RunFixture::new("a").begin(1, "claude").fail(1, "no");
        let second = second.begin(1, "claude").state();
        assert_eq!(second.tasks[0].attempts.capacity(), 2);
    }
}
