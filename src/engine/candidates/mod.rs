//! TODO room

pub mod task_conflicts;
