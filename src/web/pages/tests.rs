//! The pages of a run as text. Every element begins a line.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use crate::merge::class::{Class, HunkClass};
use crate::merge::oid::Oid;
use crate::merge::verdict::{Hunk, LineRange, PairVerdict, Unit, Verdict};
use crate::merge::versions::FileVersions;
use crate::model::fixture::{RunFixture, conflict, start};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::report::board::view::BoardView;
use crate::report::pair::{PairInput, PairSide, PairView};
use crate::report::patch::parse_patch;
use crate::report::task::TaskView;
use crate::report::timeline::Timeline;
use crate::web::pages::task::{Log, TaskPage};
use crate::web::pages::{self, Frame, Medium, Subject};
use crate::web::place::Place;

const HOSTILE: &str = "<b onclick=x>\"' & \u{202e}evil</b>";

/// A run with a passed, a failed and a blocked task, and a conflict.
fn run() -> RunState {
    let run = RunFixture::new("a · b · c <- b")
        .title(HOSTILE)
        .with_task(1, |task| {
            task.title = HOSTILE.to_owned();
            task.prompt = format!("Do it\n{HOSTILE}");
        })
        .begin(1, "claude")
        .pass(1, "made")
        .begin(2, "shell")
        .fail(2, HOSTILE)
        .ended(3);
    let mut state = run.state();
    state.conflicts = vec![conflict(1, 2, Class::Content, &["src/<app>.ts"])];
    state
}

fn frame(state: &RunState, place: Place, medium: Medium) -> Frame<'_> {
    Frame {
        title: HOSTILE,
        subject: Some(Subject {
            run: &state.run,
            version: "7-finished",
            is_live: false,
        }),
        place: Some(place),
        medium,
    }
}

/// Returns the content of a page, one element a line.
fn content(page: &str) -> String {
    let main = page.split_once("<main").map_or(page, |(_, rest)| rest);
    let main = main.split_once("</main>").map_or(main, |(main, _)| main);
    format!("<main{main}").replace("><", ">\n<")
}

#[test]
fn the_frame_has_the_navigation_and_loads_only_what_is_compiled_in() {
    let state = run();
    let frame = frame(&state, Place::Timeline, Medium::Served);
    let empty = maud::html! { p { "text" } };
    insta::assert_snapshot!(frame.render(&empty).replace("><", ">\n<"), @"");
    let of_file = Frame {
        medium: Medium::File,
        ..frame
    };
    let page = of_file.render(&empty);
    assert!(!page.contains("<script") && !page.contains("data-events"));
}

#[test]
fn the_board_has_tasks_conflicts_and_notes() {
    let state = run();
    let frame = frame(&state, Place::Board, Medium::Served);
    let page = pages::board::render(&frame, &BoardView::new(&state), &maud::html! {});
    insta::assert_snapshot!(content(&page), @"");
}

#[test]
fn the_matrix_has_a_cell_for_each_pair() {
    let state = run();
    let frame = frame(&state, Place::Matrix, Medium::Served);
    let page = pages::matrix::render(&frame, &BoardView::new(&state));
    let page = content(&page);
    let matrix = page.split_once("<table class=\"matrix\"").unwrap().1;
    let matrix = matrix.split_once("</table>").unwrap().0;
    insta::assert_snapshot!(matrix, @"");
}

#[test]
fn the_timeline_has_bars_and_the_same_times_in_words() {
    let state = run();
    let frame = frame(&state, Place::Timeline, Medium::Served);
    let page = pages::timeline::render(&frame, &Timeline::new(&state, start()));
    let page = content(&page);
    let table = page.split_once("<tbody>").unwrap().1;
    insta::assert_snapshot!(table.split_once("</tbody>").unwrap().0, @"");
}

#[test]
fn the_page_of_a_task_has_its_attempts_its_change_and_its_log() {
    let state = run();
    let patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-let a = <b>;\n+let a = <c>;\n";
    let view = TaskView::new(&state, TaskNumber(1), "shell");
    let page = TaskPage {
        view: &view,
        patch: Ok(parse_patch(patch)),
        log: Ok(Log {
            text: "<script>alert(1)</script>".to_owned(),
            before: 12,
        }),
        actions: maud::html! {},
        comments: Some("ask-send-back-1.html".to_owned()),
    };
    let frame = frame(&state, Place::Task(TaskNumber(1)), Medium::Served);
    insta::assert_snapshot!(content(&pages::task::render(&frame, &page)), @"");
}

#[test]
fn the_page_of_a_pair_has_three_columns_and_the_command() {
    let state = run();
    let range = |start, count| LineRange { start, count };
    let hunk = Hunk {
        class: HunkClass::Overlap,
        base: range(1, 1),
        a: range(1, 1),
        b: range(1, 1),
    };
    let side = |label: &str| PairSide {
        label: label.to_owned(),
        branch: format!("dispatch/x/{label}"),
        commit: Oid::ZERO,
        tree: Oid::ZERO,
    };
    let view = PairView::new(PairInput {
        sides: [side("#1"), side("#2")],
        bases: vec![(Oid::ZERO, Oid::ZERO)],
        verdict: Some(PairVerdict {
            a: 0,
            b: 1,
            bases: vec![Oid::ZERO],
            attributes: None,
            verdict: Verdict::Conflict,
            class: Class::Content,
            severity: 3,
            tree: None,
            units: vec![Unit {
                class: Class::Content,
                paths: vec!["f<".into()],
                hunks: vec![hunk.clone()],
            }],
            failure: None,
        }),
        suggested: "merge after #1".to_owned(),
        files: vec![FileVersions {
            path: "f<".into(),
            base: Some(b"one <two>\n".to_vec()),
            a: Some(b"one <a>\n".to_vec()),
            b: Some(b"one <b>\n".to_vec()),
            hunks: vec![hunk],
        }],
        messages: vec![HOSTILE.to_owned()],
        command: "git merge-tree a b".to_owned(),
    });
    let tasks = [TaskNumber(1), TaskNumber(2)];
    let frame = frame(&state, Place::Pair(tasks[0], tasks[1]), Medium::Served);
    let page = content(&pages::pair::render(&frame, &view, tasks));
    let files = page.split_once("</table>").unwrap().1;
    insta::assert_snapshot!(files, @"");
}

#[test]
fn the_history_has_sentences_and_the_list_of_runs_has_links() {
    let state = run();
    let frame = frame(&state, Place::History, Medium::Served);
    let mut records = Vec::new();
    RunFixture::new("a")
        .begin(1, "shell")
        .fail(1, HOSTILE)
        .fold(|_, recorded| records.push(recorded.clone()));
    let page = pages::history::render(&frame, &state.plan, &records);
    insta::assert_snapshot!(content(&page), @"");
    let rows = [
        json!({"run": "shop-2f4d", "title": HOSTILE, "state": "needs-attention", "tasks": 2, "done": 1,
               "started": "2026-11-22T09:14:03Z", "landed": null}),
        json!({"run": "old-0000", "state": "unreadable", "title": "broken"}),
    ];
    let page = content(&pages::runs::render(&rows, Medium::Served));
    let table = page.split_once("<tbody>").unwrap().1;
    insta::assert_snapshot!(table.split_once("</tbody>").unwrap().0, @"");
}

/// The bench of pages measures the time; this only makes sure that all rows are there.
#[test]
fn a_thousand_tasks_are_on_one_board() {
    let plan: Vec<String> = (1..=1000).map(|task| format!("t{task}")).collect();
    let state = RunFixture::new(&plan.join(" · ")).state();
    let frame = frame(&state, Place::Board, Medium::Served);
    let page = pages::board::render(&frame, &BoardView::new(&state), &maud::html! {});
    assert_eq!(page.matches("task-1000.html").count(), 2);
    assert_eq!(page.matches("<tr>").count(), 1001);
}
