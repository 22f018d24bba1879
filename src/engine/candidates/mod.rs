//! The candidates of a run: starting points, ancestry, conflicts between tasks.

pub mod ancestry;
pub mod conflicts;
pub mod starting_point;
pub mod task_conflicts;
