//! The pairs of the tasks of a run as a matrix.

use std::collections::{BTreeSet, HashMap};

use crate::model::ids::TaskNumber;
use crate::report::board::view::{BoardView, ConflictRow, TaskRow};

/// The known pairs, with a row and a column for every task that is in one.
#[derive(Debug)]
pub struct Matrix<'a> {
    /// The tasks of the rows and columns, in plan order.
    pub tasks: Vec<&'a TaskRow>,
    /// The number of tasks with a candidate that share nothing with any other one.
    pub independent: usize,
    /// The number of tasks without a candidate.
    pub without_candidate: usize,
    pairs: HashMap<(TaskNumber, TaskNumber), &'a ConflictRow>,
}

impl<'a> Matrix<'a> {
    /// Arranges the pairs of a board.
    pub fn new(board: &'a BoardView) -> Matrix<'a> {
        let rows = board.conflicts.iter();
        let pairs: HashMap<_, _> = rows.map(|row| (row.conflict.pair(), row)).collect();
        let numbers = pairs.keys().flat_map(|(a, b)| [*a, *b]);
        let numbers: BTreeSet<TaskNumber> = numbers.collect();
        let (tasks, others): (Vec<&TaskRow>, Vec<&TaskRow>) = board
            .tasks
            .iter()
            .partition(|row| numbers.contains(&row.number));
        let independent = others.iter().filter(|row| row.candidate.is_some()).count();
        Matrix {
            independent,
            without_candidate: others.len() - independent,
            tasks,
            pairs,
        }
    }

    /// Returns the verdict on two tasks, in either order; `None` if they are independent.
    pub fn cell(&self, a: TaskNumber, b: TaskNumber) -> Option<&'a ConflictRow> {
        self.pairs.get(&(a.min(b), a.max(b))).copied()
    }
}

#[cfg(test)]
mod tests {
    use crate::merge::class::Class;
    use crate::model::fixture::{RunFixture, conflict};

    use super::*;

    #[test]
    fn tasks_without_a_pair_are_counted() {
        let mut run = RunFixture::new("a · b · c · d");
        for task in 1..4 {
            run = run.begin(task, "shell").pass(task, "done");
        }
        let mut state = run.state();
        state.conflicts = vec![conflict(1, 3, Class::Content, &["f"])];
        let board = BoardView::new(&state);
        let matrix = Matrix::new(&board);
        let tasks: Vec<u32> = matrix.tasks.iter().map(|row| row.number.0).collect();
        assert_eq!(tasks, [1, 3]);
        assert_eq!((matrix.independent, matrix.without_candidate), (1, 1));
        let class = |a, b| {
            matrix
                .cell(TaskNumber(a), TaskNumber(b))
                .map(|row| row.conflict.class)
        };
        assert_eq!(
            (class(1, 3), class(3, 1)),
            (Some(Class::Content), Some(Class::Content))
        );
        assert_eq!(class(1, 2), None);
    }
}
