//! The run as the board shows it: the same view that every other board renders.

use std::sync::Arc;

use crate::model::conflict_status::ConflictStatus;
use crate::model::ids::TaskNumber;
use crate::model::run::{RunPhase, RunState};
use crate::model::status::Status;
use crate::report::board::view::{BoardView, ConflictRow, TaskRow};

/// One state of a run.
#[derive(Clone, Debug)]
pub(super) struct RunView {
    /// The state.
    pub(super) state: Arc<RunState>,
    /// The content of the boards.
    pub(super) board: Arc<BoardView>,
    /// `true` while a process drives the run.
    pub(super) is_driven: bool,
}

impl RunView {
    /// Returns `true` once the run has ended.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state.phase, RunPhase::Ended(_))
    }

    /// Returns the rows that the filter leaves: by number, tag, title, status, worker or note. Where there are
    /// more than `room`, those that run come first, so that they are in sight.
    pub(super) fn rows(&self, filter: &str, room: usize) -> Vec<&TaskRow> {
        let mut rows = self.filtered(filter);
        if rows.len() > room {
            rows.sort_by_key(|row| row.status != Status::InProgress);
        }
        rows
    }

    fn filtered(&self, filter: &str) -> Vec<&TaskRow> {
        let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
        if words.is_empty() {
            return self.board.tasks.iter().collect();
        }
        let fits = |row: &&TaskRow| {
            let text = format!(
                "{} {} {} {} {} {}",
                row.number,
                row.tag,
                row.title,
                row.status,
                row.worker_name.as_deref().unwrap_or_default(),
                row.note
            );
            let text = text.to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        self.board.tasks.iter().filter(fits).collect()
    }

    /// Returns the conflicting pairs, those between results first.
    pub(super) fn pairs(&self) -> Vec<(TaskNumber, TaskNumber)> {
        let open = self.board.open_conflicts().map(|row| row.conflict.pair());
        let speculative = self.board.speculative.iter();
        let speculative = speculative.map(|(row, _)| row.conflict.pair());
        open.chain(speculative).collect()
    }

    /// Lists the conflicts that no assembly has resolved, those between results first.
    pub(super) fn unresolved(&self) -> impl Iterator<Item = &ConflictRow> {
        let is_open =
            |row: &&ConflictRow| self.state.conflict_status(&row.conflict) == ConflictStatus::Open;
        let speculative = self.board.speculative.iter().map(|(row, _)| row);
        self.board
            .open_conflicts()
            .filter(is_open)
            .chain(speculative)
    }
}
