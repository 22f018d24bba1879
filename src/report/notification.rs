//! Notifications for the user: a sentence, and an object for the notification command.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::markdown::plain_line;
use crate::model::event::{Event, Recorded};
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_state::TaskPhase;
use crate::model::usage::Cost;
use crate::report::board::banners::resume;
use crate::report::board::view::{BoardView, Standing};
use crate::report::suggest;
use crate::report::words::parked_sentence;

/// The version of the object; a breaking change raises it.
const VERSION: u32 = 1;

/// The maximum length of the sentence, in characters.
const LIMIT: usize = 300;

/// A notification about a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Notification {
    /// The kind.
    pub kind: Kind,
    /// The time of the event.
    pub time: Timestamp,
    /// The task, if it is about one.
    pub task: Option<TaskNumber>,
    /// The parked worker, and the end of the parking.
    pub parked: Option<(String, Timestamp)>,
    /// The exit code of an ended run.
    pub exit: Option<u8>,
    /// The message, one safe line.
    pub message: String,
    /// The suggested command.
    pub command: String,
}

/// The kinds of notifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The run has ended.
    RunEnded,
    /// A task has failed without an automatic retry.
    TaskFailed,
    /// The run cannot continue without the user.
    AttentionNeeded,
    /// A worker is parked until its limit resets.
    QuotaParked,
}

impl Kind {
    /// Returns the name in the object.
    pub fn name(self) -> &'static str {
        match self {
            Kind::RunEnded => "run-ended",
            Kind::TaskFailed => "task-failed",
            Kind::AttentionNeeded => "attention-needed",
            Kind::QuotaParked => "quota-parked",
        }
    }
}

/// Returns the notifications for these events, which led to this state.
pub fn notifications(state: &RunState, new: &[Recorded]) -> Vec<Notification> {
    new.iter()
        .flat_map(|recorded| of(state, recorded))
        .collect()
}

fn of(state: &RunState, recorded: &Recorded) -> Vec<Notification> {
    let notify = |kind, message: String, command: String| Notification {
        kind,
        time: recorded.time,
        task: None,
        parked: None,
        exit: None,
        message: plain_line(&message, LIMIT),
        command,
    };
    let run = &state.run;
    match &recorded.event {
        Event::AttemptEnded { task, outcome, .. } => match &outcome.end {
            End::Failed(failure) if state.task(*task).phase == TaskPhase::Failed => {
                let title = &state.plan.task(*task).title;
                let message = format!("{task} {title} failed: {}", failure.message);
                vec![Notification {
                    task: Some(*task),
                    ..notify(Kind::TaskFailed, message, suggest::show(run, *task))
                }]
            }
            _ => Vec::new(),
        },
        Event::WorkerParked {
            worker,
            task,
            until,
            reason,
        } => vec![Notification {
            task: Some(*task),
            parked: Some((worker.clone(), *until)),
            ..notify(
                Kind::QuotaParked,
                parked_sentence(worker, *until, reason),
                suggest::status(run),
            )
        }],
        Event::RunEnded { exit } => {
            let ended = Notification {
                exit: Some(*exit),
                ..notify(Kind::RunEnded, ended(state), suggest::report(run))
            };
            let needed = attention(state).map(|(reason, command)| Notification {
                exit: Some(*exit),
                ..notify(Kind::AttentionNeeded, reason, command)
            });
            [Some(ended), needed].into_iter().flatten().collect()
        }
        _ => Vec::new(),
    }
}

/// Renders `Checkout v2 has ended: 3 of 4 done, 1 failed`.
fn ended(state: &RunState) -> String {
    let view = BoardView::new(state);
    let failed = view.tasks.iter().filter(|row| row.status == Status::Failed);
    let failed = match failed.count() {
        0 => String::new(),
        count => format!(", {count} failed"),
    };
    let (done, all) = (view.done(), view.tasks.len());
    format!("{} has ended: {done} of {all} done{failed}", view.title)
}

/// Returns the reason why the run needs the user, and a command.
fn attention(state: &RunState) -> Option<(String, String)> {
    let view = BoardView::new(state);
    let title = &view.title;
    match view.standing {
        Standing::NeedsAttention => {
            let message = format!("{title} needs attention");
            Some((message, suggest::report(&state.run)))
        }
        Standing::Paused => {
            let message = match view.notices.first() {
                Some(notice) => format!("{title} is waiting: {notice}"),
                None => format!("{title} is paused"),
            };
            Some((message, resume(state)))
        }
        _ => None,
    }
}

impl Notification {
    /// Renders the object; `repository` is the top folder of the main checkout.
    pub fn value(&self, state: &RunState, repository: &str) -> Value {
        let view = BoardView::new(state);
        let failed = view.tasks.iter().filter(|row| row.status == Status::Failed);
        let cost = view
            .spending
            .map_or(Cost::Unknown, |spending| spending.cost);
        let row = self.task.and_then(|task| view.tasks.get(task.index()));
        json!({
            "version": VERSION,
            "event": self.kind.name(),
            "time": self.time.to_string(),
            "run": state.run.as_str(),
            "title": view.title,
            "repository": repository,
            "state": view.standing.word(),
            "message": self.message,
            "command": self.command,
            "exit": self.exit,
            "tasks": view.tasks.len(),
            "done": view.done(),
            "failed": failed.count(),
            "cost": cost,
            "task": row.map(|row| json!({
                "number": row.number.0,
                "tag": row.tag,
                "title": row.title,
                "worker": row.worker,
                "class": row.class.map(|class| class.word()),
            })),
            "worker": self.parked.as_ref().map(|(worker, _)| worker),
            "until": self.parked.as_ref().map(|(_, until)| until.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::FailureClass;
    use crate::model::fixture::{RunFixture, failure, start};

    /// Renders the notifications about the last events as `event: message | command`.
    fn told(run: RunFixture, events: Vec<Event>) -> String {
        let state = events.iter().cloned().fold(run, RunFixture::event).state();
        let new: Vec<Recorded> = (2..)
            .zip(events)
            .map(|(seq, event)| Recorded {
                seq,
                time: start(),
                event,
            })
            .collect();
        let lines = notifications(&state, &new).into_iter().map(|told| {
            let value = told.value(&state, "/shop");
            assert_eq!(value["event"], told.kind.name());
            format!("{}: {} | {}", told.kind.name(), told.message, told.command)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn last(mut run: RunFixture) -> Event {
        let mut event = None;
        run.last_event(|last| event = Some(last.clone()));
        event.unwrap_or(Event::Paused {})
    }

    #[test]
    fn each_event_notifies_at_most_once() {
        let plan = || RunFixture::new("a · b").begin(1, "claude");
        let failed = last(plan().fail(1, "broken"));
        let retry = last(plan().fail(1, "x").retry_later(1));
        let parked = Event::WorkerParked {
            worker: "claude".to_owned(),
            task: TaskNumber(1),
            until: start(),
            reason: "limit\nreached".to_owned(),
        };
        let quota = plan().fail_with(1, failure(FailureClass::Quota, "limit"), 1);
        let said = [
            told(plan(), vec![failed.clone()]),
            told(plan(), vec![failed, retry]),
            told(quota, vec![parked.clone()]),
            told(
                RunFixture::new("a").begin(1, "claude").pass(1, "ok"),
                vec![Event::RunEnded { exit: 0 }],
            ),
            told(plan().fail(1, "broken"), vec![Event::RunEnded { exit: 3 }]),
            told(RunFixture::new("a"), vec![Event::RunEnded { exit: 3 }]),
            told(RunFixture::new("a"), vec![Event::RunEnded { exit: 130 }]),
        ];
        insta::assert_snapshot!(said.join("\n--\n"), @r"
        task-failed: #1 a failed: broken | dispatch show checkout-7k3q 1
        --

        --
        quota-parked: claude is parked until 2026-11-22 09:14 UTC: limit reached | dispatch status checkout-7k3q
        --
        run-ended: Checkout v2 has ended: 1 of 1 done | dispatch report checkout-7k3q
        --
        run-ended: Checkout v2 has ended: 0 of 2 done, 1 failed | dispatch report checkout-7k3q
        attention-needed: Checkout v2 needs attention | dispatch report checkout-7k3q
        --
        run-ended: Checkout v2 has ended: 0 of 1 done | dispatch report checkout-7k3q
        attention-needed: Checkout v2 is paused | dispatch resume checkout-7k3q
        --
        run-ended: Checkout v2 has ended: 0 of 1 done | dispatch report checkout-7k3q
        ");
    }
}
