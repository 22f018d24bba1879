//! Maps conflicts between branches to tasks, and marks inherited ones.

use std::collections::HashSet;

use crate::conflicts::Detection;
use crate::merge::change::RepoPath;
use crate::merge::verdict::PairVerdict;
use crate::model::ids::TaskNumber;
use crate::model::task_conflict::TaskConflict;

/// Returns the conflicts between the candidates of tasks. `tasks` are the tasks of the branches, by
/// index; `built_on` lists the tasks whose candidates a candidate contains.
pub fn task_conflicts(
    detection: &Detection,
    tasks: &[TaskNumber],
    built_on: &dyn Fn(TaskNumber) -> Vec<TaskNumber>,
) -> Vec<TaskConflict> {
    let found = detection
        .pairs
        .iter()
        .filter(|pair| pair.class.is_conflict());
    let mut conflicts: Vec<TaskConflict> = found
        .map(|pair| task_conflict(pair, tasks[pair.a], tasks[pair.b]))
        .collect();
    let inherited: Vec<bool> = conflicts
        .iter()
        .map(|conflict| is_inherited(conflict, &conflicts, built_on))
        .collect();
    for (conflict, inherited) in conflicts.iter_mut().zip(inherited) {
        conflict.inherited = inherited;
    }
    conflicts.sort_by_key(|conflict| (conflict.a, conflict.b));
    conflicts
}

/// Builds the conflict of two tasks from the verdict on their candidates.
pub fn task_conflict(pair: &PairVerdict, a: TaskNumber, b: TaskNumber) -> TaskConflict {
    let mut units = pair.units.clone();
    if b < a {
        let hunks = units.iter_mut().flat_map(|unit| &mut unit.hunks);
        hunks.for_each(|hunk| std::mem::swap(&mut hunk.a, &mut hunk.b));
    }
    TaskConflict {
        a: a.min(b),
        b: a.max(b),
        class: pair.class,
        severity: pair.severity,
        bases: pair.bases.clone(),
        units,
        inherited: false,
    }
}

/// Returns `true` if every path of the conflict is in conflict already between tasks the two were
/// built on.
fn is_inherited(
    conflict: &TaskConflict,
    all: &[TaskConflict],
    built_on: &dyn Fn(TaskNumber) -> Vec<TaskNumber>,
) -> bool {
    let with_roots = |task: TaskNumber| {
        let mut tasks = built_on(task);
        tasks.push(task);
        tasks
    };
    let (below_a, below_b) = (with_roots(conflict.a), with_roots(conflict.b));
    let is_below = |other: &&TaskConflict| {
        let straight = below_a.contains(&other.a) && below_b.contains(&other.b);
        let crossed = below_a.contains(&other.b) && below_b.contains(&other.a);
        (straight || crossed) && (other.a, other.b) != (conflict.a, conflict.b)
    };
    let earlier: HashSet<&RepoPath> = all
        .iter()
        .filter(is_below)
        .flat_map(|other| other.units.iter().flat_map(|unit| &unit.paths))
        .collect();
    let mut paths = conflict
        .units
        .iter()
        .flat_map(|unit| &unit.paths)
        .peekable();
    paths.peek().is_some() && paths.all(|path| earlier.contains(path))
}
