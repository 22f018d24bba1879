//! Says why a run or a task cannot take an action now.

use crate::model::ids::TaskNumber;
use crate::model::run::RunPhase;
use crate::report::board::view::Standing;
use crate::report::suggest;
use crate::web::actions::Action;
use crate::web::reader::Snapshot;

/// Returns the reason why an action is not offered now, as a sentence.
pub(in crate::web) fn hindrance(snapshot: &Snapshot, action: Action) -> String {
    let (run, phase) = (&snapshot.state.run, &snapshot.state.phase);
    let has_ended = matches!(phase, RunPhase::Ended(_));
    let sentence = match action {
        Action::Pause | Action::Resume | Action::CancelAll | Action::Cancel(_) if has_ended => {
            format!("{run} has ended")
        }
        Action::Pause | Action::Resume | Action::CancelAll | Action::Cancel(_)
            if !snapshot.is_driven =>
        {
            not_driven(snapshot)
        }
        Action::Pause if *phase == RunPhase::Paused => format!("{run} is paused already"),
        Action::Resume if *phase == RunPhase::Running => format!("{run} is not paused"),
        Action::Pause | Action::Resume | Action::CancelAll => format!("{run} is stopping"),
        Action::Cancel(task) => format!("{task} is {}", status(snapshot, task)),
        Action::Land
        | Action::Retry(_)
        | Action::Accept(_)
        | Action::LeaveOut(_)
        | Action::SendBack(_)
            if !has_ended =>
        {
            match snapshot.is_driven {
                true => format!("{run} has not ended, and takes this only then"),
                false => not_driven(snapshot),
            }
        }
        Action::Land if snapshot.state.landed.is_some() => format!("{run} has already landed"),
        Action::Land => format!("{run} has no assembled result"),
        Action::Retry(task) => format!(
            "{task} is {}; only a task that failed, was skipped or was cancelled is retried",
            status(snapshot, task)
        ),
        Action::Accept(task) | Action::LeaveOut(task) | Action::SendBack(task) => {
            no_review(snapshot, action, task)
        }
    };
    format!("{sentence}.")
}

fn not_driven(snapshot: &Snapshot) -> String {
    let run = &snapshot.state.run;
    match snapshot.board.standing {
        Standing::Elsewhere => format!("{run} goes on in another clone, which alone can change it"),
        _ => format!(
            "no process drives {run}; \"Resume\" on its board or `{}` resumes it",
            suggest::resume(run)
        ),
    }
}

fn no_review(snapshot: &Snapshot, action: Action, task: TaskNumber) -> String {
    let state = &snapshot.state;
    if state.landed.is_some() {
        return format!("{} has already landed", state.run);
    }
    if state.task(task).candidate().is_none() {
        return format!(
            "{task} is {} and has no result to review",
            status(snapshot, task)
        );
    }
    match (action, state.task(task).rejected) {
        (Action::Accept(_), false) => format!("{task} is not left out"),
        (Action::LeaveOut(_), true) => format!("{task} is left out already"),
        _ => format!("{task} is {}", status(snapshot, task)),
    }
}

fn status(snapshot: &Snapshot, task: TaskNumber) -> String {
    snapshot.state.status(task).to_string()
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;
    use crate::report::board::view::BoardView;

    use super::*;

    fn said(run: RunFixture, is_driven: bool, action: Action) -> String {
        let state = run.state();
        let board = BoardView::new(&state);
        hindrance(&Snapshot::new(state, board, is_driven), action)
    }

    #[test]
    fn the_reason_is_the_one_that_holds() {
        let run = || RunFixture::new("a · b <- a").begin(1, "shell");
        let (one, two) = (TaskNumber(1), TaskNumber(2));
        let passed = || run().pass(1, "made");
        let reasons = [
            said(run(), true, Action::Resume),
            said(run(), false, Action::Pause),
            said(run(), true, Action::Land),
            said(run(), false, Action::Retry(one)),
            said(passed(), true, Action::Cancel(one)),
            said(passed().ended(0), false, Action::CancelAll),
            said(passed().ended(0), false, Action::Land),
            said(passed().ended(0), false, Action::Retry(one)),
            said(passed().ended(0), false, Action::Accept(one)),
            said(
                run().fail(1, "broken").ended(3),
                false,
                Action::SendBack(two),
            ),
        ];
        insta::assert_snapshot!(reasons.join("\n"), @r#"
        checkout-7k3q is not paused.
        no process drives checkout-7k3q; "Resume" on its board or `dispatch resume checkout-7k3q` resumes it.
        checkout-7k3q has not ended, and takes this only then.
        no process drives checkout-7k3q; "Resume" on its board or `dispatch resume checkout-7k3q` resumes it.
        #1 is DONE.
        checkout-7k3q has ended.
        checkout-7k3q has no assembled result.
        #1 is DONE; only a task that failed, was skipped or was cancelled is retried.
        #1 is not left out.
        #2 is BLOCKED (by #1) and has no result to review.
        "#);
    }
}
