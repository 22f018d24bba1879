//! The actions of the pages, with `--allow-actions` only: each is asked for on a page of its own, and
//! carried out by the functions of the engine that the commands use.

pub(super) mod carry_out;
pub(super) mod form;
pub(super) mod hindrance;
pub(super) mod land;
pub(super) mod line;
pub(super) mod refused;

use crate::model::ids::TaskNumber;
use crate::model::run::RunPhase;
use crate::model::status::Status;
use crate::report::board::view::Standing;
use crate::web::reader::Snapshot;

/// Something that the user can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Starts no new tasks.
    Pause,
    /// Ends a pause.
    Resume,
    /// Cancels every unfinished task.
    CancelAll,
    /// Lands the run.
    Land,
    /// Cancels a task.
    Cancel(TaskNumber),
    /// Retries a task.
    Retry(TaskNumber),
    /// Includes a result that was left out.
    Accept(TaskNumber),
    /// Assembles without a result.
    LeaveOut(TaskNumber),
    /// Retries a task that passed, with a comment.
    SendBack(TaskNumber),
}

impl Action {
    /// Returns its name in addresses.
    pub(super) fn name(self) -> String {
        match self {
            Action::Pause => "pause".to_owned(),
            Action::Resume => "resume".to_owned(),
            Action::CancelAll => "cancel-all".to_owned(),
            Action::Land => "land".to_owned(),
            Action::Cancel(task) => format!("cancel-{}", task.0),
            Action::Retry(task) => format!("retry-{}", task.0),
            Action::Accept(task) => format!("accept-{}", task.0),
            Action::LeaveOut(task) => format!("leave-out-{}", task.0),
            Action::SendBack(task) => format!("send-back-{}", task.0),
        }
    }

    /// Parses a name, in exactly the form that [`Action::name`] writes.
    pub(super) fn parse(name: &str) -> Option<Action> {
        let action = match name {
            "pause" => Action::Pause,
            "resume" => Action::Resume,
            "cancel-all" => Action::CancelAll,
            "land" => Action::Land,
            _ => {
                let (verb, number) = name.rsplit_once('-')?;
                let task = TaskNumber(number.parse().ok()?);
                match verb {
                    "cancel" => Action::Cancel(task),
                    "retry" => Action::Retry(task),
                    "accept" => Action::Accept(task),
                    "leave-out" => Action::LeaveOut(task),
                    "send-back" => Action::SendBack(task),
                    _ => return None,
                }
            }
        };
        (action.name() == name).then_some(action)
    }

    /// Returns the task, if it is about one.
    pub(super) fn task(self) -> Option<TaskNumber> {
        match self {
            Action::Pause | Action::Resume | Action::CancelAll | Action::Land => None,
            Action::Cancel(task)
            | Action::Retry(task)
            | Action::Accept(task)
            | Action::LeaveOut(task)
            | Action::SendBack(task) => Some(task),
        }
    }

    /// Returns the words of its button.
    pub(super) fn words(self) -> &'static str {
        match self {
            Action::Pause => "Pause",
            Action::Resume => "Resume",
            Action::CancelAll => "Cancel all",
            Action::Land => "Land",
            Action::Cancel(_) => "Cancel",
            Action::Retry(_) => "Retry",
            Action::Accept(_) => "Accept",
            Action::LeaveOut(_) => "Leave out",
            Action::SendBack(_) => "Send back",
        }
    }
}

/// Lists the actions that a page offers: those of a task, or those of the run.
pub(super) fn offered(snapshot: &Snapshot, task: Option<TaskNumber>) -> Vec<Action> {
    match task {
        Some(task) => offered_for_task(snapshot, task),
        None => offered_for_run(snapshot),
    }
}

fn offered_for_run(snapshot: &Snapshot) -> Vec<Action> {
    let state = &snapshot.state;
    match state.phase {
        RunPhase::Running if snapshot.is_driven => vec![Action::Pause, Action::CancelAll],
        RunPhase::Paused if snapshot.is_driven => vec![Action::Resume, Action::CancelAll],
        RunPhase::Running | RunPhase::Paused | RunPhase::Stopping if can_resume(snapshot) => {
            vec![Action::Resume]
        }
        RunPhase::Ended(_) if state.landed.is_none() && state.integration.is_some() => {
            vec![Action::Land]
        }
        _ => Vec::new(),
    }
}

/// Returns `true` for a run of this clone that ended before its end.
fn can_resume(snapshot: &Snapshot) -> bool {
    !snapshot.is_driven && snapshot.board.standing != Standing::Elsewhere
}

fn offered_for_task(snapshot: &Snapshot, task: TaskNumber) -> Vec<Action> {
    let state = &snapshot.state;
    if snapshot.is_driven {
        let is_over = state.task(task).phase.is_over();
        return if is_over {
            Vec::new()
        } else {
            vec![Action::Cancel(task)]
        };
    }
    if snapshot.is_live() {
        return Vec::new();
    }
    let has_candidate = state.task(task).candidate().is_some();
    match state.status(task) {
        Status::Failed | Status::Skipped | Status::Cancelled => vec![Action::Retry(task)],
        Status::Done if state.landed.is_none() && has_candidate => {
            let decision = match state.task(task).rejected {
                true => Action::Accept(task),
                false => Action::LeaveOut(task),
            };
            vec![decision, Action::SendBack(task)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;
    use crate::report::board::view::BoardView;

    use super::*;

    fn names(actions: &[Action]) -> String {
        let names: Vec<String> = actions.iter().map(|action| action.name()).collect();
        names.join(" ")
    }

    #[test]
    fn a_page_offers_what_the_run_can_take() {
        let run = || RunFixture::new("a · b <- a").begin(1, "shell");
        let all = |run: RunFixture, is_driven| {
            let state = run.state();
            let board = BoardView::new(&state);
            let snapshot = Snapshot::new(state, board, is_driven);
            let tasks = [1, 2].map(|task| names(&offered(&snapshot, Some(TaskNumber(task)))));
            format!(
                "{} | {}",
                names(&offered(&snapshot, None)),
                tasks.join(" | ")
            )
        };
        let shown = [
            all(run(), true),
            all(run(), false),
            all(run().pass(1, "made"), true),
            all(run().pass(1, "made").ended(0), false),
            all(run().fail(1, "broken").ended(3), false),
        ];
        insta::assert_snapshot!(shown.join("\n"), @r"
        pause cancel-all | cancel-1 | cancel-2
        resume |  | 
        pause cancel-all |  | cancel-2
         | leave-out-1 send-back-1 | 
         | retry-1 |
        ");
    }

    #[test]
    fn a_name_leads_back_to_its_action_and_no_other_name_does() {
        let task = TaskNumber(12);
        for action in [
            Action::Pause,
            Action::Resume,
            Action::CancelAll,
            Action::Land,
            Action::Cancel(task),
            Action::Retry(task),
            Action::Accept(task),
            Action::LeaveOut(task),
            Action::SendBack(task),
        ] {
            assert_eq!(Action::parse(&action.name()), Some(action));
        }
        for name in [
            "", "clean", "retry", "retry-", "retry-01", "retry--1", "Land", "land-1",
        ] {
            assert_eq!(Action::parse(name), None, "{name}");
        }
    }
}
