//! The state of a run, folded from events: [`RunState::apply`] is the only way it changes. What can
//! be read off it is in [`crate::model::status`].

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::merge::verdict::Class;
use crate::model::circuit_breaker::{Broken, SharedCause};
use crate::model::event::{End, Event, FailureKind, Outcome, Recorded};
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};
use crate::model::integration::{Integration, Landing};
use crate::model::manual_resolution::{ByHand, Resolving};
use crate::model::plan::Plan;
use crate::model::pull_request::PullRequest;
use crate::model::recovery::Finding;
use crate::model::redispatch::Onto;
use crate::model::shortage::Shortage;
use crate::model::spending::Spending;
use crate::model::task_conflict::TaskConflict;
use crate::model::worker_health::Roster;

/// Everything known about a run.
#[derive(Clone, PartialEq, Debug)]
pub struct RunState {
    /// Its name.
    pub run: RunId,
    /// What it executes.
    pub plan: Plan,
    /// The commit every independent task starts from.
    pub base: Oid,
    /// What the base was called.
    pub base_name: String,
    /// The branch the result is meant for.
    pub target: Option<String>,
    /// Whether the candidates are to be assembled at the end.
    pub assemble: bool,
    /// The tasks a person wants assembled first, in this order.
    pub first: Vec<TaskNumber>,
    /// The tasks a person wants left out of the assembly, beside those rejected in review.
    pub leave_out: Vec<TaskNumber>,
    /// A person only wants what there is put together, so no task is done again by itself.
    pub arranged: bool,
    /// When it started.
    pub started: Timestamp,
    /// When the last event was recorded.
    pub updated: Timestamp,
    /// The number of the last event.
    pub seq: u64,
    /// Where the run as a whole is.
    pub phase: RunPhase,
    /// One entry a task, in the order of the plan.
    pub tasks: Vec<TaskState>,
    /// The conflicts among the candidates.
    pub conflicts: Vec<TaskConflict>,
    /// What was learnt about the workers.
    pub roster: Roster,
    /// The most the run may cost, in dollars, where a person said so since it was started.
    pub max_cost: Option<f64>,
    /// What had been spent, and the most that could be, when nothing more could be started.
    pub out_of_money: Option<(f64, f64)>,
    /// Whether worktrees can be set up.
    pub set_ups: SharedCause,
    /// What there is too little room for, so that nothing more is started until there is.
    pub out_of_space: Option<Shortage>,
    /// Conflicts of work that still goes on; they may vanish again.
    pub speculative: Vec<Speculative>,
    /// Whether tasks wait for the end of those conflicts.
    pub holds_back: bool,
    /// The assembled branch, once there is one. It stands until another one takes its place.
    pub integration: Option<Integration>,
    /// A person asked for another one since.
    pub requested: bool,
    /// Why the last try to assemble moved nothing, and what to do about it.
    pub refused: Option<String>,
    /// Where it landed, once it did.
    pub landed: Option<Landing>,
    /// A landing, or taking one back, that was announced and of which nothing more is known.
    pub landing: Option<Landing>,
    /// The last landing that was taken back, unless it has landed again since.
    pub unlanded: Option<Landing>,
    /// The pull requests, each as it was announced or opened last.
    pub pull_requests: Vec<PullRequest>,
    /// Every commit that was announced to be pushed: remote, branch, commit.
    pub pushed: Vec<(String, String, Oid)>,
    /// Whether worktrees and branches were removed after its end.
    pub cleaned: bool,
    /// The file the plan was read from, from the top of the main checkout where it is near.
    pub plan_file: Option<String>,
}

/// A conflict of which at least one side is uncommitted work of a running task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Speculative {
    /// The verdict as of now.
    pub conflict: TaskConflict,
    /// When the two first met.
    pub since: Timestamp,
}

/// Where the run as a whole is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunPhase {
    /// Tasks may start.
    Running,
    /// A person asked to stop: nothing starts, what runs is asked to end.
    Stopping,
    /// A person asked to start nothing new; what runs goes on.
    Paused,
    /// Over, with this exit code.
    Ended(u8),
}

/// Where one task is.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskState {
    /// What it waits for or how it ended.
    pub phase: TaskPhase,
    /// Every attempt so far, the first one first.
    pub attempts: Vec<Attempt>,
    /// The last thing said about it.
    pub note: Option<String>,
    /// Attempts before this one belong to an earlier request of a person and use up no retries.
    pub retries_from: usize,
    /// How many retries the run may spend, if it was not tried again because they are spent.
    pub out_of_retries: Option<u32>,
    /// Words a person added to the prompt.
    pub extra_prompt: Option<String>,
    /// Its prompt as a person wrote it anew.
    pub rewritten_prompt: Option<String>,
    /// The worker profile a person chose in place of the plan's.
    pub chosen_worker: Option<String>,
    /// Whether a person left its change out of the assembly.
    pub rejected: bool,
    /// Whether a person gave it up by name, and not because of another task.
    pub given_up: bool,
    /// Whether a person ended it; an attempt that is alive is on its way out.
    pub cancelled: bool,
    /// Whether the plan has it no more.
    pub removed: bool,
    /// Whether the attempt that is alive works at what the plan no longer says.
    pub superseded: bool,
    /// What its attempts start on top of, since its result met others.
    pub onto: Option<Onto>,
    /// How often it was done again because of that, since a person last asked for it.
    pub redispatches: u32,
    /// The attempt whose result counts, where later ones came to nothing.
    pub offered: Option<usize>,
    /// The conflict of it that a person has open.
    pub resolving: Option<Resolving>,
    /// What a person made of its conflict, which it offers in place of its own result.
    pub by_hand: Option<ByHand>,
}

/// What a task waits for or how it ended.
#[derive(Clone, PartialEq, Debug)]
pub enum TaskPhase {
    /// Starts when its dependencies are done and there is room.
    Queued,
    /// An attempt is alive.
    Running,
    /// The next attempt starts at this time.
    RetryAt(Timestamp),
    /// Passed.
    Done,
    /// The last attempt failed.
    Failed,
    /// The candidates it depends on do not merge with each other.
    DependenciesConflict {
        /// The class of the conflict.
        class: Class,
        /// The dependencies that conflict.
        between: Vec<TaskNumber>,
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// A person gave it up; `true` if what depends on it may start without it.
    Skipped {
        /// Whether dependents may start without it.
        satisfied: bool,
    },
    /// A person cancelled it.
    Cancelled,
}

/// One try at a task.
#[derive(Clone, PartialEq, Debug)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: AttemptNumber,
    /// The worker profile.
    pub worker: String,
    /// Its branch, without `refs/heads/`.
    pub branch: String,
    /// Where its worktree is or was, from the top of the main checkout.
    pub worktree: String,
    /// The commit it works on, once known.
    pub base: Option<Oid>,
    /// When it was announced.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The draw for the delay of a retry.
    pub jitter: f64,
}

impl RunState {
    /// The state right after a run's first event, or `None` if that event is another one.
    pub fn start(run: RunId, plan: Plan, first: &Recorded) -> Option<RunState> {
        let Event::RunStarted {
            base,
            base_name,
            target,
            only,
            assemble,
            plan_file,
            ..
        } = &first.event
        else {
            return None;
        };
        let chosen = |number| only.as_ref().is_none_or(|only| only.contains(&number));
        let tasks = plan
            .tasks()
            .iter()
            .map(|task| TaskState::new(chosen(task.number)))
            .collect();
        Some(RunState {
            run,
            tasks,
            plan,
            base: *base,
            base_name: base_name.clone(),
            target: target.clone(),
            assemble: *assemble,
            first: Vec::new(),
            leave_out: Vec::new(),
            arranged: false,
            started: first.time,
            updated: first.time,
            seq: first.seq,
            phase: RunPhase::Running,
            conflicts: Vec::new(),
            roster: Roster::default(),
            max_cost: None,
            out_of_money: None,
            set_ups: SharedCause::default(),
            out_of_space: None,
            speculative: Vec::new(),
            holds_back: false,
            integration: None,
            requested: false,
            refused: None,
            landed: None,
            landing: None,
            unlanded: None,
            pull_requests: Vec::new(),
            pushed: Vec::new(),
            cleaned: false,
            plan_file: plan_file.clone(),
        })
    }

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

    /// Every task that depends on this one, directly or through others, in plan order.
    pub fn downstream(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let mut found = vec![false; self.tasks.len()];
        let mut open = vec![number];
        while let Some(task) = open.pop() {
            for dependent in self.plan.dependents(task) {
                if !std::mem::replace(&mut found[dependent.number.index()], true) {
                    open.push(dependent.number);
                }
            }
        }
        let numbers = self.plan.tasks().iter().map(|task| task.number);
        numbers.filter(|number| found[number.index()]).collect()
    }

    /// The state of one task.
    pub fn task(&self, number: TaskNumber) -> &TaskState {
        &self.tasks[number.index()]
    }
}

impl TaskState {
    fn new(chosen: bool) -> TaskState {
        TaskState {
            phase: if chosen {
                TaskPhase::Queued
            } else {
                TaskPhase::Skipped { satisfied: false }
            },
            note: (!chosen).then(|| "not chosen (--only)".to_owned()),
            attempts: Vec::new(),
            retries_from: 0,
            out_of_retries: None,
            extra_prompt: None,
            rewritten_prompt: None,
            chosen_worker: None,
            rejected: false,
            given_up: !chosen,
            cancelled: false,
            removed: false,
            superseded: false,
            onto: None,
            redispatches: 0,
            offered: None,
            resolving: None,
            by_hand: None,
        }
    }

    /// The plan says something else than what the attempts so far were made for.
    fn begin_anew(&mut self) {
        if self.phase == TaskPhase::Running {
            self.superseded = true;
        } else if !matches!(self.phase, TaskPhase::Skipped { .. }) || self.removed {
            self.phase = TaskPhase::Queued;
        }
        self.retries_from = self.attempts.len();
        self.removed = false;
        self.given_up = false;
        self.cancelled = false;
        self.rejected = false;
        self.extra_prompt = None;
        self.onto = None;
        self.redispatches = 0;
        self.offered = None;
        self.note = None;
    }

    fn remove(&mut self) {
        if self.phase == TaskPhase::Running {
            self.superseded = true;
        } else {
            self.phase = TaskPhase::Skipped { satisfied: false };
        }
        self.removed = true;
        self.given_up = true;
        self.note = Some("not in the plan any more".to_owned());
    }

    fn end_attempt(&mut self, outcome: &Outcome, jitter: f64, time: Timestamp) {
        self.phase = match &outcome.end {
            End::Passed { .. } => TaskPhase::Done,
            End::Failed(_) => TaskPhase::Failed,
            End::Interrupted {} if self.cancelled => TaskPhase::Cancelled,
            End::Interrupted {} if self.removed => TaskPhase::Skipped { satisfied: false },
            End::Interrupted {} => TaskPhase::Queued,
        };
        self.superseded = false;
        let said = match &outcome.end {
            End::Interrupted {} if self.removed => None,
            End::Passed { info, .. } => outcome.report.summary.clone().or_else(|| info.clone()),
            End::Failed(failure) => Some(failure.message.clone()),
            End::Interrupted {} => Some("interrupted".to_owned()),
        };
        // What a failed attempt said must not stand beside a later success.
        self.note = match &outcome.end {
            End::Passed { .. } if self.attempts.len() > 1 => said,
            _ => said.or(self.note.take()),
        };
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended = Some(time);
            attempt.jitter = jitter;
            attempt.outcome = Some(outcome.clone());
        }
    }

    fn cancel(&mut self) {
        self.cancelled = true;
        let over = matches!(
            self.phase,
            TaskPhase::Done | TaskPhase::Failed | TaskPhase::Running
        );
        if !over {
            self.phase = TaskPhase::Cancelled;
        }
    }

    /// Attempts since a person last asked for one that count.
    pub fn counted_attempts(&self) -> impl DoubleEndedIterator<Item = &Attempt> {
        self.attempts[self.retries_from..]
            .iter()
            .filter(|attempt| attempt.counts())
    }

    /// How many attempts count so far; the one after them is a retry of this number.
    pub fn retries(&self) -> u32 {
        self.counted_attempts().count() as u32
    }

    /// What the finished attempts at it used and cost; `None` where none says anything.
    pub fn spending(&self) -> Option<Spending> {
        Spending::of(&self.attempts)
    }

    /// The attempt that is alive or was the last one.
    pub fn last_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The attempt that says how the task stands: the last one, unless it came to nothing and an
    /// earlier one counts.
    pub fn deciding_attempt(&self) -> Option<&Attempt> {
        match self.offered {
            Some(place) => self.attempts.get(place),
            None => self.attempts.last(),
        }
    }

    /// The outcome of the attempt that says how the task stands, if that is over.
    pub fn last_outcome(&self) -> Option<&Outcome> {
        self.deciding_attempt()?.outcome.as_ref()
    }

    /// The commit the task offers.
    pub fn candidate(&self) -> Option<Oid> {
        match (&self.phase, &self.last_outcome()?.end, &self.by_hand) {
            (TaskPhase::Done, End::Passed { .. }, Some(by_hand)) => Some(by_hand.candidate),
            (TaskPhase::Done, End::Passed { candidate, .. }, None) => *candidate,
            _ => None,
        }
    }
}
