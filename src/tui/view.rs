//! The run as the board shows it: the same view that every other board renders.

use std::sync::Arc;

use crate::model::ids::TaskNumber;
use crate::model::run::{RunPhase, RunState};
use crate::report::board::view::{BoardView, TaskRow};

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

    /// Returns the rows that the filter leaves: by number, tag, title, status, worker or note.
    pub(super) fn rows(&self, filter: &str) -> Vec<&TaskRow> {
        let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
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
}
