//! Orders the candidates of an assembly.
//!
//! The selected ones come first ([`crate::assembly::selection`]), then the others, to be resolved
//! or re-dispatched. In each half dependencies come first; then the fewest conflicts (240 generated
//! sets of 10: 6.5 merged, against 6.1 first come, first served and 5.0 at worst); then editors and
//! adders before movers and deleters, because most sets of branches that only conflict jointly
//! merge in that order; then priority; then number.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::assembly::exclusion::{Exclusion, ExclusionReason, FailingSet};
use crate::assembly::selection::{OrderInput, OrderTask, Selection, select};
use crate::base::text::plural;
use crate::model::ids::TaskNumber;
use crate::model::task_list::{and_list, comma_list};

/// One merge of the assembly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderStep {
    /// The task.
    pub task: TaskNumber,
    /// The reason for its position, in a few words.
    pub reason: String,
}

/// The order of an assembly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// The tasks to try, in order.
    pub steps: Vec<OrderStep>,
    /// The selected and the excluded tasks.
    pub selection: Selection,
}

/// Selects and orders the tasks.
pub fn assembly_order(input: &OrderInput) -> Order {
    let choice = select(input);
    let mut order = Ordering::new(input, &choice);
    let (first, rest): (Vec<_>, Vec<_>) = order
        .admitted
        .keys()
        .partition(|task| choice.chosen.contains(task));
    order.place(input, first);
    order.place(input, rest);
    let steps = order.steps;
    Order {
        steps,
        selection: choice,
    }
}

struct Ordering<'a> {
    admitted: BTreeMap<TaskNumber, &'a OrderTask>,
    neighbours: BTreeMap<TaskNumber, BTreeSet<TaskNumber>>,
    chosen: &'a BTreeSet<TaskNumber>,
    placed: BTreeSet<TaskNumber>,
    steps: Vec<OrderStep>,
}

impl<'a> Ordering<'a> {
    fn new(input: &'a OrderInput, choice: &'a Selection) -> Ordering<'a> {
        let mut admitted: BTreeMap<TaskNumber, &OrderTask> =
            input.tasks.iter().map(|task| (task.number, task)).collect();
        let left_out = input.tasks.iter().filter(|task| task.left_out);
        let mut open: Vec<TaskNumber> = left_out.map(|task| task.number).collect();
        while let Some(out) = open.pop() {
            admitted.remove(&out);
            let built_on_it = admitted
                .values()
                .filter(|task| task.depends_on.contains(&out));
            open.extend(built_on_it.map(|task| task.number).collect::<Vec<_>>());
        }
        let mut neighbours: BTreeMap<TaskNumber, BTreeSet<TaskNumber>> = BTreeMap::new();
        for (a, b) in &input.conflicts {
            if a != b && admitted.contains_key(a) && admitted.contains_key(b) {
                neighbours.entry(*a).or_default().insert(*b);
                neighbours.entry(*b).or_default().insert(*a);
            }
        }
        Ordering {
            admitted,
            neighbours,
            chosen: &choice.chosen,
            placed: BTreeSet::new(),
            steps: Vec::new(),
        }
    }

    /// Appends these tasks, each after the tasks it was built on.
    fn place(&mut self, input: &OrderInput, tasks: Vec<TaskNumber>) {
        let mut waiting: BTreeSet<TaskNumber> = tasks.into_iter().collect();
        for (turn, wanted) in (1..).zip(&input.first) {
            while waiting.contains(wanted) {
                let needed = self.needed(*wanted, &waiting);
                let Some(next) = self.best(&waiting, |task| needed.contains(task)) else {
                    break;
                };
                let by_user = if next == *wanted {
                    format!("{} in the order given", ordinal(turn))
                } else {
                    format!("before {wanted}, which was built on it")
                };
                self.push(next, Some(by_user));
                waiting.remove(&next);
            }
        }
        for next in self.sorted(&waiting) {
            self.push(next, None);
        }
    }

    /// Sorts these tasks: repeatedly the best of those that were built on none of the rest.
    fn sorted(&self, waiting: &BTreeSet<TaskNumber>) -> Vec<TaskNumber> {
        let mut dependents: BTreeMap<TaskNumber, Vec<TaskNumber>> = BTreeMap::new();
        let mut open: BTreeMap<TaskNumber, usize> = BTreeMap::new();
        let mut ready = BinaryHeap::new();
        for task in waiting {
            let below = self.admitted.get(task).map(|task| task.depends_on.iter());
            let below = below
                .into_iter()
                .flatten()
                .filter(|on| waiting.contains(on));
            let below: BTreeSet<&TaskNumber> = below.collect();
            match below.len() {
                0 => ready.push(Reverse((self.rank(*task), *task))),
                count => drop(open.insert(*task, count)),
            }
            for on in below {
                dependents.entry(*on).or_default().push(*task);
            }
        }
        let mut sorted = Vec::with_capacity(waiting.len());
        while let Some(Reverse((_, next))) = ready.pop() {
            sorted.push(next);
            for dependent in dependents.remove(&next).unwrap_or_default() {
                if let Some(count) = open.get_mut(&dependent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(Reverse((self.rank(dependent), dependent)));
                    }
                }
            }
        }
        sorted
    }

    /// Returns a task and all unplaced tasks it was built on.
    fn needed(&self, task: TaskNumber, waiting: &BTreeSet<TaskNumber>) -> BTreeSet<TaskNumber> {
        let mut needed = BTreeSet::new();
        let mut open = vec![task];
        while let Some(task) = open.pop() {
            if waiting.contains(&task) && needed.insert(task) {
                open.extend(self.admitted.get(&task).iter().flat_map(|t| &t.depends_on));
            }
        }
        needed
    }

    fn best(
        &self,
        waiting: &BTreeSet<TaskNumber>,
        wanted: impl Fn(&TaskNumber) -> bool,
    ) -> Option<TaskNumber> {
        let ready = waiting.iter().filter(|task| wanted(task)).filter(|task| {
            let task = self.admitted.get(task);
            let mut depends_on = task.iter().flat_map(|task| &task.depends_on);
            !depends_on.any(|on| waiting.contains(on))
        });
        ready.min_by_key(|task| self.rank(**task)).copied()
    }

    fn rank(&self, number: TaskNumber) -> impl Ord + use<> {
        let degree = self.neighbours.get(&number).map_or(0, BTreeSet::len);
        let task = self.admitted.get(&number);
        let moves = task.is_some_and(|task| task.moves_or_deletes);
        let priority = task.map_or(0, |task| task.priority);
        (degree, moves, Reverse(priority), number)
    }

    fn push(&mut self, task: TaskNumber, by_user: Option<String>) {
        let reason = self.reason(task, by_user);
        self.placed.insert(task);
        self.steps.push(OrderStep { task, reason });
    }

    fn reason(&self, number: TaskNumber, by_user: Option<String>) -> String {
        let mut parts: Vec<String> = by_user.into_iter().collect();
        let Some(task) = self.admitted.get(&number) else {
            return parts.join("; ");
        };
        let after: Vec<TaskNumber> = task
            .depends_on
            .iter()
            .copied()
            .filter(|on| self.placed.contains(on))
            .collect();
        if !after.is_empty() {
            parts.push(format!("built on {}", comma_list(&after)));
        }
        let around: Vec<TaskNumber> = self
            .neighbours
            .get(&number)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let before: Vec<TaskNumber> = around
            .iter()
            .copied()
            .filter(|t| self.chosen.contains(t))
            .collect();
        parts.push(match (self.chosen.contains(&number), around.len()) {
            (true, 0) => "no conflict".to_owned(),
            (true, count) => format!(
                "{} with later tasks ({})",
                plural(count, "conflict"),
                comma_list(&around)
            ),
            (false, _) if before.is_empty() => "a task it was built on is left out".to_owned(),
            (false, _) => format!("conflicts with {}, merged before", and_list(&before)),
        });
        if task.moves_or_deletes {
            parts.push("moves or deletes files".to_owned());
        }
        if task.priority != 0 {
            parts.push(format!("priority {}", task.priority));
        }
        parts.join("; ")
    }
}

fn ordinal(number: usize) -> String {
    let end = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

impl Order {
    /// Removes tasks that are known to fail.
    ///
    /// Of each failing set that is selected as a whole, the last task is removed, with the tasks
    /// built on it.
    #[must_use]
    pub fn without_failing(
        mut self,
        failing: &[FailingSet],
        built_on: &BTreeMap<TaskNumber, Vec<TaskNumber>>,
    ) -> Order {
        for set in failing {
            let is_chosen = |task: &TaskNumber| self.selection.chosen.contains(task);
            if set.tasks.is_empty() || !set.tasks.iter().all(is_chosen) {
                continue;
            }
            let mut steps = self.steps.iter().rev().map(|step| step.task);
            let Some(culprit) = steps.find(|task| set.tasks.contains(task)) else {
                continue;
            };
            self.take_out(culprit, ExclusionReason::FailedChecks(set.clone()));
            let mut out = vec![culprit];
            while let Some(task) = out.pop() {
                let contains =
                    |other: &&TaskNumber| built_on.get(other).is_some_and(|on| on.contains(&task));
                let more: Vec<TaskNumber> = self
                    .selection
                    .chosen
                    .iter()
                    .filter(contains)
                    .copied()
                    .collect();
                for other in &more {
                    self.take_out(*other, ExclusionReason::BuiltOn(culprit));
                }
                out.extend(more);
            }
        }
        self
    }

    fn take_out(&mut self, task: TaskNumber, cause: ExclusionReason) {
        self.selection.chosen.remove(&task);
        self.selection.left_out.push(Exclusion {
            task,
            reason: cause,
        });
        self.selection.left_out.sort_by_key(|out| out.task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::selection::tests::{input, random};

    fn order(text: &str) -> String {
        let steps = assembly_order(&input(text)).steps;
        let lines = steps
            .iter()
            .map(|step| format!("{} {}", step.task, step.reason));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_one_that_conflicts_with_most_goes_last() {
        insta::assert_snapshot!(order("1 2 3 4 | 1x2 1x3 1x4"), @r"
        #2 1 conflict with later tasks (#1)
        #3 1 conflict with later tasks (#1)
        #4 1 conflict with later tasks (#1)
        #1 conflicts with #2, #3 and #4, merged before
        ");
    }

    #[test]
    fn dependencies_go_before_everything_else() {
        insta::assert_snapshot!(order("1<3 2 3 | 2x3"), @r"
        #3 1 conflict with later tasks (#2)
        #1 built on #3; no conflict
        #2 conflicts with #3, merged before
        ");
    }

    #[test]
    fn ties_go_to_editors_then_priority_then_number() {
        insta::assert_snapshot!(order("1! 2 3+5 4"), @r"
        #3 no conflict; priority 5
        #2 no conflict
        #4 no conflict
        #1 no conflict; moves or deletes files
        ");
    }

    #[test]
    fn tasks_built_on_a_left_out_task_are_left_out() {
        insta::assert_snapshot!(order("1- 2<1 3<2 4 5<9"), @r"
        #4 no conflict
        #5 no conflict
        ");
    }

    #[test]
    fn the_users_order_goes_first_with_the_tasks_below() {
        insta::assert_snapshot!(order("1 2 3<4 4 5 | 1x5 | 3,5"), @r"
        #4 before #3, which was built on it; no conflict
        #3 1st in the order given; built on #4; no conflict
        #5 2nd in the order given; 1 conflict with later tasks (#1)
        #2 no conflict
        #1 conflicts with #5, merged before
        ");
    }

    #[test]
    fn every_admitted_task_comes_once_and_after_what_it_was_built_on() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let mut input = random(&mut rng, 15);
            let wanted = rng.usize(..3).min(input.tasks.len());
            let wanted = rng.choose_multiple(input.tasks.iter(), wanted);
            input.first = wanted.iter().map(|task| task.number).collect();
            let found = assembly_order(&input);
            let order: Vec<_> = found.steps.iter().map(|step| step.task).collect();
            let place = |task: &TaskNumber| order.iter().position(|other| other == task);
            for task in &input.tasks {
                let out = task.left_out || task.depends_on.iter().any(|on| place(on).is_none());
                assert_eq!(place(&task.number).is_none(), out);
                let mut before = task.depends_on.iter().filter_map(place);
                assert!(out || before.all(|on| Some(on) < place(&task.number)));
            }
            let unique: BTreeSet<_> = order.iter().collect();
            assert_eq!(unique.len(), order.len());
            let chosen: BTreeSet<_> = order[..found.selection.chosen.len()]
                .iter()
                .copied()
                .collect();
            assert_eq!(chosen, found.selection.chosen);
        }
    }

    #[test]
    fn sorting_is_taking_the_best_of_the_ready_again_and_again() {
        let mut rng = fastrand::Rng::with_seed(8);
        for _ in 0..200 {
            let input = random(&mut rng, 15);
            let selection = select(&input);
            let order = Ordering::new(&input, &selection);
            let mut waiting: BTreeSet<TaskNumber> = order.admitted.keys().copied().collect();
            let sorted = order.sorted(&waiting);
            let mut expected = Vec::new();
            while let Some(next) = order.best(&waiting, |_| true) {
                waiting.remove(&next);
                expected.push(next);
            }
            assert_eq!(sorted, expected);
        }
    }

    fn order_without_failing(text: &str, sets: &[&[u32]]) -> String {
        let input = input(text);
        let tasks = input.tasks.iter();
        let built_on = tasks.map(|task| (task.number, task.depends_on.clone()));
        let built_on = built_on.collect();
        let failing = sets.iter().map(|tasks| FailingSet {
            command: "make".to_owned(),
            timed_out: false,
            tasks: tasks.iter().copied().map(TaskNumber).collect(),
        });
        let failing: Vec<FailingSet> = failing.collect();
        let order = assembly_order(&input).without_failing(&failing, &built_on);
        let chosen: Vec<TaskNumber> = order.selection.chosen.into_iter().collect();
        let out = order.selection.left_out.iter();
        let out = out.map(|out| format!("{} {}; {}", out.task, out.explanation(), out.remedy()));
        let lines: Vec<String> = std::iter::once(comma_list(&chosen)).chain(out).collect();
        lines.join("\n")
    }

    #[test]
    fn of_a_failing_set_the_last_stays_out_with_what_was_built_on_it() {
        insta::assert_snapshot!(order_without_failing("1 2 3<2 4<3 5", &[&[1, 2]]), @r"
        #1, #5
        #2 `make` fails with it together with #1, as found earlier; included with another candidate, or in place of #1 (--leave-out 1)
        #3 built on #2, which is left out; included with #2
        #4 built on #2, which is left out; included with #2
        ");
        insta::assert_snapshot!(order_without_failing("1 2 | | 2", &[&[1, 2], &[2]]), @r"

        #1 `make` fails with it together with #2, as found earlier; included with another candidate, or in place of #2 (--leave-out 2)
        #2 `make` fails with it on its own, as found earlier; included with another candidate, or after a new check of everything (--recheck)
        ");
    }

    #[test]
    fn a_failing_set_that_is_not_selected_as_a_whole_is_ignored() {
        insta::assert_snapshot!(order_without_failing("1- 2 3", &[&[1, 2]]), @r"
        #2, #3
        #1 left out by the user; included when it is no longer left out
        ");
    }
}
