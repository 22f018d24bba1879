//! Renders the Markdown of a board again after new facts, at the cost of the rows that have changed.

use std::collections::BTreeSet;
use std::slice;

use crate::model::event::Recorded;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::report::board::markdown::{render_row, render_with_rows};
use crate::report::board::view::{BoardView, TaskRow};

/// The rows of a board as Markdown, kept from one board of a run to the next.
#[derive(Debug, Default)]
pub struct IncrementalBoard {
    rows: Vec<String>,
    done: BTreeSet<TaskNumber>,
    /// The rows that may have changed; `None` if it may be any.
    changed: Option<BTreeSet<TaskNumber>>,
}

impl IncrementalBoard {
    /// Follows a fact that was just applied to the state.
    pub fn apply(&mut self, state: &RunState, fact: &Recorded) {
        let affected = state.affected_by(slice::from_ref(fact));
        self.changed = self.changed.take().zip(affected).map(|(mut all, some)| {
            all.extend(some);
            all
        });
    }

    /// Renders the board of a run.
    pub fn render(&mut self, state: &RunState) -> String {
        match self.changed.replace(BTreeSet::new()) {
            Some(tasks) => {
                for task in tasks {
                    self.set(&TaskRow::of(state, task));
                }
            }
            None => {
                let view = BoardView::new(state);
                self.rows = vec![String::new(); view.tasks.len()];
                view.tasks.iter().for_each(|row| self.set(row));
            }
        }
        let view = BoardView::without_rows(state, &[]);
        render_with_rows(&view, self.done.len(), &self.rows)
    }

    fn set(&mut self, row: &TaskRow) {
        self.rows[row.number.index()] = render_row(row);
        if row.status == Status::Done {
            self.done.insert(row.number);
        } else {
            self.done.remove(&row.number);
        }
    }
}
