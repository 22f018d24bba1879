//! Selects the candidates to assemble: the largest set without a conflict.
//!
//! The set contains every task that a member was built on. Connected parts of the graph with at
//! most [`EXACT`] tasks are solved exactly; in larger parts the task with the fewest conflicts is
//! selected until the rest splits into such parts, and the result is never smaller than first come,
//! first served. Among sets of one size editors and adders go before movers and deleters, then
//! priority, then number. The user's choices outrank all of this.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::assembly::exclusion::{Exclusion, ExclusionReason};
use crate::model::ids::TaskNumber;

/// The size up to which a connected part is solved exactly.
pub const EXACT: usize = 12;

/// The input for selection and order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OrderInput {
    /// The tasks with a candidate.
    pub tasks: Vec<OrderTask>,
    /// The pairs whose candidates conflict.
    pub conflicts: Vec<(TaskNumber, TaskNumber)>,
    /// The tasks the user wants first, in this order.
    ///
    /// Each follows the tasks it was built on; one that conflicts with an earlier one is left out.
    pub first: Vec<TaskNumber>,
}

/// One task with a candidate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderTask {
    /// The number.
    pub number: TaskNumber,
    /// The priority among equals, higher first.
    pub priority: i32,
    /// The tasks its candidate was built on; tasks missing in the input are ignored.
    pub depends_on: Vec<TaskNumber>,
    /// `true` if the candidate moves or deletes paths.
    pub moves_or_deletes: bool,
    /// `true` if it is left out, together with the tasks built on it.
    pub left_out: bool,
}

/// The selected and the excluded tasks, judged by pairwise conflicts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// The selected tasks.
    pub chosen: BTreeSet<TaskNumber>,
    /// The excluded tasks, in the order of the input.
    pub left_out: Vec<Exclusion>,
}

/// Selects the tasks to assemble.
pub fn select(input: &OrderInput) -> Selection {
    let graph = Graph::new(input);
    let mut chosen = graph.pinned(&input.first);
    let open = (0..graph.tasks.len()).filter(|place| graph.may_join(*place, &chosen));
    graph.solve(open.collect(), &mut chosen);
    let numbers = |places: &BTreeSet<usize>| -> BTreeSet<TaskNumber> {
        places.iter().map(|place| graph.number(*place)).collect()
    };
    let left_out = (0..graph.tasks.len()).filter(|place| !chosen.contains(place));
    Selection {
        left_out: left_out
            .map(|place| graph.exclusion(place, &chosen))
            .collect(),
        chosen: numbers(&chosen),
    }
}

/// The tasks by their index in the input, with their relations.
struct Graph<'a> {
    tasks: &'a [OrderTask],
    /// The tasks each was built on, directly or through others.
    upstream: Vec<BTreeSet<usize>>,
    conflicts: Vec<BTreeSet<usize>>,
    /// `true` for tasks the user left out, and those built on them.
    barred: Vec<bool>,
}

impl<'a> Graph<'a> {
    fn new(input: &'a OrderInput) -> Graph<'a> {
        let tasks = &input.tasks;
        let places: BTreeMap<TaskNumber, usize> = (0..tasks.len())
            .map(|place| (tasks[place].number, place))
            .collect();
        let direct: Vec<Vec<usize>> = tasks
            .iter()
            .map(|task| {
                let on = task.depends_on.iter();
                on.filter_map(|on| places.get(on).copied()).collect()
            })
            .collect();
        let upstream: Vec<_> = (0..tasks.len())
            .map(|place| reachable(place, &direct))
            .collect();
        let mut conflicts = vec![BTreeSet::new(); tasks.len()];
        for (a, b) in &input.conflicts {
            if let (Some(&a), Some(&b)) = (places.get(a), places.get(b))
                && a != b
            {
                conflicts[a].insert(b);
                conflicts[b].insert(a);
            }
        }
        let barred = (0..tasks.len())
            .map(|place| {
                tasks[place].left_out || upstream[place].iter().any(|on| tasks[*on].left_out)
            })
            .collect();
        Graph {
            tasks,
            upstream,
            conflicts,
            barred,
        }
    }

    fn number(&self, place: usize) -> TaskNumber {
        self.tasks[place].number
    }

    /// Returns a task with all it was built on.
    fn closure(&self, place: usize) -> BTreeSet<usize> {
        let mut closure = self.upstream[place].clone();
        closure.insert(place);
        closure
    }

    /// Returns `true` if a task, with all it was built on, conflicts with no chosen task.
    fn may_join(&self, place: usize, chosen: &BTreeSet<usize>) -> bool {
        if self.barred[place] || chosen.contains(&place) {
            return false;
        }
        let with = self.closure(place);
        with.iter().all(|task| {
            self.conflicts[*task].is_disjoint(chosen) && self.conflicts[*task].is_disjoint(&with)
        })
    }

    /// Selects the user's first tasks, as far as they do not conflict.
    fn pinned(&self, first: &[TaskNumber]) -> BTreeSet<usize> {
        let mut chosen = BTreeSet::new();
        for number in first {
            let place = self.tasks.iter().position(|task| task.number == *number);
            if let Some(place) = place.filter(|place| self.may_join(*place, &chosen)) {
                chosen.extend(self.closure(place));
            }
        }
        chosen
    }

    /// Adds the best set of the open tasks, part by part.
    fn solve(&self, open: BTreeSet<usize>, chosen: &mut BTreeSet<usize>) {
        let mut parts = self.parts(&open);
        while let Some(part) = parts.pop() {
            if part.len() <= EXACT {
                chosen.extend(self.largest(&part));
            } else {
                let greedy = self.greedy(&part);
                let first_come = self.first_come(&part);
                let better = self.rank(&greedy) >= self.rank(&first_come);
                chosen.extend(if better { greedy } else { first_come });
            }
        }
    }

    /// Splits the open tasks into parts connected by conflicts or "built on" relations.
    ///
    /// A task without conflicts, also in the tasks it was built on, is a part of its own.
    fn parts(&self, open: &BTreeSet<usize>) -> Vec<BTreeSet<usize>> {
        let has_conflict = |place: usize| {
            self.conflicts[place]
                .iter()
                .any(|other| open.contains(other))
        };
        let is_free = |place: &usize| self.closure(*place).iter().all(|on| !has_conflict(*on));
        let (free, tied): (BTreeSet<usize>, BTreeSet<usize>) =
            open.iter().partition(|p| is_free(p));
        let mut ties: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for &place in &tied {
            let others = self.conflicts[place].iter().chain(&self.upstream[place]);
            for &other in others.filter(|other| tied.contains(other)) {
                ties.entry(place).or_default().insert(other);
                ties.entry(other).or_default().insert(place);
            }
        }
        let mut parts: Vec<BTreeSet<usize>> = free.into_iter().map(|one| [one].into()).collect();
        let mut rest = tied;
        while let Some(start) = rest.pop_first() {
            let mut part = BTreeSet::from([start]);
            let mut edge = vec![start];
            while let Some(place) = edge.pop() {
                for other in ties.get(&place).into_iter().flatten() {
                    if rest.remove(other) {
                        part.insert(*other);
                        edge.push(*other);
                    }
                }
            }
            parts.push(part);
        }
        parts
    }

    /// Returns the best of all sets of a small part.
    fn largest(&self, part: &BTreeSet<usize>) -> BTreeSet<usize> {
        let places: Vec<usize> = part.iter().copied().collect();
        let mask = |of: &BTreeSet<usize>| -> u32 {
            let bits = (0..places.len()).filter(|bit| of.contains(&places[*bit]));
            bits.map(|bit| 1 << bit).sum()
        };
        let needs: Vec<u32> = places.iter().map(|p| mask(&self.upstream[*p])).collect();
        let excludes: Vec<u32> = places.iter().map(|p| mask(&self.conflicts[*p])).collect();
        let fits = |set: u32| {
            (0..places.len()).all(|bit| {
                set & (1 << bit) == 0 || (needs[bit] & !set == 0 && excludes[bit] & set == 0)
            })
        };
        let members = |set: u32| -> BTreeSet<usize> {
            let bits = (0..places.len()).filter(|bit| set & (1 << bit) != 0);
            bits.map(|bit| places[bit]).collect()
        };
        let sets = (0..1u32 << places.len()).filter(|set| fits(*set));
        let most = sets.clone().map(u32::count_ones).max().unwrap_or(0);
        let largest = sets.filter(|set| set.count_ones() == most).map(members);
        largest.max_by_key(|set| self.rank(set)).unwrap_or_default()
    }

    /// Selects the task with the fewest conflicts until the rest is small enough to solve exactly.
    fn greedy(&self, part: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut chosen = BTreeSet::new();
        let mut open = part.clone();
        let degree =
            |place: usize, open: &BTreeSet<usize>| self.conflicts[place].intersection(open).count();
        while open.len() > EXACT {
            let ready = open
                .iter()
                .filter(|place| self.upstream[**place].is_disjoint(&open));
            let next = ready
                .min_by_key(|place| (degree(**place, &open), self.preference(**place)))
                .copied();
            let Some(next) = next else { break };
            chosen.insert(next);
            open.remove(&next);
            let gone: BTreeSet<usize> = self.conflicts[next].intersection(&open).copied().collect();
            open.retain(|place| !gone.contains(place) && self.upstream[*place].is_disjoint(&gone));
            // Small parts that split off are solved exactly.
            for small in self.parts(&open).into_iter().filter(|p| p.len() <= EXACT) {
                chosen.extend(self.largest(&small));
                open.retain(|place| !small.contains(place));
            }
        }
        if !open.is_empty() {
            chosen.extend(self.largest(&open));
        }
        chosen
    }

    fn first_come(&self, part: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut by_number: Vec<usize> = part.iter().copied().collect();
        by_number.sort_by_key(|place| self.number(*place));
        let mut chosen = BTreeSet::new();
        for place in by_number {
            if self.may_join(place, &chosen) {
                chosen.extend(self.closure(place).intersection(part));
            }
        }
        chosen
    }

    /// Returns the sort key among equals.
    fn preference(&self, place: usize) -> (bool, Reverse<i32>, TaskNumber) {
        let task = &self.tasks[place];
        (task.moves_or_deletes, Reverse(task.priority), task.number)
    }

    /// Returns the rank of a set, higher is better: size, few movers, priorities, low numbers.
    fn rank(&self, set: &BTreeSet<usize>) -> impl Ord + use<> {
        let movers = set.iter().filter(|p| self.tasks[**p].moves_or_deletes);
        let priority: i64 = set.iter().map(|p| i64::from(self.tasks[*p].priority)).sum();
        let mut numbers: Vec<TaskNumber> = set.iter().map(|p| self.number(*p)).collect();
        numbers.sort();
        (
            set.len(),
            Reverse(movers.count()),
            priority,
            Reverse(numbers),
        )
    }

    fn exclusion(&self, place: usize, chosen: &BTreeSet<usize>) -> Exclusion {
        let numbers = |places: BTreeSet<usize>| -> Vec<TaskNumber> {
            let mut numbers: Vec<_> = places.into_iter().map(|p| self.number(p)).collect();
            numbers.sort();
            numbers
        };
        let with: BTreeSet<usize> = self.conflicts[place]
            .intersection(chosen)
            .copied()
            .collect();
        let on = self.upstream[place].iter().find(|on| !chosen.contains(on));
        let cause = match on {
            _ if self.tasks[place].left_out => ExclusionReason::ByUser,
            Some(&on) => ExclusionReason::BuiltOn(self.number(self.root(on, chosen))),
            None => {
                let out =
                    |task: &usize| with.contains(task) || !self.upstream[*task].is_disjoint(&with);
                let instead_of = chosen.iter().copied().filter(out).collect();
                ExclusionReason::Conflict {
                    with: numbers(with),
                    instead_of: numbers(instead_of),
                }
            }
        };
        Exclusion {
            task: self.number(place),
            reason: cause,
        }
    }

    /// Returns the upstream task that is left out for a reason of its own.
    fn root(&self, place: usize, chosen: &BTreeSet<usize>) -> usize {
        let out = |place: &usize| !chosen.contains(place);
        let rootless = |place: &usize| !self.upstream[*place].iter().any(out);
        let mut candidates = self.upstream[place].iter().filter(|on| out(on));
        candidates.find(|on| rootless(on)).copied().unwrap_or(place)
    }
}

fn reachable(from: usize, direct: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = direct[from].clone();
    while let Some(place) = open.pop() {
        if found.insert(place) {
            open.extend(&direct[place]);
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod tests;
