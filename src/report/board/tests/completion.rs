//! Reports of runs that completed, and their next steps.

use super::{all_passed, assert_completion, both_add_entries, broken, check, merged, pretty};
use crate::base::golden;
use crate::base::golden::assert_golden;
use crate::merge::class::Class;
use crate::model::event::Event;
use crate::model::fixture::{RunFixture, base, candidate, start};
use crate::model::ids::TaskNumber;
use crate::model::integration::{CheckOutcome, Integration, Landing, LeftOut, LeftOutReason};
use crate::report::board::view::{BoardView, Standing};
use crate::report::board::{json, text};
use crate::report::completion::Completion;
use crate::report::suggest;

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
    let mut seen = 0;
    for content in golden::texts("boards") {
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
