//! The text of a board: cells, rows and widths.

use std::collections::BTreeSet;

use super::assert_board;
use crate::base::golden;
use crate::base::golden::assert_golden;
use crate::merge::change::ChangeStat;
use crate::merge::class::Class;
use crate::model::fixture::{RunFixture, conflict};
use crate::report::board::incremental::IncrementalBoard;
use crate::report::board::view::{BoardView, TaskRow};
use crate::report::board::{markdown, text};

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
    let rendered = golden::text("boards/nasty.md");
    for row in rendered.lines().filter(|line| line.starts_with('|')) {
        let bars = row
            .replace("\\\\", "")
            .replace("\\|", "")
            .matches('|')
            .count();
        assert!(bars == 6 || bars == 5, "{row}");
    }
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
