//! Replaces one task of a plan by its parts.

use std::collections::BTreeSet;

use crate::model::ids::TaskNumber;
use crate::model::plan::{GraphError, Plan, Task};

/// A task that cannot be replaced.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SplitError {
    /// There is only one part.
    #[error("{0} was not split: the answer has one task")]
    OnePart(TaskNumber),
    /// A part has the tag of another task.
    #[error("a part of {0} has the tag {1}, which another task has")]
    TagTaken(TaskNumber, String),
    /// The result is not a plan.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Replaces a task by the tasks of another plan, at its place.
///
/// Parts without dependencies take over those of the task. Its dependents wait for the parts that no
/// other part depends on. Shared context that is new comes at the end.
///
/// # Errors
/// When there is only one part, or a tag is taken.
pub fn split(plan: &Plan, number: TaskNumber, parts: &Plan) -> Result<Plan, SplitError> {
    let count = parts.tasks().len() as u32;
    if count < 2 {
        return Err(SplitError::OnePart(number));
    }
    let others = plan.tasks().iter().filter(|task| task.number != number);
    let taken: BTreeSet<String> = others.map(|task| task.tag.to_lowercase()).collect();
    let taken_by = |task: &&Task| taken.contains(&task.tag.to_lowercase());
    if let Some(part) = parts.tasks().iter().find(taken_by) {
        return Err(SplitError::TagTaken(number, part.tag.clone()));
    }
    let moved = Moved { number, count };
    let before = &plan.tasks()[..number.index()];
    let after = &plan.tasks()[number.index() + 1..];
    let last = moved.last_parts(parts);
    let tasks = before
        .iter()
        .map(|task| moved.other(task, &last))
        .chain(
            parts
                .tasks()
                .iter()
                .map(|part| moved.part(part, plan.task(number))),
        )
        .chain(after.iter().map(|task| moved.other(task, &last)))
        .collect();
    let mut context = plan.context().to_vec();
    for fact in parts.context() {
        if !context.contains(fact) {
            context.push(fact.clone());
        }
    }
    Ok(Plan::new(plan.title().to_owned(), context, tasks)?)
}

/// The task that is replaced, and the number of its parts.
struct Moved {
    number: TaskNumber,
    count: u32,
}

impl Moved {
    /// Returns the new number of another task.
    fn renumbered(&self, other: TaskNumber) -> TaskNumber {
        match other > self.number {
            true => TaskNumber(other.0 + self.count - 1),
            false => other,
        }
    }

    /// Returns the new number of a part.
    fn placed(&self, part: TaskNumber) -> TaskNumber {
        TaskNumber(self.number.0 + part.0 - 1)
    }

    /// Returns the parts that no other part depends on.
    fn last_parts(&self, parts: &Plan) -> Vec<TaskNumber> {
        let tasks = parts.tasks().iter();
        let last = tasks.filter(|part| parts.dependents(part.number).next().is_none());
        last.map(|part| self.placed(part.number)).collect()
    }

    fn other(&self, task: &Task, last: &[TaskNumber]) -> Task {
        let mut depends_on = BTreeSet::new();
        for dependency in &task.depends_on {
            match *dependency == self.number {
                true => depends_on.extend(last),
                false => {
                    depends_on.insert(self.renumbered(*dependency));
                }
            }
        }
        Task {
            number: self.renumbered(task.number),
            label: own_label(task),
            depends_on: depends_on.into_iter().collect(),
            ..task.clone()
        }
    }

    fn part(&self, part: &Task, whole: &Task) -> Task {
        let depends_on: Vec<TaskNumber> = match part.depends_on.as_slice() {
            [] => {
                let of_whole = whole.depends_on.iter();
                of_whole.map(|number| self.renumbered(*number)).collect()
            }
            own => own.iter().map(|number| self.placed(*number)).collect(),
        };
        Task {
            number: self.placed(part.number),
            tag: match part.tag == format!("T{}", part.number.0) {
                true => format!("{}-{}", whole.tag, part.number.0),
                false => part.tag.clone(),
            },
            label: own_label(part),
            depends_on,
            ..part.clone()
        }
    }
}

/// Returns the label, unless it only repeats a number, which has changed.
fn own_label(task: &Task) -> Option<String> {
    let is_numbered = |label: &&String| {
        let number = label.strip_prefix("Worker ");
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    task.label
        .as_ref()
        .filter(|label| !is_numbered(label))
        .cloned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plan::{Format, render, valid_plan as plan};

    const WHOLE: &str = "# P\n1. [A] a — Worker 1\n2. [B] b — blocked by #1\n\
                         3. [C] c — Rover — blocked by #1, #2\n4. [D] d\n\n### Shared Context\n- x\n";

    #[test]
    fn the_parts_take_the_place_of_the_task() {
        let parts = plan(
            "# B\n1. [B1] one\n2. [B2] two\n3. [B3] three — blocked by #2\n\n### Shared Context\n- x\n- y\n",
        );
        let split = split(&plan(WHOLE), TaskNumber(2), &parts).unwrap();
        insta::assert_snapshot!(render(&split, Format::Markdown), @r"
        # P

        ## Dispatch Plan

        ### Independent (parallel)
        1. [A] a

        ### Dependent (sequential, after above)
        2. [B1] one — blocked by #1
        3. [B2] two — blocked by #1
        4. [B3] three — blocked by #3
        5. [C] c — Rover — blocked by #1, #2, #4

        ### Independent (parallel)
        6. [D] d

        ### Shared Context
        - x
        - y
        ");
    }

    #[test]
    fn parts_without_tags_are_named_after_the_task() {
        let split = split(&plan(WHOLE), TaskNumber(4), &plan("# D\n1. one\n2. two\n")).unwrap();
        let tags: Vec<&str> = split.tasks().iter().map(|task| task.tag.as_str()).collect();
        assert_eq!(tags, ["A", "B", "C", "D-1", "D-2"]);
    }

    #[test]
    fn one_part_or_a_taken_tag_is_refused() {
        let said = |parts: &str| {
            let result = split(&plan(WHOLE), TaskNumber(2), &plan(parts));
            result.unwrap_err().to_string()
        };
        assert_eq!(
            said("# B\n1. [X] one\n"),
            "#2 was not split: the answer has one task"
        );
        assert_eq!(
            said("# B\n1. [X] one\n2. [c] two\n"),
            "a part of #2 has the tag c, which another task has"
        );
        assert!(
            split(
                &plan(WHOLE),
                TaskNumber(2),
                &plan("# B\n1. [B] one\n2. [Z] two\n")
            )
            .is_ok()
        );
    }
}
