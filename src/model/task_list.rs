//! Renders lists of task numbers in sentences.

use crate::model::ids::TaskNumber;

/// Renders `#1, #2`.
pub fn comma_list(tasks: &[TaskNumber]) -> String {
    let tasks: Vec<_> = tasks.iter().map(ToString::to_string).collect();
    tasks.join(", ")
}

/// Renders `#1, #2 and #3`.
pub fn and_list(tasks: &[TaskNumber]) -> String {
    match tasks {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", comma_list(first)),
        other => comma_list(other),
    }
}

/// Renders `together with #2 and #3`, or `on its own` for an empty list.
pub fn together_with(others: &[TaskNumber]) -> String {
    match others {
        [] => "on its own".to_owned(),
        others => format!("together with {}", and_list(others)),
    }
}
