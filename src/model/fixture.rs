//! Builds runs for tests by folding events.

#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};

use crate::merge::change::{ChangeStat, RepoPath};
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::merge::verdict::Unit;
use crate::model::event::{Event, Recorded};
use crate::model::failure::{Failure, FailureClass};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::integration::Integration;
use crate::model::outcome::{End, Outcome};
use crate::model::plan::{Plan, Produces, Task, TaskFields, Variants};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::model::usage::Cost;
use crate::model::variant_choice::{ChosenBy, VariantChoice};
use crate::model::worker_report::WorkerReport;

/// A run under construction: a plan and events.
pub(crate) struct RunFixture {
    title: String,
    tasks: Vec<Task>,
    only: Option<Vec<TaskNumber>>,
    assemble: bool,
    events: Vec<Event>,
    attempts: Vec<u32>,
}

impl RunFixture {
    /// Parses tasks as `title <- dependency, dependency` joined by ` · `; dependencies are titles. A
    /// title `a*3` is the task `a` with three variants.
    pub(crate) fn new(plan: &str) -> RunFixture {
        let lines: Vec<(&str, &str)> = plan
            .split(" · ")
            .map(|line| line.split_once(" <- ").unwrap_or((line, "")))
            .collect();
        let numbers: std::collections::HashMap<&str, u32> = lines
            .iter()
            .map(|(title, _)| name(title).0)
            .zip(1..)
            .collect();
        let task = |(number, (title, dependencies)): (u32, &(&str, &str))| Task {
            number: TaskNumber(number),
            tag: format!("T{number}"),
            title: name(title).0.to_owned(),
            label: None,
            prompt: String::new(),
            depends_on: dependencies
                .split(", ")
                .filter(|name| !name.is_empty())
                .map(|name| TaskNumber(numbers[name]))
                .collect(),
            fields: TaskFields {
                variants: name(title).1.map(Variants::Count),
                ..TaskFields::default()
            },
        };
        let tasks: Vec<Task> = (1..).zip(&lines).map(task).collect();
        RunFixture {
            title: "Checkout v2".to_owned(),
            attempts: vec![0; tasks.len()],
            tasks,
            only: None,
            assemble: true,
            events: Vec::new(),
        }
    }

    /// Changes a task of the plan.
    pub(crate) fn with_task(mut self, task: u32, change: impl FnOnce(&mut Task)) -> RunFixture {
        change(&mut self.tasks[task as usize - 1]);
        self
    }

    /// Sets the tags, in order.
    pub(crate) fn tags(mut self, tags: &[&str]) -> RunFixture {
        for (task, tag) in self.tasks.iter_mut().zip(tags) {
            task.tag = (*tag).to_owned();
        }
        self
    }

    /// Sets the title of the plan.
    pub(crate) fn title(mut self, title: &str) -> RunFixture {
        self.title = title.to_owned();
        self
    }

    /// Selects these tasks only.
    pub(crate) fn only(mut self, tasks: &[u32]) -> RunFixture {
        self.only = Some(tasks.iter().copied().map(TaskNumber).collect());
        self
    }

    /// Disables the automatic assembly.
    pub(crate) fn without_assembly(mut self) -> RunFixture {
        self.assemble = false;
        self
    }

    /// Changes the last event.
    pub(crate) fn last_event(&mut self, change: impl FnOnce(&mut Event)) {
        change(self.events.last_mut().unwrap());
    }

    /// Adds an event.
    pub(crate) fn event(mut self, event: Event) -> RunFixture {
        self.events.push(event);
        self
    }

    /// Starts an attempt with this worker.
    pub(crate) fn begin(self, task: u32, worker: &str) -> RunFixture {
        self.start(task, None, worker)
    }

    /// Starts an attempt at a variant, with the worker `claude`.
    pub(crate) fn begin_variant(self, task: u32, variant: u8) -> RunFixture {
        self.start(task, Some(variant), "claude")
    }

    /// Chooses the variant with the number of this attempt, which passed.
    pub(crate) fn choose(self, task: u32, attempt: u32) -> RunFixture {
        self.event(Event::VariantChosen {
            task: TaskNumber(task),
            choice: VariantChoice {
                variant: attempt as u8,
                attempt,
                by: ChosenBy::Rule,
                reason: "the only one that passed".to_owned(),
                compared: Vec::new(),
                judge: None,
            },
        })
    }

    fn start(mut self, task: u32, variant: Option<u8>, worker: &str) -> RunFixture {
        let attempt = &mut self.attempts[task as usize - 1];
        *attempt += 1;
        let attempt = *attempt;
        let slug = crate::base::text::slug(&self.tasks[task as usize - 1].tag);
        let task = TaskNumber(task);
        self.event(Event::AttemptStarting {
            task,
            attempt,
            worker: worker.to_owned(),
            branch: format!("dispatch/checkout-7k3q/{slug}"),
            worktree: format!("../shop.dispatch/checkout-7k3q/{slug}"),
            variant,
        })
        .event(Event::AttemptStarted {
            task,
            attempt,
            base: base(),
            warm: false,
        })
    }

    /// Adds a progress note of the worker.
    pub(crate) fn note(self, task: u32, note: &str) -> RunFixture {
        self.event(Event::ProgressReported {
            task: TaskNumber(task),
            note: note.to_owned(),
        })
    }

    /// Ends the attempt after this many seconds.
    pub(crate) fn end(self, task: u32, end: End, report: WorkerReport, seconds: u64) -> RunFixture {
        let attempt = self.attempts[task as usize - 1];
        self.event(Event::AttemptEnded {
            task: TaskNumber(task),
            attempt,
            outcome: Box::new(Outcome {
                end,
                report,
                checks: Vec::new(),
                killed_processes: Vec::new(),
                warnings: Vec::new(),
                undeclared: Vec::new(),
                millis: seconds * 1000,
                flaky: None,
                left_behind: Vec::new(),
                secrets: Vec::new(),
                outside_changes: Vec::new(),
                kept: None,
                kept_changes: None,
                usage: None,
                cost: Cost::Unknown,
                session: None,
            }),
            jitter: 0.5,
        })
    }

    /// Ends the attempt with a candidate and this summary.
    pub(crate) fn pass(self, task: u32, summary: &str) -> RunFixture {
        let report = WorkerReport {
            summary: (!summary.is_empty()).then(|| summary.to_owned()),
            ..WorkerReport::default()
        };
        self.pass_with(task, report, (6, 312, 4))
    }

    /// Ends the attempt with a candidate, this report and these counts of files, added and removed
    /// lines.
    pub(crate) fn pass_with(
        self,
        task: u32,
        report: WorkerReport,
        (files, added, removed): (u64, u64, u64),
    ) -> RunFixture {
        let end = End::Passed {
            candidate: Some(candidate(task)),
            stat: ChangeStat {
                files,
                added,
                removed,
            },
            info: None,
        };
        self.end(task, end, report, 60)
    }

    /// Ends the attempt at an `info` task with this text.
    pub(crate) fn inform(mut self, task: u32, info: &str) -> RunFixture {
        self.tasks[task as usize - 1].fields.produces = Produces::Info;
        let end = End::Passed {
            candidate: None,
            stat: ChangeStat::default(),
            info: Some(info.to_owned()),
        };
        self.end(task, end, WorkerReport::default(), 60)
    }

    /// Fails the attempt with this message and class `logic`; starts one if there is none.
    pub(crate) fn fail(mut self, task: u32, message: &str) -> RunFixture {
        if self.attempts[task as usize - 1] == 0 {
            self = self.begin(task, "claude");
        }
        self.end(
            task,
            End::Failed(failure(FailureClass::Logic, message)),
            WorkerReport::default(),
            130,
        )
    }

    /// Fails the attempt after this many seconds.
    pub(crate) fn fail_with(self, task: u32, failure: Failure, seconds: u64) -> RunFixture {
        self.end(task, End::Failed(failure), WorkerReport::default(), seconds)
    }

    /// Schedules a retry.
    pub(crate) fn retry_later(self, task: u32) -> RunFixture {
        self.event(Event::RetryScheduled {
            task: TaskNumber(task),
            due: start() + SignedDuration::from_mins(10),
            variant: None,
        })
    }

    /// Skips a task.
    pub(crate) fn skip(self, task: u32, cascade: bool) -> RunFixture {
        self.event(Event::TaskSkipped {
            task: TaskNumber(task),
            cascade,
        })
    }

    /// Records the current conflicts.
    pub(crate) fn conflicts(self, conflicts: Vec<TaskConflict>) -> RunFixture {
        self.event(Event::ConflictsFound { conflicts })
    }

    /// Records an assembly.
    pub(crate) fn assembled(self, integration: Integration) -> RunFixture {
        self.event(Event::Assembled { integration })
    }

    /// Ends the run.
    pub(crate) fn ended(self, exit: u8) -> RunFixture {
        self.event(Event::RunEnded { exit })
    }

    /// Folds all events.
    pub(crate) fn state(self) -> RunState {
        self.fold(|_, _| {})
    }

    /// Folds all events and calls `seen` with the state after each.
    pub(crate) fn fold(self, mut seen: impl FnMut(&RunState, &Recorded)) -> RunState {
        let plan = Plan::new(self.title.clone(), Vec::new(), self.tasks).unwrap();
        let first = Recorded {
            seq: 1,
            time: start(),
            event: Event::RunStarted {
                plan_file: None,
                title: self.title,
                base: base(),
                base_name: "main".to_owned(),
                target: Some("main".to_owned()),
                only: self.only,
                assemble: self.assemble,
            },
        };
        let mut state = RunState::start(RunId::new("checkout-7k3q"), plan, &first).unwrap();
        seen(&state, &first);
        for (seq, event) in (2..).zip(self.events) {
            let time = start() + SignedDuration::from_secs(seq as i64);
            let recorded = Recorded { seq, time, event };
            state.apply(&recorded);
            seen(&state, &recorded);
        }
        state
    }
}

/// Splits `a*3` into the name of a task and the number of its variants.
pub(crate) fn name(title: &str) -> (&str, Option<u8>) {
    match title.rsplit_once('*') {
        Some((name, count)) if count.parse::<u8>().is_ok() => (name, count.parse().ok()),
        _ => (title, None),
    }
}

/// The start time of every fixture.
pub(crate) fn start() -> Timestamp {
    "2026-11-22T09:14:00Z".parse().unwrap()
}

/// The base of every fixture.
pub(crate) fn base() -> Oid {
    "1a2b3c4000000000000000000000000000000000".parse().unwrap()
}

/// The candidate of a task.
pub(crate) fn candidate(task: u32) -> Oid {
    format!("{task:040x}").parse().unwrap()
}

/// A failure with class and message only.
pub(crate) fn failure(class: FailureClass, message: &str) -> Failure {
    Failure {
        class,
        message: message.to_owned(),
        root_cause: None,
        suggestion: None,
        evidence: "exit code 1".to_owned(),
        signature: message.to_owned(),
        reset_at: None,
        rate_limited: false,
        access_denied: false,
        kind: None,
    }
}

/// A conflict of one unit.
pub(crate) fn conflict(a: u32, b: u32, class: Class, paths: &[&str]) -> TaskConflict {
    TaskConflict {
        a: TaskNumber(a),
        b: TaskNumber(b),
        class,
        severity: class.severity(),
        bases: Vec::new(),
        units: vec![Unit {
            class,
            paths: paths.iter().map(|path| RepoPath::from(*path)).collect(),
            hunks: Vec::new(),
        }],
        inherited: false,
    }
}
