//! Maps conflicts between branches to tasks, and marks inherited ones.

use std::collections::{HashMap, HashSet};

use crate::conflicts::Detection;
use crate::merge::change::RepoPath;
use crate::merge::verdict::PairVerdict;
use crate::model::ids::TaskNumber;
use crate::model::task_conflict::TaskConflict;

/// Lists the conflicts between the candidates of tasks, sorted. `tasks` names the branches of the
/// detection; `built_on` returns the tasks whose candidates a task's own contains.
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
    mark_inherited(&mut conflicts, built_on);
    conflicts.sort_by_key(TaskConflict::pair);
    conflicts
}

/// Marks the conflicts of which every path is in conflict already between tasks the two were built
/// on.
fn mark_inherited(
    conflicts: &mut [TaskConflict],
    built_on: &dyn Fn(TaskNumber) -> Vec<TaskNumber>,
) {
    let index = ConflictIndex::new(conflicts, built_on);
    let inherited: Vec<bool> = conflicts
        .iter()
        .map(|conflict| index.is_inherited(conflict))
        .collect();
    for (conflict, inherited) in conflicts.iter_mut().zip(inherited) {
        conflict.inherited = inherited;
    }
}

/// Builds the conflict of two tasks from the verdict on their candidates.
fn task_conflict(pair: &PairVerdict, a: TaskNumber, b: TaskNumber) -> TaskConflict {
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

/// The conflicts of every task, each with the other task.
struct ConflictIndex<'a> {
    of_task: HashMap<TaskNumber, Vec<(TaskNumber, &'a TaskConflict)>>,
    built_on: &'a dyn Fn(TaskNumber) -> Vec<TaskNumber>,
}

impl<'a> ConflictIndex<'a> {
    fn new(
        conflicts: &'a [TaskConflict],
        built_on: &'a dyn Fn(TaskNumber) -> Vec<TaskNumber>,
    ) -> ConflictIndex<'a> {
        let mut of_task: HashMap<_, Vec<_>> = HashMap::new();
        for conflict in conflicts {
            let (a, b) = conflict.pair();
            of_task.entry(a).or_default().push((b, conflict));
            of_task.entry(b).or_default().push((a, conflict));
        }
        ConflictIndex { of_task, built_on }
    }

    /// Returns `true` if every path of the conflict is in conflict already between tasks the two
    /// were built on.
    fn is_inherited(&self, conflict: &TaskConflict) -> bool {
        let (below_a, below_b) = (self.with_roots(conflict.a), self.with_roots(conflict.b));
        if below_a.len() + below_b.len() == 2 {
            return false;
        }
        let mut paths: HashSet<&RepoPath> = paths(conflict).collect();
        if paths.is_empty() {
            return false;
        }
        let count = |tasks: &HashSet<TaskNumber>| -> usize {
            let lists = tasks.iter().filter_map(|task| self.of_task.get(task));
            lists.map(Vec::len).sum()
        };
        let (from, to) = match count(&below_a) <= count(&below_b) {
            true => (&below_a, &below_b),
            false => (&below_b, &below_a),
        };
        let lists = from.iter().filter_map(|task| self.of_task.get(task));
        let earlier = lists
            .flatten()
            .filter(|(other, found)| to.contains(other) && found.pair() != conflict.pair());
        for path in earlier.flat_map(|(_, found)| self::paths(found)) {
            paths.remove(path);
        }
        paths.is_empty()
    }

    fn with_roots(&self, task: TaskNumber) -> HashSet<TaskNumber> {
        let built_on = (self.built_on)(task).into_iter();
        built_on.chain([task]).collect()
    }
}

fn paths(conflict: &TaskConflict) -> impl Iterator<Item = &RepoPath> {
    conflict.units.iter().flat_map(|unit| &unit.paths)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::merge::class::Class;
    use crate::model::fixture::conflict;

    type BuiltOn = BTreeMap<TaskNumber, Vec<TaskNumber>>;

    /// Lists the inherited of the conflicts `1x2:ab`, where the tasks after `<` are below a task.
    fn inherited(conflicts: &str, built_on: &str) -> String {
        let number = |text: &str| TaskNumber(text.parse().unwrap());
        let parse = |word: &str| {
            let (pair, paths) = word.split_once(':').unwrap();
            let (a, b) = pair.split_once('x').unwrap();
            let paths: Vec<&str> = paths.split_terminator("").skip(1).collect();
            conflict(number(a).0, number(b).0, Class::Content, &paths)
        };
        let below = |word: &str| {
            let (task, below) = word.split_once('<').unwrap();
            (number(task), below.split(',').map(number).collect())
        };
        let built_on: BuiltOn = built_on.split_whitespace().map(below).collect();
        let mut conflicts: Vec<_> = conflicts.split_whitespace().map(parse).collect();
        mark_inherited(&mut conflicts, &|task| {
            built_on.get(&task).cloned().unwrap_or_default()
        });
        let found = conflicts.iter().filter(|conflict| conflict.inherited);
        let found: Vec<String> = found.map(|c| format!("{}x{}", c.a.0, c.b.0)).collect();
        found.join(" ")
    }

    #[test]
    fn a_conflict_is_inherited_if_tasks_below_have_all_its_paths() {
        assert_eq!(inherited("1x2:a 2x3:a", "3<1"), "2x3");
        assert_eq!(inherited("1x2:a 3x4:a", "3<1 4<2"), "3x4");
        assert_eq!(inherited("1x2:a 3x4:a", "3<2 4<1"), "3x4");
        assert_eq!(inherited("1x2:a 1x4:b 3x4:ab", "3<1 4<2"), "3x4");
    }

    #[test]
    fn a_conflict_at_another_path_or_of_other_tasks_is_not_inherited() {
        assert_eq!(inherited("1x2:a 2x3:ab", "3<1"), "");
        assert_eq!(inherited("1x2:a 2x3:a", ""), "");
        assert_eq!(inherited("1x2:a 3x4:a", "3<1 4<5"), "");
    }

    #[test]
    fn the_index_finds_as_much_as_a_search_through_all_conflicts() {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut count = 0;
        for _ in 0..300 {
            let tasks = rng.u32(3..9);
            let mut built_on = BuiltOn::new();
            for task in 2..=tasks {
                let below = (1..task).filter(|_| rng.u8(..4) == 0).map(TaskNumber);
                built_on.insert(TaskNumber(task), below.collect());
            }
            let mut conflicts = Vec::new();
            for (a, b) in (1..=tasks).flat_map(|b| (1..b).map(move |a| (a, b))) {
                let paths = ["p", "q", "r"];
                let paths: Vec<&str> = paths.into_iter().filter(|_| rng.bool()).collect();
                if rng.bool() {
                    conflicts.push(conflict(a, b, Class::Content, &paths));
                }
            }
            let below = |task| built_on.get(&task).cloned().unwrap_or_default();
            let with_roots = |task| [below(task), vec![task]].concat();
            let expected: Vec<bool> = conflicts
                .iter()
                .map(|one| {
                    let (a, b) = (with_roots(one.a), with_roots(one.b));
                    let is_below = |other: &TaskConflict| {
                        let straight = a.contains(&other.a) && b.contains(&other.b);
                        let crossed = a.contains(&other.b) && b.contains(&other.a);
                        (straight || crossed) && other.pair() != one.pair()
                    };
                    let is_known = |path| {
                        let mut earlier = conflicts.iter().filter(|other| is_below(other));
                        earlier.any(|other| paths(other).any(|known| known == path))
                    };
                    paths(one).next().is_some() && paths(one).all(is_known)
                })
                .collect();
            mark_inherited(&mut conflicts, &below);
            let found: Vec<bool> = conflicts.iter().map(|found| found.inherited).collect();
            assert_eq!(found, expected, "{conflicts:?} {built_on:?}");
            count += found.iter().filter(|found| **found).count();
        }
        assert!(count > 100, "only {count} were inherited");
    }
}
