//! The order of the list, and the words above it.

use super::*;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::integration::{Integration, Landing, LeftOut, LeftOutReason, Merged};

/// A run with 1,000 tasks of which the last but one runs.
fn many() -> RunFixture {
    let names: Vec<String> = (1..=1000).map(|number| format!("t{number}")).collect();
    RunFixture::new(&names.join(" · "))
        .begin(1, "shell")
        .pass(1, "made")
        .begin(999, "shell")
}

#[test]
fn a_running_task_is_in_sight_among_a_thousand() {
    for size in [SMALL, USUAL, LARGE] {
        let mut board = Board::new(many(), size);
        let frame = board.frame();
        assert!(frame.contains("#999"), "{frame}");
        // The selection stays where it was, and the list moves from there.
        assert!(frame.contains("▸ #1 "), "{frame}");
        board.type_in("k");
        assert_eq!(board.state.selected, Some(TaskNumber(999)));
        board.type_in("jj");
        assert_eq!(board.state.selected, Some(TaskNumber(2)));
    }
    // A list that fits keeps the order of the plan.
    let few = Board::new(RunFixture::new("a · b · c").begin(3, "shell"), SMALL);
    let numbers = few
        .state
        .rows(&few.view)
        .into_iter()
        .map(|row| row.number.0);
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn nothing_needs_attention_once_it_has_landed() {
    let out = LeftOut {
        task: TaskNumber(2),
        candidate: Oid::ZERO,
        reason: LeftOutReason::Conflict {
            class: Class::Content,
            with: vec![TaskNumber(1)],
            paths: Vec::new(),
            failed_strategies: Vec::new(),
        },
    };
    let ended = || {
        RunFixture::new("a · b")
            .begin(1, "shell")
            .pass(1, "made")
            .begin(2, "shell")
            .pass(2, "made")
            .assembled(Integration {
                left_out: vec![out.clone()],
                ..Integration::default()
            })
            .ended(4)
    };
    let title = |run| {
        Board::new(run, USUAL)
            .frame()
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(title(ended()).ends_with("needs attention"));
    let landed = ended().event(Event::Landed {
        landing: Landing {
            target: "main".to_owned(),
            from: Oid::ZERO,
            to: Oid::ZERO,
            at: start(),
            backup: None,
        },
    });
    assert!(title(landed).ends_with("landed on main"));
}

#[test]
fn a_conflict_that_the_assembly_resolved_is_not_counted() {
    let merged = |task| Merged {
        task: TaskNumber(task),
        candidate: Oid::ZERO,
        commit: Oid::ZERO,
        resolved: Vec::new(),
    };
    let counts = |run| Board::new(run, USUAL).frame().contains("1 conflict");
    let both = || {
        RunFixture::new("a · b")
            .begin(1, "shell")
            .pass(1, "made")
            .begin(2, "shell")
            .pass(2, "made")
            .conflicts(vec![conflict(1, 2, Class::Content, &["a.txt"])])
    };
    assert!(counts(both()));
    let integration = Integration {
        merged: vec![merged(1), merged(2)],
        ..Integration::default()
    };
    assert!(!counts(both().assembled(integration).ended(0)));
}
