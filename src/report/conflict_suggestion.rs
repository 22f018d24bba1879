//! Suggests a next step for a conflict of two tasks.

use crate::merge::class::Class;
use crate::model::conflict_status::ConflictStatus;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

/// Suggests a next step for a conflict, the same in boards, reports and `dispatch conflicts`.
pub fn suggestion(state: &RunState, conflict: &TaskConflict) -> String {
    let (a, b) = conflict.pair();
    match state.conflict_status(conflict) {
        ConflictStatus::Inherited => "resolved with the branches they build on".to_owned(),
        ConflictStatus::Resolved => "resolved during assembly".to_owned(),
        // If one of the two is merged already, the other one follows.
        ConflictStatus::Open if state.placement(b).is_merged() => for_class(conflict.class, b, a),
        ConflictStatus::Open => for_class(conflict.class, a, b),
    }
}

/// Suggests a next step for a class of conflict, with the numbers of the tasks.
fn for_class(class: Class, first: TaskNumber, second: TaskNumber) -> String {
    match class.suggestion() {
        "re-dispatch the later task" | "re-dispatch the later task on top" => {
            format!("merge after {first}, re-dispatch {second}")
        }
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_advice_about_the_later_task_has_its_number() {
        let advice = |class: Class| for_class(class, TaskNumber(1), TaskNumber(2));
        assert_eq!(advice(Class::Content), "merge after #1, re-dispatch #2");
        assert_eq!(advice(Class::Generated), "regenerate it with its command");
        let vague: Vec<_> = Class::ALL
            .iter()
            .filter(|class| advice(**class).contains("later task"))
            .collect();
        assert!(vague.is_empty(), "{vague:?}");
    }
}
