//! Boards of several runs as golden files.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use crate::base::golden::assert_golden;
use crate::merge::change::ChangeStat;
use crate::merge::class::{Class, HunkClass};
use crate::merge::verdict::{Hunk, LineRange};
use crate::model::event::Event;
use crate::model::failure::FailureClass;
use crate::model::fixture::{RunFixture, base, candidate, conflict, failure, start};
use crate::model::ids::TaskNumber;
use crate::model::integration::{
    CheckOutcome, CheckResult, Integration, Landing, LeftOut, LeftOutReason, Merged,
};
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_state::TaskPhase;
use crate::model::worker_report::WorkerReport;
use crate::report::board::incremental::IncrementalBoard;
use crate::report::board::view::{BoardView, Standing, TaskRow};
use crate::report::board::{json, markdown, text};
use crate::report::completion::Completion;
use crate::report::suggest;

fn assert_board(name: &str, fixture: RunFixture) {
    let rendered = markdown::render(&BoardView::new(&fixture.state()));
    assert!(markdown::is_board(&rendered));
    assert_golden(&format!("boards/{name}.md"), &rendered);
}

fn assert_completion(name: &str, state: &RunState) {
    assert!(Completion::is_due(state));
    let rendered = Completion::new(state).render_markdown();
    assert_golden(&format!("boards/{name}.md"), &rendered);
}

/// The run of the format page.
fn running() -> RunFixture {
    RunFixture::new("Auth module · API routes · Test infra · API docs <- API routes")
        .tags(&["AUTH", "API", "TEST", "DOCS"])
        .begin(1, "claude")
        .begin(2, "claude")
        .begin(3, "codex")
        .pass(1, "JWT + refresh tokens implemented")
        .note(2, "6/8 endpoints complete")
        .fail_with(
            3,
            failure(FailureClass::Input, "vitest not in package.json"),
            9,
        )
        .conflicts(vec![
            conflict(1, 2, Class::Content, &["src/app.ts"]),
            conflict(1, 3, Class::AutoMerged, &["package.json"]),
        ])
}

fn all_passed() -> RunFixture {
    let report = WorkerReport {
        summary: Some("8 endpoints\nwith validation".to_owned()),
        decisions: vec![
            "chose Zod over Joi for validation (matched existing patterns)".to_owned(),
            "Errors are `Problem` objects".to_owned(),
        ],
        issues: vec!["The rate limiter has no test".to_owned()],
        next_steps: vec!["Add `User` seeds".to_owned()],
        ..WorkerReport::default()
    };
    RunFixture::new("Auth module · API routes · Test infra · API docs <- API routes")
        .tags(&["AUTH", "API", "T3", "DOCS"])
        .begin(1, "claude")
        .begin(2, "claude")
        .begin(3, "shell")
        .pass(1, "JWT auth with refresh tokens at `src/auth`")
        .pass_with(2, report, (1, 40, 0))
        .pass(3, "")
        .begin(4, "claude")
        .pass(4, "")
}

fn merged(tasks: &[u32]) -> Integration {
    let merged = |task: &u32| Merged {
        task: TaskNumber(*task),
        candidate: candidate(*task),
        commit: candidate(100 + task),
        resolved: Vec::new(),
    };
    Integration {
        merged: tasks.iter().map(merged).collect(),
        tip: Some(candidate(200)),
        code_tip: Some(candidate(201)),
        ..Integration::default()
    }
}

fn check(command: &str, result: CheckOutcome, tail: &str) -> CheckResult {
    CheckResult {
        command: command.to_owned(),
        result,
        millis: 12_000,
        tail: tail.to_owned(),
        failed_tests: Vec::new(),
        fixed_tests: Vec::new(),
        against_base: None,
        flaky: false,
    }
}

fn both_add_entries() -> TaskConflict {
    let mut conflict = conflict(1, 2, Class::AutoMerged, &["package.json"]);
    let line = LineRange { start: 3, count: 1 };
    conflict.units[0].hunks.push(Hunk {
        class: HunkClass::InsertInsert,
        base: line,
        a: line,
        b: line,
    });
    conflict
}

fn broken() -> RunFixture {
    let left_out = |task, reason| LeftOut {
        task: TaskNumber(task),
        candidate: candidate(task),
        reason,
    };
    let integration = Integration {
        left_out: vec![
            left_out(
                2,
                LeftOutReason::Conflict {
                    class: Class::Content,
                    with: vec![TaskNumber(1)],
                    paths: vec!["src/app.ts".into(), "src/b|c.ts".into()],
                    failed_strategies: Vec::new(),
                },
            ),
            left_out(
                4,
                LeftOutReason::BuiltOn {
                    task: TaskNumber(2),
                },
            ),
        ],
        checks: vec![
            check("npm run build", CheckOutcome::Passed, ""),
            check("npm test", CheckOutcome::Failed, "FAIL\nExpected 3\n"),
        ],
        ..merged(&[1, 3])
    };
    all_passed()
        .conflicts(vec![conflict(
            1,
            2,
            Class::Content,
            &["src/app.ts", "src/b|c.ts"],
        )])
        .assembled(integration)
        .ended(4)
}

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

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
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
fn nasty_text_stays_in_its_cell() {
    let nasty = "x|y `z` <b>&amp; \u{1b}[31mred\u{1b}[0m \u{202e}bidi\u{7}\r\n| 9 | fake | row |";
    let fixture = || {
        RunFixture::new("a · b · c")
            .title("Nasty <script>\n# `two`\u{1b}]0;x\u{7}")
            .with_task(1, |task| task.title = nasty.to_owned())
            .with_task(2, |task| task.title = "日本語のタイトル".repeat(1_000))
            .begin(1, "cl|aude")
            .note(1, nasty)
            .begin(2, "claude")
            .fail(2, &"long | words ".repeat(1_000))
            .conflicts(vec![conflict(1, 2, Class::AddAdd, &["a|b`c", "\u{202e}"])])
    };
    assert_board("nasty", fixture());
    let view = BoardView::new(&fixture().state());
    let shown = text::render_within(&view, 100);
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}']));
    assert_golden("boards/nasty.txt", &shown);
    for row in &view.tasks {
        assert!(row.note.chars().count() <= 120);
    }
}

#[test]
fn a_table_row_has_as_many_cells_as_its_header() {
    let rendered = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/boards/nasty.md"),
    );
    for row in rendered
        .unwrap()
        .lines()
        .filter(|line| line.starts_with('|'))
    {
        let bars = row
            .replace("\\\\", "")
            .replace("\\|", "")
            .matches('|')
            .count();
        assert!(bars == 6 || bars == 5, "{row}");
    }
}

#[test]
fn the_report_of_a_completed_run() {
    let state = all_passed()
        .conflicts(vec![both_add_entries()])
        .assembled(merged(&[1, 2, 3, 4]))
        .ended(0)
        .state();
    assert_completion("complete", &state);
    assert_golden(
        "boards/complete.json",
        &pretty(&Completion::new(&state).value()),
    );
    assert_eq!(BoardView::new(&state).standing, Standing::Finished);
}

#[test]
fn every_board_marks_an_incomplete_assembly() {
    let state = broken().state();
    assert_completion("complete-broken", &state);
    let view = BoardView::new(&state);
    assert_eq!(view.standing, Standing::NeedsAttention);
    assert_golden("boards/complete-broken.txt", &text::render(&view));
    assert_golden("boards/complete-broken.json", &pretty(&json::value(&view)));
}

#[test]
fn reports_of_info_tasks_skipped_tasks_and_nothing_to_land() {
    let state = RunFixture::new("Audit · Long audit · Docs")
        .begin(1, "claude")
        .inform(1, "# Findings\n\n```\ncode\n```\n<b>two</b>\u{1b}[0m")
        .begin(2, "claude")
        .inform(2, &"line\n".repeat(2_000))
        .skip(3, false)
        .ended(0)
        .state();
    assert_completion("complete-info", &state);
}

#[test]
fn next_steps_follow_from_the_state_of_the_run() {
    let steps = |fixture: RunFixture| {
        let report = Completion::new(&fixture.state()).render_markdown();
        let at = report.find("### Suggested next steps").unwrap();
        report[at..].to_owned()
    };
    let by_user = Integration {
        left_out: vec![LeftOut {
            task: TaskNumber(1),
            candidate: candidate(1),
            reason: LeftOutReason::ByUser,
        }],
        ..merged(&[2])
    };
    let landing = Landing {
        target: "main".to_owned(),
        from: base(),
        to: candidate(200),
        at: start(),
        backup: None,
    };
    let run = || {
        RunFixture::new("a · b")
            .begin(1, "x")
            .pass(1, "")
            .begin(2, "x")
            .pass(2, "")
    };
    let timed_out = Integration {
        checks: vec![check("make", CheckOutcome::TimedOut, "")],
        ..merged(&[1, 2])
    };
    let beside_a_conflict = Integration {
        left_out: vec![LeftOut {
            task: TaskNumber(2),
            candidate: candidate(2),
            reason: LeftOutReason::Conflict {
                class: Class::Content,
                with: vec![TaskNumber(1)],
                paths: vec!["a".into()],
                failed_strategies: Vec::new(),
            },
        }],
        ..merged(&[1])
    };
    let all = [
        RunFixture::new("a · b · c")
            .begin(1, "x")
            .pass(1, "")
            .begin(2, "x")
            .pass(2, "")
            .begin(3, "x")
            .fail(3, "broken")
            .assembled(beside_a_conflict)
            .ended(3),
        run().without_assembly(),
        run().assembled(by_user),
        run().assembled(timed_out),
        run().assembled(merged(&[1, 2])).event(Event::Landed {
            landing: landing.clone(),
        }),
        run()
            .assembled(merged(&[1, 2]))
            .event(Event::Landed {
                landing: landing.clone(),
            })
            .event(Event::LandingUndone { landing }),
    ];
    insta::assert_snapshot!(all.map(steps).join("\n"), @r"
    ### Suggested next steps
    1. Fix what made #3 fail, then run it again: `dispatch retry checkout-7k3q 3`
    2. See what conflicts: `dispatch conflicts checkout-7k3q`
    3. Try #2 again: `dispatch retry checkout-7k3q 2`
    4. Or resolve the conflict of #2 by hand: `dispatch resolve checkout-7k3q 2`
    5. Assemble again: `dispatch assemble checkout-7k3q`
    6. Or land the incomplete result without #2 and #3: `dispatch land checkout-7k3q`

    ### Suggested next steps
    1. Assemble: `dispatch assemble checkout-7k3q`
    2. Review: `dispatch review checkout-7k3q`
    3. Land: `dispatch land checkout-7k3q`

    ### Suggested next steps
    1. Review: `dispatch review checkout-7k3q`
    2. Land without #1 (left out by the user): `dispatch land checkout-7k3q`

    ### Suggested next steps
    1. Review the changes, because the check `make` timed out: `dispatch review checkout-7k3q`
    2. Assemble again: `dispatch assemble checkout-7k3q`
    3. Or land the incomplete result, although the check `make` timed out: `dispatch land checkout-7k3q --force`

    ### Suggested next steps
    1. It landed on main at 2026-11-22 09:14 UTC; clean up: `dispatch clean checkout-7k3q`
    2. Or undo the landing: `dispatch unland checkout-7k3q`

    ### Suggested next steps
    1. Review: `dispatch review checkout-7k3q`
    2. Land again, because the landing on main was undone at 2026-11-22 09:14 UTC: `dispatch land checkout-7k3q`
    ");
}

#[test]
fn every_command_in_a_report_is_a_known_one() {
    let known = |task| suggest::all(&broken().state().run, TaskNumber(task));
    let known: Vec<_> = (1..=9).flat_map(known).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/boards");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let content = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let commands = content
            .split('`')
            .filter(|span| span.starts_with("dispatch "));
        for command in commands {
            seen += 1;
            // Only landing in spite of a failed check takes this option.
            let command = command.strip_suffix(" --force").unwrap_or(command);
            assert!(known.iter().any(|known| known == command), "{command}");
        }
    }
    assert!(seen > 20);
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

#[test]
fn other_text_is_not_a_board() {
    assert!(!markdown::is_board(
        "# Dispatch: notes of ours\n\nRun the trains.\n"
    ));
    assert!(!markdown::is_board(""));
    assert_eq!(
        ChangeStat {
            files: 1,
            added: 2,
            removed: 3
        }
        .to_string(),
        "1 file, +2 −3"
    );
}

#[test]
fn only_the_rows_of_affected_tasks_change() {
    let runs = [
        RunFixture::new("a · b <- a · c <- b · d · e")
            .pass(1, "done")
            .begin(4, "shell")
            .note(4, "half way")
            .fail(4, "broken")
            .retry_later(4)
            .pass(2, "done")
            .fail(3, "broken")
            .begin(5, "shell"),
        RunFixture::new("a · b <- a · c <- b · d")
            .fail(1, "broken")
            .skip(4, true)
            .ended(3),
    ];
    for run in runs {
        let mut before: Option<BoardView> = None;
        let mut narrow = 0;
        let mut incremental = IncrementalBoard::default();
        run.fold(|state, recorded| {
            let view = BoardView::new(state);
            incremental.apply(state, recorded);
            assert_eq!(incremental.render(state), markdown::render(&view));
            let affected = state.affected_by(std::slice::from_ref(recorded));
            if let (Some(before), Some(affected)) = (&before, &affected) {
                narrow += 1;
                for (old, new) in before.tasks.iter().zip(&view.tasks) {
                    assert!(old == new || affected.contains(&new.number), "{recorded:?}");
                }
            }
            for row in &view.tasks {
                assert_eq!(TaskRow::of(state, row.number), *row);
            }
            before = Some(view);
        });
        assert!(narrow > 1);
    }
}

#[test]
fn no_word_of_the_board_is_broken_at_any_width() {
    let state = RunFixture::new(
        "Build the checkout page with every payment provider · Write the documentation of it",
    )
    .begin(1, "claude")
    .fail(
        1,
        "the provider refuses the connection without a word about it",
    )
    .begin(2, "shell")
    .pass(2, "every endpoint is described with an example")
    .state();
    let view = BoardView::new(&state);
    let words = |columns| -> BTreeSet<String> {
        let text = text::render_within(&view, columns);
        let lines = text.lines();
        let widest = lines.map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns), "{text}");
        text.split_whitespace().map(str::to_owned).collect()
    };
    let whole = words(usize::MAX);
    assert!(whole.len() > 30);
    for columns in [60, 80, 120] {
        assert_eq!(words(columns), whole, "{columns}");
    }
}
