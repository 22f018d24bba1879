//! Applies an edited plan to a started run: unchanged, changed, new and removed tasks.
//!
//! A task is unchanged if its tag and everything that decides its result are equal: title, prompt,
//! command, worker, dependencies, kind of result, checks, variables, report. Order, time limits and
//! `files` do not affect an existing result; they apply from the next attempt.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::TaskNumber;
use crate::model::plan::{GraphError, Plan, Task, TaskFields};
use crate::model::recovery::{Finding, FindingKind};

/// Returns the new plan of the run, and a finding for every task.
///
/// Existing tasks keep their numbers, because branches, folders and the journal use them; new ones
/// follow. Tasks in `removed` were removed earlier, and stay so unless the edited plan has them
/// again.
///
/// # Errors
/// Fails if the result is not a valid plan, which cannot happen with parsed plans.
pub fn edit(
    before: &Plan,
    edited: &Plan,
    removed: &[TaskNumber],
) -> Result<(Plan, Vec<Finding>), GraphError> {
    let names = numbers_of(before, edited);
    let mut tasks: Vec<Task> = Vec::new();
    let mut findings = BTreeMap::new();
    for old in before.tasks() {
        let new = edited
            .tasks()
            .iter()
            .find(|new| names[&new.number] == old.number);
        let (task, finding) = match new {
            Some(new) => {
                let new = renumbered(new, old, &names);
                let finding = match is_same(old, &new) {
                    _ if removed.contains(&old.number) => FindingKind::Added,
                    true if without_label(old) == without_label(&new) => FindingKind::Same,
                    true => FindingKind::Adjusted,
                    false => FindingKind::Changed,
                };
                (new, Some(finding))
            }
            None => {
                let is_news = !removed.contains(&old.number);
                (
                    without_dependencies(old),
                    is_news.then_some(FindingKind::Removed),
                )
            }
        };
        findings.extend(finding.map(|finding| (old.number, finding)));
        tasks.push(task);
    }
    for new in edited.tasks() {
        let number = names[&new.number];
        if number.index() >= before.tasks().len() {
            findings.insert(number, FindingKind::Added);
            let same_tag = Task {
                number,
                ..new.clone()
            };
            tasks.push(renumbered(new, &same_tag, &names));
        }
    }
    tasks.sort_by_key(|task| task.number);
    let plan = Plan::new(edited.title().to_owned(), edited.context().to_vec(), tasks)?;
    spread(&plan, &mut findings);
    let found = findings.into_iter();
    Ok((
        plan,
        found.map(|(task, kind)| Finding::of(task, kind)).collect(),
    ))
}

/// Returns the number in the run for every task of the edited plan.
///
/// It is the number of the task with the same tag, ignoring case, or the next free one.
fn numbers_of(before: &Plan, edited: &Plan) -> BTreeMap<TaskNumber, TaskNumber> {
    let mut next = before.tasks().len() as u32;
    let number = |task: &Task| {
        let of_this_tag = |old: &&Task| old.tag.eq_ignore_ascii_case(&task.tag);
        match before.tasks().iter().find(of_this_tag) {
            Some(old) => old.number,
            None => {
                next += 1;
                TaskNumber(next)
            }
        }
    };
    let numbers: Vec<TaskNumber> = edited.tasks().iter().map(number).collect();
    let edited = edited.tasks().iter().map(|task| task.number);
    edited.zip(numbers).collect()
}

/// Returns the task with its number in the run; the old tag stays, because a branch is named by it.
fn renumbered(new: &Task, old: &Task, names: &BTreeMap<TaskNumber, TaskNumber>) -> Task {
    let depends_on: BTreeSet<TaskNumber> = new.depends_on.iter().map(|n| names[n]).collect();
    Task {
        number: old.number,
        tag: old.tag.clone(),
        depends_on: depends_on.into_iter().collect(),
        ..new.clone()
    }
}

/// Removes the dependencies of a removed task, which could form a cycle with the edited plan.
fn without_dependencies(task: &Task) -> Task {
    Task {
        depends_on: Vec::new(),
        ..task.clone()
    }
}

/// Removes the label, which never affects the result.
fn without_label(task: &Task) -> Task {
    Task {
        label: None,
        ..task.clone()
    }
}

fn is_same(old: &Task, new: &Task) -> bool {
    let content = |task: &Task| Task {
        label: None,
        fields: TaskFields {
            files: Vec::new(),
            strategy: None,
            timeout: None,
            stall_timeout: None,
            retries: None,
            priority: 0,
            expected: None,
            executor: None,
            source: None,
            ..task.fields.clone()
        },
        ..task.clone()
    };
    content(old) == content(new)
}

/// Marks the dependents of tasks that start again.
fn spread(plan: &Plan, findings: &mut BTreeMap<TaskNumber, FindingKind>) {
    let again =
        |finding: &FindingKind| matches!(finding, FindingKind::Changed | FindingKind::Downstream);
    let mut open: Vec<TaskNumber> = findings
        .iter()
        .filter(|(_, finding)| again(finding))
        .map(|(number, _)| *number)
        .collect();
    while let Some(number) = open.pop() {
        for dependent in plan.dependents(number) {
            let finding = findings
                .entry(dependent.number)
                .or_insert(FindingKind::Same);
            if matches!(finding, FindingKind::Same | FindingKind::Adjusted) {
                *finding = FindingKind::Downstream;
                open.push(dependent.number);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plan::valid_plan as plan;

    fn edited(before: &str, after: &str, removed: &[u32]) -> String {
        let removed: Vec<TaskNumber> = removed.iter().copied().map(TaskNumber).collect();
        let (plan, found) = edit(&plan(before), &plan(after), &removed).unwrap();
        let line = |task: &Task| {
            let found = found.iter().find(|found| found.task == Some(task.number));
            let found = found.map_or("-".to_owned(), |found| format!("{:?}", found.kind));
            let needs: Vec<String> = task.depends_on.iter().map(ToString::to_string).collect();
            format!(
                "{} {} <- [{}] {found}",
                task.number,
                task.tag,
                needs.join(" ")
            )
        };
        plan.tasks().iter().map(line).collect::<Vec<_>>().join("\n")
    }

    const BEFORE: &str = "# P\n1. [A] a\n   - run: a\n2. [B] b — blocked by #1\n   - run: b\n\
                          3. [C] c — blocked by #2\n   - run: c\n4. [D] d\n   - run: d\n";

    #[test]
    fn the_order_of_the_tasks_changes_nothing() {
        insta::assert_snapshot!(edited(BEFORE, BEFORE, &[]), @r"
        #1 A <- [] Same
        #2 B <- [#1] Same
        #3 C <- [#2] Same
        #4 D <- [] Same
        ");
        let moved = "# P\n1. [D] d\n   - run: d\n   - priority: 5\n2. [A] a\n   - run: a\n\
                     3. [B] b — blocked by #2\n   - run: b\n4. [C] c — blocked by #3\n   - run: c\n";
        insta::assert_snapshot!(edited(BEFORE, moved, &[]), @r"
        #1 A <- [] Same
        #2 B <- [#1] Same
        #3 C <- [#2] Same
        #4 D <- [] Adjusted
        ");
    }

    #[test]
    fn a_changed_task_starts_again_with_its_dependents() {
        let after = BEFORE.replace("run: a", "run: a --more");
        insta::assert_snapshot!(edited(BEFORE, &after, &[]), @r"
        #1 A <- [] Changed
        #2 B <- [#1] Downstream
        #3 C <- [#2] Downstream
        #4 D <- [] Same
        ");
        let after = BEFORE.replace("b — blocked by #1", "b");
        insta::assert_snapshot!(edited(BEFORE, &after, &[]), @r"
        #1 A <- [] Same
        #2 B <- [] Changed
        #3 C <- [#2] Downstream
        #4 D <- [] Same
        ");
    }

    #[test]
    fn removed_tasks_stay_and_new_tasks_come_last() {
        let after = "# P\n1. [E] e\n   - run: e\n2. [A] a\n   - run: a\n3. [C] c — blocked by #1\n   - run: c\n";
        insta::assert_snapshot!(edited(BEFORE, after, &[]), @r"
        #1 A <- [] Same
        #2 B <- [] Removed
        #3 C <- [#5] Changed
        #4 D <- [] Removed
        #5 E <- [] Added
        ");
        // B was removed earlier; D comes back.
        let after = "# P\n1. [A] a\n   - run: a\n2. [D] d\n   - run: d\n";
        insta::assert_snapshot!(edited(BEFORE, after, &[2, 4]), @r"
        #1 A <- [] Same
        #2 B <- [] -
        #3 C <- [] Removed
        #4 D <- [] Added
        ");
    }
}
