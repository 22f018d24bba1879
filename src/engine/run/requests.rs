//! Translates requests of other processes into events.

use crate::control::{Request, Response};
use crate::model::event::Event;
use crate::model::ids::{AttemptKey, TaskNumber};
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;

/// Returns the events of a request, or the reason why it is not possible now.
///
/// # Errors
/// The reason, as the answer.
pub fn events(state: &RunState, request: &Request) -> Result<Vec<Event>, Response> {
    match request {
        Request::Pause if state.phase == RunPhase::Running => Ok(vec![Event::Paused {}]),
        Request::Pause => Err(refused(format!("{} is not running", state.run))),
        Request::Resume if state.phase == RunPhase::Paused => Ok(vec![Event::Unpaused {}]),
        Request::Resume => Err(refused(format!("{} is not paused", state.run))),
        // The process that drives the run stops it as Ctrl-C does, which is more than an event.
        Request::Stop => Err(refused(format!("no process drives {}", state.run))),
        Request::Tell { task, .. } if is_closed(state, *task) => Err(refused(format!(
            "{task} is {}, so no attempt will read a message; `dispatch retry {} {} --prompt TEXT` \
             runs it again",
            state.status(*task),
            state.run,
            task.0
        ))),
        Request::Tell { task, text } => Ok(vec![Event::MessageGiven {
            task: *task,
            text: text.clone(),
        }]),
        Request::Delivered {
            task,
            attempt,
            message,
        } => Ok(vec![Event::MessageDelivered {
            task: *task,
            attempt: *attempt,
            message: *message,
        }]),
        Request::Waits { task, attempt, .. } if !is_live(state, (*task, *attempt)) => Err(refused(
            format!("attempt {attempt} of {task} has ended meanwhile"),
        )),
        Request::Waits {
            task,
            attempt,
            message,
        } => Ok(vec![Event::MessageWaits {
            task: *task,
            attempt: *attempt,
            message: *message,
        }]),
        Request::Prioritize { task, .. } if state.task(*task).phase.is_over() => Err(refused(
            format!("{task} has ended: {}", state.status(*task)),
        )),
        Request::Prioritize { task, by } => Ok(vec![Event::PrioritySet {
            task: *task,
            priority: state.plan.task(*task).fields.priority.saturating_add(*by),
        }]),
        Request::Skip { task, cascade } => match state.task(*task).phase {
            TaskPhase::Done => Err(refused(format!("{task} is done and cannot be skipped"))),
            TaskPhase::Running | TaskPhase::Choosing => Err(refused(format!("{task} is running"))),
            _ => Ok(vec![Event::TaskSkipped {
                task: *task,
                cascade: *cascade,
            }]),
        },
        Request::Cancel { task: Some(task) } if state.task(*task).phase.is_over() => Err(refused(
            format!("{task} has ended: {}", state.status(*task)),
        )),
        Request::Cancel { task: Some(task) } => Ok(vec![Event::TaskCancelled { task: *task }]),
        Request::Cancel { task: None } => {
            let open = state.plan.tasks().iter().map(|task| task.number);
            let open = open.filter(|task| !state.task(*task).phase.is_over());
            let cancelled = open.map(|task| Event::TaskCancelled { task });
            // A pause keeps a run from ending, and there is nothing left to hold back.
            let unpaused = (state.phase == RunPhase::Paused).then_some(Event::Unpaused {});
            Ok(cancelled.chain(unpaused).collect())
        }
    }
}

fn is_live(state: &RunState, (task, attempt): AttemptKey) -> bool {
    let mut live = state.task(task).live_attempts();
    live.any(|live| live.number == attempt)
}

fn is_closed(state: &RunState, task: TaskNumber) -> bool {
    let phase = &state.task(task).phase;
    matches!(phase, TaskPhase::Done | TaskPhase::Skipped { .. })
}

fn refused(why: String) -> Response {
    Response::Refused { why }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::fixture::RunFixture;

    #[test]
    fn a_task_is_skipped_unless_it_is_done_or_running() {
        let skip = |run: RunFixture| {
            let task = TaskNumber(1);
            events(
                &run.state(),
                &Request::Skip {
                    task,
                    cascade: true,
                },
            )
        };
        let run = || RunFixture::new("a · b <- a");
        let skipped = Event::TaskSkipped {
            task: TaskNumber(1),
            cascade: true,
        };
        assert_eq!(skip(run()), Ok(vec![skipped.clone()]));
        assert_eq!(skip(run().fail(1, "broken")), Ok(vec![skipped]));
        let running = skip(run().begin(1, "shell"));
        assert_eq!(running, Err(refused("#1 is running".to_owned())));
        let done = skip(run().begin(1, "shell").pass(1, "made"));
        let message = "#1 is done and cannot be skipped";
        assert_eq!(done, Err(refused(message.to_owned())));
    }

    #[test]
    fn a_priority_is_raised_from_the_last_one_until_the_task_has_ended() {
        let raise = |run: RunFixture, by| {
            let task = TaskNumber(2);
            events(&run.state(), &Request::Prioritize { task, by })
        };
        let run = || RunFixture::new("a · b").with_task(2, |task| task.fields.priority = 3);
        let set = |priority| Event::PrioritySet {
            task: TaskNumber(2),
            priority,
        };
        assert_eq!(raise(run(), 1), Ok(vec![set(4)]));
        assert_eq!(raise(run().event(set(4)), -2), Ok(vec![set(2)]));
        let state = run().event(set(4)).state();
        assert_eq!(state.plan.task(TaskNumber(2)).fields.priority, 4);
        let ended = raise(run().pass(2, "done"), 1);
        assert_eq!(ended, Err(refused("#2 has ended: DONE".to_owned())));
    }
}
