//! Boards in every state of a run.

use super::{all_passed, assert_board, merged, pretty, running};
use crate::base::golden::assert_golden;
use crate::merge::class::Class;
use crate::model::event::Event;
use crate::model::failure::FailureClass;
use crate::model::fixture::{RunFixture, conflict, failure};
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_state::TaskPhase;
use crate::model::worker_report::WorkerReport;
use crate::report::board::view::{BoardView, Standing};
use crate::report::board::{json, text};

#[test]
fn the_board_of_the_format_page() {
    assert_board("running", running());
}

#[test]
fn the_same_board_for_a_terminal_and_for_programs() {
    let view = BoardView::new(&running().state());
    assert_golden("boards/running.txt", &text::render(&view));
    assert_golden("boards/running.json", &pretty(&json::value(&view)));
}

#[test]
fn a_board_where_nothing_is_done() {
    assert_board("nothing-done", RunFixture::new("Auth · Docs <- Auth"));
}

#[test]
fn retries_skips_and_what_they_block() {
    let limit = || failure(FailureClass::Transient, "429 Too Many Requests");
    let fixture = RunFixture::new(
        "waits · runs again · said more · failed · behind it <- failed · far behind <- behind it, runs again · dropped · cut short · queued again",
    )
    .begin(1, "claude")
    .fail_with(1, limit(), 3)
    .retry_later(1)
    .begin(2, "claude")
    .fail_with(2, limit(), 3)
    .retry_later(2)
    .begin(2, "claude")
    .begin(3, "claude")
    .fail_with(3, limit(), 3)
    .retry_later(3)
    .begin(3, "claude")
    .note(3, "halfway")
    .begin(4, "codex")
    .fail(4, "wrong approach")
    .skip(7, false)
    .begin(8, "claude")
    .end(8, End::Interrupted {}, WorkerReport::default(), 1)
    .begin(9, "claude")
    .fail_with(9, limit(), 3)
    .retry_later(9)
    .event(Event::RetryDue {
        task: TaskNumber(9),
        variant: None,
    });
    assert_board("retries", fixture);
}

#[test]
fn tasks_that_were_not_chosen() {
    assert_board("only", RunFixture::new("Auth · API · Docs").only(&[2]));
}

#[test]
fn a_task_blocked_by_a_conflict_of_its_dependencies() {
    let fixture = RunFixture::new("Auth · API · Docs <- Auth, API · Site <- Docs")
        .begin(1, "claude")
        .pass(1, "done")
        .begin(2, "claude")
        .pass(2, "done")
        .conflicts(vec![
            conflict(1, 2, Class::Content, &["src/app.ts"]),
            TaskConflict {
                inherited: true,
                ..conflict(1, 3, Class::ModifyDelete, &["a", "b", "c"])
            },
        ])
        .event(Event::DependenciesConflict {
            task: TaskNumber(3),
            class: Class::Content,
            between: vec![TaskNumber(1), TaskNumber(2)],
            paths: vec!["src/app.ts".into()],
            attempt: None,
        })
        .ended(3);
    assert_board("blocked-by-conflict", fixture);
}

#[test]
fn the_suggestion_for_a_conflict_follows_the_order_of_the_assembly() {
    let suggested = |merged_tasks: &[u32]| {
        let state = all_passed()
            .conflicts(vec![conflict(1, 3, Class::Content, &["a"])])
            .assembled(merged(merged_tasks))
            .state();
        BoardView::new(&state).conflicts[0].suggested.clone()
    };
    assert_eq!(suggested(&[1, 2]), "merge after #1, re-dispatch #3");
    assert_eq!(suggested(&[2, 3]), "merge after #3, re-dispatch #1");
    assert_eq!(suggested(&[]), "merge after #1, re-dispatch #3");
}

#[test]
fn an_interruption_is_forgotten_when_the_next_attempt_starts() {
    let interrupted = || {
        RunFixture::new("a").begin(1, "shell").end(
            1,
            End::Interrupted {},
            WorkerReport::default(),
            1,
        )
    };
    let note = |run: RunFixture| BoardView::new(&run.state()).tasks[0].note.clone();
    assert_eq!(note(interrupted()), "interrupted");
    assert_eq!(note(interrupted().begin(1, "shell")), "");
    assert_eq!(
        note(interrupted().begin(1, "shell").note(1, "half")),
        "half"
    );
}

#[test]
fn the_standing_tells_if_the_user_has_to_act() {
    let standing = |fixture: RunFixture| BoardView::new(&fixture.state()).standing;
    let run = || RunFixture::new("a · b <- a");
    assert_eq!(standing(run()), Standing::Running);
    assert_eq!(standing(run().fail(1, "x")), Standing::Running);
    assert_eq!(
        standing(run().fail(1, "x").ended(3)),
        Standing::NeedsAttention
    );
    assert_eq!(standing(run().ended(130)), Standing::Interrupted);
    assert_eq!(standing(run().ended(3)), Standing::Paused);
    assert_eq!(standing(run().skip(1, true).ended(0)), Standing::Finished);
    let mut state = run().ended(3).state();
    state.task_mut(TaskNumber(1)).phase = TaskPhase::Cancelled;
    assert_eq!(BoardView::new(&state).standing, Standing::NeedsAttention);
}
